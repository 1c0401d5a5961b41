"""Rules for tool calls and their results."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from flag_harness.simulator.rules.request import ParsedRequest
from flag_harness.simulator.scenario.matching import content_blocks, message_blocks

_TOOL_USE_TYPE = "tool_use"
_TOOL_RESULT_TYPE = "tool_result"
_ROLE_BY_BLOCK_TYPE = {
    _TOOL_RESULT_TYPE: "user",
    **dict.fromkeys((_TOOL_USE_TYPE, "thinking", "redacted_thinking", "server_tool_use", "mcp_tool_use"), "assistant"),
}
_MEDIA_TYPES = ("document", "image")
_BLOCK_TYPES_IN_TOOL_RESULTS = frozenset({"document", "image", "search_result", "text", "tool_reference"})
"""The types of blocks that are allowed in a tool_result (types of anthropic 2.14)."""


def check_block_roles(request: ParsedRequest) -> str | None:
    """Return the error message for a block in a message of the wrong role, or None.

    Tool calls belong in assistant messages; tool results, images and documents in user messages.
    """
    for number, message in enumerate(request.body["messages"]):
        for block in message_blocks(message):
            if message["role"] == "assistant" and block["type"] in _MEDIA_TYPES:
                return f"messages.{number}: '{block['type']}' blocks are not permitted within assistant turns"
            writer = _ROLE_BY_BLOCK_TYPE.get(block["type"], message["role"])
            if writer != message["role"]:
                return f"messages.{number}: `{block['type']}` blocks can only be in `{writer}` messages"
    return None


def check_tool_result_content(request: ParsedRequest) -> str | None:
    """Return the error message for a tool_result whose content is not allowed, or None.

    The content may not have block types that only messages may have. An error must have content, without media.
    """
    for number, message in enumerate(request.body["messages"]):
        for index, block in enumerate(message_blocks(message)):
            if block["type"] != _TOOL_RESULT_TYPE:
                continue
            path = f"messages.{number}.content.{index}.tool_result"
            for place, part in enumerate(content_blocks(block.get("content"))):
                if part["type"] not in _BLOCK_TYPES_IN_TOOL_RESULTS:
                    names = ", ".join(f"'{name}'" for name in sorted(_BLOCK_TYPES_IN_TOOL_RESULTS))
                    return (
                        f"{path}.content.{place}: Input tag '{part['type']}' found using 'type' does not match any of "
                        f"the expected tags: {names}"
                    )
            if block.get("is_error") and _is_without_content(block):
                return f"{path}: content cannot be empty if `is_error` is true"
            if block.get("is_error") and any(part["type"] != "text" for part in content_blocks(block["content"])):
                return f"{path}: all content must be type 'text' if 'is_error' is true"
    return None


def _is_without_content(result: Mapping[str, Any]) -> bool:
    """Return whether a tool_result has no content, or only empty texts."""
    parts = content_blocks(result.get("content"))
    return all(part["type"] == "text" and not part["text"] for part in parts)


def check_tool_results_have_calls(request: ParsedRequest) -> str | None:
    """Return the error message for a tool_result if the assistant turn before it has no matching tool_use, or None."""
    calls: set[str] = set()
    previous = ""
    for number, message in enumerate(request.body["messages"]):
        role, blocks = message["role"], message_blocks(message)
        if role == "assistant":
            calls = (calls if previous == "assistant" else set()) | _values_of_key(blocks, _TOOL_USE_TYPE, "id")
        for index, block in enumerate(blocks):
            if block["type"] == _TOOL_RESULT_TYPE and block["tool_use_id"] not in calls:
                return (
                    f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )
        previous = role
    return None


def check_single_result_per_call(request: ParsedRequest) -> str | None:
    """Return the error message for two tool results for the same call, or None.

    Consecutive messages of the same role count as one turn.
    """
    messages = enumerate(request.body["messages"])
    for _, turn in groupby(messages, key=lambda numbered: numbered[1]["role"]):
        seen: set[str] = set()
        for number, message in turn:
            for index, block in enumerate(message_blocks(message)):
                if block["type"] == _TOOL_RESULT_TYPE and block["tool_use_id"] in seen:
                    return (
                        f"messages.{number}.content.{index}: each tool_use must have a single result. Found multiple "
                        f"`tool_result` blocks with id: {block['tool_use_id']}"
                    )
                seen |= _values_of_key([block], _TOOL_RESULT_TYPE, "tool_use_id")
    return None


def check_tool_calls_have_results(request: ParsedRequest) -> str | None:
    """Return the error message for a tool_use if the next user turn does not begin with a matching tool_result, or
    None.
    """
    messages = request.body["messages"]
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        calls = [block["id"] for block in message_blocks(message) if block["type"] == _TOOL_USE_TYPE]
        missing = set(calls) - _leading_result_ids(messages[number + 1 :])
        if missing:
            names = ", ".join(call for call in calls if call in missing)
            return (
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: {names}"
                ". Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            )
    return None


def check_unique_call_ids(request: ParsedRequest) -> str | None:
    """Return the error message for two tool_use blocks with the same id, or None."""
    seen: set[str] = set()
    for message in request.body["messages"]:
        for block in message_blocks(message):
            if block["type"] == _TOOL_USE_TYPE:
                if block["id"] in seen:
                    return "messages: `tool_use` ids must be unique"
                seen.add(block["id"])
    return None


def _leading_result_ids(following_messages: list[Mapping[str, Any]]) -> set[str]:
    """Return the `tool_use_id` of each tool result at the beginning of the next user turn.

    `following_messages` are the messages after the tool calls.
    """
    answered: set[str] = set()
    for block in _next_user_blocks(following_messages):
        if block["type"] != _TOOL_RESULT_TYPE:
            break
        answered.add(block["tool_use_id"])
    return answered


def _next_user_blocks(following_messages: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the blocks of the next user turn. `following_messages` are the messages after an assistant message.

    The turn may consist of several messages. System messages in between are skipped.
    """
    started = False
    for message in following_messages:
        if message["role"] == "assistant" and started:
            return
        if message["role"] == "user":
            started = True
            yield from message_blocks(message)


def _values_of_key(blocks: Iterable[Mapping[str, Any]], block_type: str, key: str) -> set[str]:
    """Return the values under `key` (such as `id`) in the blocks of the type `block_type`."""
    return {block[key] for block in blocks if block["type"] == block_type}
