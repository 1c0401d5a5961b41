"""What the agents of the rebuilt bugs share: they read their flags from the environment, as their users set them."""

import os
from functools import cache
from typing import Any

import anthropic

MODEL = "claude-haiku-4-5"
LONG_PROMPT = "You explain words of operating systems. " * 600
"""Long enough for the prompt cache."""
THINKING = {"type": "enabled", "budget_tokens": 1024}
MARK = {"type": "ephemeral"}
TOOLS = [
    {
        "name": "lookup",
        "description": "Look up a word.",
        "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}},
    },
    {"name": "list_all", "description": "List all words.", "input_schema": {"type": "object", "properties": {}}},
]
IS_FIXED = os.environ.get("BUGS") == "fixed"
"""Whether the agents run as they were repaired."""


def is_on(flag: str) -> bool:
    """Whether the environment turns a flag on."""
    return os.environ.get(flag.upper(), "").lower() == "true"


@cache
def _client() -> anthropic.Anthropic:
    return anthropic.Anthropic(max_retries=0)


def create(text: str | list[dict[str, Any]], **options: Any) -> Any:
    """Send one request, with the defaults of the agents; return the message or the stream of events."""
    messages = text if isinstance(text, list) else [user(text)]
    return _client().messages.create(**{"model": MODEL, "max_tokens": 2048, "messages": messages, **options})


def user(content: str | list[Any]) -> dict[str, Any]:
    """A user message."""
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    """An assistant message."""
    return {"role": "assistant", "content": content}


def results(calls: list[Any]) -> list[dict[str, Any]]:
    """A result for each tool call."""
    return [{"type": "tool_result", "tool_use_id": call.id, "content": "found"} for call in calls]


def text_of(message: Any) -> str:
    """The text of a message."""
    return "".join(block.text for block in message.content if block.type == "text")
