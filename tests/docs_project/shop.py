"""What the examples of the docs speak of without showing it: an agent, its async twin, and its texts."""

import os

import anthropic

RULES = "You are a careful assistant of a shop. " * 250
MESSAGES = [{"role": "user", "content": "Refund order 17."}]
TOOLS = [{"name": "refund", "input_schema": {"type": "object", "properties": {"order": {"type": "integer"}}}}]


def refund(order):
    """Pay an order back."""
    return f"refunded {order}"


class Agent:
    """Asks until the model calls no more tools."""

    def __init__(self):
        self.client = anthropic.Anthropic()
        self.usage = {"input_tokens": 0, "output_tokens": 0}
        self.messages = []

    def ask(self, question):
        """Return the text of the answer to a question."""
        self.messages.append({"role": "user", "content": question})
        while calls := [one for one in self._step() if one.type == "tool_use"]:
            results = [{"type": "tool_result", "tool_use_id": one.id, "content": refund(**one.input)} for one in calls]
            self.messages.append({"role": "user", "content": results})
        return "".join(one.text for one in self.messages[-1]["content"])

    def _step(self):
        with_planner = os.environ.get("PLANNER_V2")
        request = {"model": os.environ.get("MODEL", "claude-haiku-4-5"), "max_tokens": 1024 if with_planner else 512}
        request |= {"messages": self.messages, "tools": TOOLS}
        if os.environ.get("ENABLE_STREAMING"):
            with self.client.messages.stream(**request) as stream:
                message = stream.get_final_message()
        else:
            message = self.client.messages.create(**request)
        for name in self.usage:
            self.usage[name] += getattr(message.usage, name)
        self.messages.append({"role": "assistant", "content": message.content})
        return message.content


def answer(question):
    """Return the text of the answer to a question."""
    return Agent().ask(question)


ask = answer


async def answer_async(question):
    """Return the text of the answer to a question."""
    request = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": question}]}
    async with anthropic.AsyncAnthropic().messages.stream(max_tokens=512, **request) as stream:
        return await stream.get_final_text()


def judge_politeness(text):
    """Return how polite a text is."""
    return 1.0 if "please" in text else 0.5
