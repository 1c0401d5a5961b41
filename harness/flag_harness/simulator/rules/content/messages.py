"""Rules for messages: their roles, and contents that must not be empty."""

from collections.abc import Mapping
from typing import Any

from flag_harness.simulator.rules.request import ParsedRequest
from flag_harness.simulator.scenario.matching import message_blocks


def check_messages_present(request: ParsedRequest) -> str | None:
    """Return the error message for an empty list of messages, or None."""
    return None if request.body["messages"] else "messages: at least one message is required"


def check_system_messages(request: ParsedRequest) -> str | None:
    """Return the error message for messages with the role `system` if the model does not support them, or None.

    Opus 4.8 and newer models support them (recorded).
    """
    if request.model.has_only_adaptive_thinking or all(
        message["role"] != "system" for message in request.body["messages"]
    ):
        return None
    return (
        'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as '
        "an input message role."
    )


def check_messages_have_content(request: ParsedRequest) -> str | None:
    """Return the error message for a message without content, or None.

    A final assistant message may be empty, and so may a system message that only changes settings.
    """
    messages = request.body["messages"]
    for index, message in enumerate(messages):
        final_assistant = index == len(messages) - 1 and message["role"] == "assistant"
        if not message.get("content") and not final_assistant and not message.get("output_config"):
            words = "all messages must have non-empty content except for the optional final assistant message"
            return f"messages.{index}: {words}"
    return None


def check_empty_text(request: ParsedRequest) -> str | None:
    """Return the error message for an empty text block, or None.

    `check_messages_have_content` checks a content that is a string.
    """
    system = request.body.get("system")
    if isinstance(system, list) and any(block["text"] == "" for block in system):
        return "system: text content blocks must be non-empty"
    lists = (message for message in request.body["messages"] if isinstance(message.get("content"), list))
    blocks = (block for message in lists for block in message_blocks(message))
    if any(block["type"] == "text" and block["text"] == "" for block in blocks):
        return "messages: text content blocks must be non-empty"
    return None


def check_whitespace_messages(request: ParsedRequest) -> str | None:
    """Return the error message for a message that contains only white space, or None."""
    for message in request.body["messages"]:
        blocks = message_blocks(message)
        if message.get("content") and not any(block["type"] != "text" or block["text"].strip() for block in blocks):
            return "messages: text content blocks must contain non-whitespace text"
    return None


def check_prefill(request: ParsedRequest) -> str | None:
    """Return the error message for a final assistant message, or None.

    Only models with adaptive thinking (documented: from Claude 4.6 on) refuse it.
    """
    last = request.body["messages"][-1]
    if "adaptive" not in request.model.thinking or last["role"] != "assistant":
        return None
    if _has_server_calls(last) or request.signatures.is_paused_answer(last):
        return None
    return "This model does not support assistant message prefill. The conversation must end with a user message."


def check_prefill_whitespace(request: ParsedRequest) -> str | None:
    """Return the error message for a final assistant message that ends with white space, or None."""
    last = request.body["messages"][-1]
    blocks = message_blocks(last)
    if (
        last["role"] != "assistant"
        or not blocks
        or blocks[-1]["type"] != "text"
        or request.signatures.is_paused_answer(last)
    ):
        return None
    text = blocks[-1]["text"]
    return "messages: final assistant content cannot end with trailing whitespace" if text != text.rstrip() else None


def _has_server_calls(message: Mapping[str, Any]) -> bool:
    """Return whether a message has calls of server tools.

    The API may pause a turn at such calls. The client then sends the message back, and the API continues the turn.
    """
    blocks = message_blocks(message)
    return any(block["type"] in ("server_tool_use", "mcp_tool_use") for block in blocks)
