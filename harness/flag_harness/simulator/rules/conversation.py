"""Rules about messages: that there are some, that they say something, and who may say the last word."""

from collections.abc import Mapping
from typing import Any

from flag_harness.simulator.rules.asked import Asked
from flag_harness.simulator.scenario.matching import message_blocks


def some_messages(asked: Asked) -> str | None:
    """At least one message."""
    return None if asked.body["messages"] else "messages: at least one message is required"


def system_messages(asked: Asked) -> str | None:
    """Newer models take system messages among the others (recorded: Opus 4.8), the rest only the top-level prompt."""
    if asked.model.only_adaptive or all(message["role"] != "system" for message in asked.body["messages"]):
        return None
    return (
        'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as '
        "an input message role."
    )


def non_empty_content(asked: Asked) -> str | None:
    """Every message but a final assistant one has content, or is a system message that sets something."""
    messages = asked.body["messages"]
    for index, message in enumerate(messages):
        final_assistant = index == len(messages) - 1 and message["role"] == "assistant"
        if not message.get("content") and not final_assistant and not message.get("output_config"):
            words = "all messages must have non-empty content except for the optional final assistant message"
            return f"messages.{index}: {words}"
    return None


def non_empty_text(asked: Asked) -> str | None:
    """No text block is empty; what is a string is judged as content."""
    system = asked.body.get("system")
    if isinstance(system, list) and any(block["text"] == "" for block in system):
        return "system: text content blocks must be non-empty"
    listed = (message for message in asked.body["messages"] if isinstance(message.get("content"), list))
    blocks = (block for message in listed for block in message_blocks(message))
    if any(block["type"] == "text" and block["text"] == "" for block in blocks):
        return "messages: text content blocks must be non-empty"
    return None


def some_words(asked: Asked) -> str | None:
    """A message is not white space alone; beside anything else it may have some."""
    for message in asked.body["messages"]:
        blocks = message_blocks(message)
        if message.get("content") and not any(block["type"] != "text" or block["text"].strip() for block in blocks):
            return "messages: text content blocks must contain non-whitespace text"
    return None


def no_prefill(asked: Asked) -> str | None:
    """Models that think adaptively take no prefill: a user's message is last (documented from Claude 4.6 on)."""
    last = asked.body["messages"][-1]
    if "adaptive" not in asked.model.thinking or last["role"] != "assistant" or _waits_for_server(last):
        return None
    return "This model does not support assistant message prefill. The conversation must end with a user message."


def no_trailing_white_space(asked: Asked) -> str | None:
    """A prefill does not end in white space."""
    last = asked.body["messages"][-1]
    blocks = message_blocks(last)
    if last["role"] != "assistant" or not blocks or blocks[-1]["type"] != "text":
        return None
    text = blocks[-1]["text"]
    return "messages: final assistant content cannot end with trailing whitespace" if text != text.rstrip() else None


def _waits_for_server(message: Mapping[str, Any]) -> bool:
    """A turn that was paused while servers' tools ran is sent back as it is, and goes on."""
    blocks = message_blocks(message)
    return any(block["type"] in ("server_tool_use", "mcp_tool_use") for block in blocks)
