"""A support agent that answers questions about orders. Its four feature flags are environment variables."""

import os

import anthropic

ORDERS = {"1": "paid", "2": "packed", "3": "shipped", "4": "delivered", "5": "refunded"}
NUMBER = {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]}
TOOL = {"name": "find_order", "description": "Return the state of an order.", "input_schema": NUMBER}


def is_on(variable):
    return os.environ.get(variable) == "true"


def mark_for_cache(messages):
    marked = []
    for message in messages:
        if message["role"] == "user":
            *others, last = message["content"]
            message = {**message, "content": [*others, {**last, "cache_control": {"type": "ephemeral"}}]}
        marked.append(message)
    return marked


class SupportAgent:
    def __init__(self):
        self.client = anthropic.Anthropic()
        self.messages = []

    def ask(self, question):
        if not is_on("MEMORY"):
            self.messages = []  # the model does not see the questions before this one
        content = [{"type": "text", "text": question}]
        while content:
            self.messages.append({"role": "user", "content": content})
            answer = self.send()
            self.messages.append({"role": "assistant", "content": answer.content})
            content = [self.call_tool(block) for block in answer.content if block.type == "tool_use"]
        return answer.content[0].text

    def call_tool(self, call):
        return {"type": "tool_result", "tool_use_id": call.id, "content": ORDERS[call.input["number"]]}

    def send(self):
        messages = mark_for_cache(self.messages) if is_on("PROMPT_CACHE") else self.messages
        tools = {"tools": [TOOL]} if is_on("TOOLS") else {}
        request = {"model": "claude-haiku-4-5", "max_tokens": 1024, "messages": messages, **tools}
        if not is_on("STREAMING"):
            return self.client.messages.create(**request)
        with self.client.messages.stream(**request) as stream:
            return stream.get_final_message()
