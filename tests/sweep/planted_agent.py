"""A small agent with a conversation, one tool, retries and a deadline. `BUG` names the bug that is planted in it."""

import asyncio
import os
import time

import anthropic

BUG = os.environ.get("BUG", "")
SYSTEM = "You add numbers with the tool. " * 600
ADD = {
    "name": "add",
    "description": "Adds two numbers.",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
TOOLS = {"add": (lambda a=0, b=0: a + b) if BUG == "truncated call run" else (lambda a, b: a + b)}
CLIENT = anthropic.AsyncAnthropic(api_key="x", max_retries=0)
SECONDS = None if BUG == "watchdog missing" else 120
WAITS = (1, 2, 4)


class AgentError(Exception):
    """The agent failed, and says so."""


class Agent:
    """A conversation."""

    def __init__(self):
        self.messages = []
        self.usage = {"input_tokens": 0, "output_tokens": 0}

    async def ask(self, prompt):
        """Return the text that answers a prompt. Forget the prompt if that fails."""
        start = len(self.messages)
        self.messages.append({"role": "user", "content": [{"type": "text", "text": prompt}]})
        try:
            return await self.answer()
        except BaseException:  # a cancelled turn is forgotten, too
            del self.messages[-1 if BUG == "orphan tool_use" else start :]
            raise

    async def answer(self):
        for _ in range(8):
            answer = await self.send()
            content = [self.keep(block) for block in answer.content]
            calls = [block for block in answer.content if block.type == "tool_use"]
            is_cut = answer.stop_reason in ("max_tokens", "model_context_window_exceeded")
            if answer.stop_reason == "refusal" or not content:
                raise AgentError("the model refuses, or says nothing")
            self.messages.append({"role": "assistant", "content": content})
            if not calls:
                return "".join(block.text for block in answer.content if block.type == "text")
            results = [self.run(call, is_cut and call is answer.content[-1]) for call in calls]
            self.messages.append({"role": "user", "content": results})
        raise AgentError("the model calls tools forever")

    def keep(self, block):
        kept = block.to_dict()
        if BUG == "signature dropped":
            kept.pop("signature", None)
        if not isinstance(kept.get("input", {}), dict):
            kept["input"] = {}
        return kept

    def run(self, call, is_cut):
        result = {"type": "tool_result", "tool_use_id": call.id}
        if is_cut and BUG != "truncated call run":
            return {**result, "content": "The call was cut off.", "is_error": True}
        try:
            return {**result, "content": str(TOOLS[call.name](**call.input))}
        except Exception as error:
            content = "" if BUG == "error result with empty content" else repr(error)
            return {**result, "content": content, "is_error": True}

    def request(self):
        now = f" It is {time.time()}." if BUG == "time in the cached prefix" else ""
        mark = {"cache_control": {"type": "ephemeral"}}
        marked = [i for i, one in enumerate(self.messages) if one["role"] == "user"]
        marked = marked if BUG == "more than four marks" else marked[-2:]
        messages = [
            {**one, "content": [*one["content"][:-1], {**one["content"][-1], **mark}]} if index in marked else one
            for index, one in enumerate(self.messages)
        ]
        return {
            "model": "claude-sonnet-4-5",
            "max_tokens": 8000,
            "system": [{"type": "text", "text": SYSTEM + now, **mark}],
            "messages": messages,
            "tools": [ADD],
            "thinking": {"type": "enabled", "budget_tokens": 2000},
        }

    async def send(self):
        """Send the conversation, up to four times."""
        for wait in (*WAITS, None):
            try:
                async with asyncio.timeout(SECONDS):
                    return await self.stream()
            except anthropic.APIStatusError as error:
                if wait is None or (error.status_code < 500 and error.status_code != 429):
                    raise AgentError(str(error)) from error
                wait = max(wait, self.retry_after(error))
                if wait > 60:
                    raise AgentError("the API asks to wait for too long") from error
            except Exception as error:
                if wait is None:
                    raise AgentError(repr(error)) from error
            if BUG == "user turn duplicated":
                self.messages.append(self.messages[-1])
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt has returned or raised")

    def retry_after(self, error):
        if BUG == "retry-after ignored":
            return 0
        try:
            return float(error.response.headers.get("retry-after", 0))
        except ValueError:
            return 0

    async def stream(self):
        stopped = False
        async with CLIENT.messages.stream(**self.request()) as stream:
            async for event in stream:
                stopped = stopped or event.type == "message_stop"
                if BUG == "usage counted twice" and event.type == "message_start":
                    self.count(event.message.usage)
            answer = await stream.get_final_message()
        if BUG != "cut stream as success" and not stopped:
            raise ConnectionError("the answer was cut off")
        self.count(answer.usage)
        return answer

    def count(self, usage):
        for name in self.usage:
            self.usage[name] += getattr(usage, name, None) or 0


def usage(fixtures):
    """Return the tokens that the agent of a test reports."""
    return fixtures["agent"].usage
