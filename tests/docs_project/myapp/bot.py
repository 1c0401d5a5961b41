"""The agent that docs/agents.md wraps for a sweep."""

from types import SimpleNamespace

import anthropic


class Bot:
    """Asks until the model calls no more tools."""

    def __init__(self, client, model):
        self._client, self._model, self._tools, self._messages = client, model, {}, []

    def add_tool(self, name, description, input_schema, run):
        """Offer a tool to the model."""
        definition = {"name": name, "description": description, "input_schema": input_schema}
        self._tools[name] = definition, run

    async def ask(self, prompt):
        """Return what became of a turn; a turn that failed leaves nothing behind."""
        before = [*self._messages]
        self._messages.append({"role": "user", "content": prompt})
        try:
            while calls := await self._step():
                self._messages.append({"role": "user", "content": [await self._result(one) for one in calls]})
        except anthropic.AnthropicError as error:
            self._messages = before
            return SimpleNamespace(failed=True, reason=str(error))
        return SimpleNamespace(failed=False, reason="")

    async def _step(self):
        tools = [definition for definition, _ in self._tools.values()]
        message = await self._client.messages.create(
            model=self._model, max_tokens=1024, tools=tools, messages=self._messages
        )
        self._messages.append({"role": "assistant", "content": message.content})
        return [one for one in message.content if one.type == "tool_use"]

    async def _result(self, call):
        text = await self._tools[call.name][1](**call.input)
        return {"type": "tool_result", "tool_use_id": call.id, "content": text}
