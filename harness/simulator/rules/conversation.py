"""Rules about messages: that there are some, that they say something, and that calls and results belong together."""

from collections.abc import Mapping
from typing import Any

from harness.simulator.matching import message_blocks
from harness.simulator.rules.asked import Asked

_CALLS = "tool_use"


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


def results_answer_calls(asked: Asked) -> str | None:
    """Every tool_result answers a tool_use of the assistant's turn right before it."""
    calls: set[str] = set()
    previous = ""
    for number, message in enumerate(asked.body["messages"]):
        role, blocks = message["role"], message_blocks(message)
        if role == "assistant":
            calls = (calls if previous == "assistant" else set()) | _ids(blocks, _CALLS, "id")
        for index, block in enumerate(blocks):
            if block["type"] == "tool_result" and block["tool_use_id"] not in calls:
                return (
                    f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )
        previous = role
    return None


def calls_are_answered(asked: Asked) -> str | None:
    """Every tool_use is answered in the user's turn right after it."""
    messages = asked.body["messages"]
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        calls = [block["id"] for block in message_blocks(message) if block["type"] == _CALLS]
        missing = set(calls) - _answers(messages[number + 1 :])
        if missing:
            names = ", ".join(call for call in calls if call in missing)
            return (
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: {names}"
                ". Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            )
    return None


def unique_calls(asked: Asked) -> str | None:
    """A call's id stands once in a conversation."""
    seen: set[str] = set()
    for message in asked.body["messages"]:
        for block in message_blocks(message):
            if block["type"] == _CALLS:
                if block["id"] in seen:
                    return "messages: `tool_use` ids must be unique"
                seen.add(block["id"])
    return None


def _answers(following: list[Mapping[str, Any]]) -> set[str]:
    """The ids that the next user's turn answers; consecutive messages of one role are one turn."""
    answered: set[str] = set()
    started = False
    for message in following:
        if message["role"] == "assistant":
            if started:
                break
            continue
        started = True
        answered |= _ids(message_blocks(message), "tool_result", "tool_use_id")
    return answered


def _ids(blocks: list[Mapping[str, Any]], kind: str, key: str) -> set[str]:
    return {block[key] for block in blocks if block["type"] == kind}


def _waits_for_server(message: Mapping[str, Any]) -> bool:
    """A turn that was paused while servers' tools ran is sent back as it is, and goes on."""
    blocks = message_blocks(message)
    return any(block["type"] in ("server_tool_use", "mcp_tool_use") for block in blocks)
