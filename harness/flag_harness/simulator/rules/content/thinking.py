"""Rules for thinking blocks that the client sends back to the API."""

from collections.abc import Mapping, Sequence
from typing import Any

from flag_harness.simulator.answer.signatures import CONTINUATION_MARK, LAST_BLOCK_MARK, position_after_blocks
from flag_harness.simulator.rules.request import ParsedRequest
from flag_harness.simulator.scenario.matching import is_model_thinking, message_blocks

_THINKING_BLOCK_TYPES = ("thinking", "redacted_thinking")


def check_latest_thinking(request: ParsedRequest) -> str | None:
    """Return the error message for thinking blocks that the client has changed or moved, or None.

    This applies to the latest assistant message, and to all assistant messages of an unfinished tool loop.
    """
    messages = request.body["messages"]
    for number, message in enumerate(messages):
        blocks = message_blocks(message)
        if number < _first_protected_message_index(messages) or message["role"] != "assistant":
            continue
        for index, block in enumerate(blocks):
            if _is_thinking_text_changed(request, block) or _is_thinking_block_moved(
                request, block, _position_before_message(messages, number), blocks[:index]
            ):
                return (
                    f"messages.{number}.content.{index}: `thinking` or `redacted_thinking` blocks in the latest "
                    "assistant message cannot be modified. These blocks must remain as they were in the original "
                    "response."
                )
    return None


def check_thinking_is_not_last(request: ParsedRequest) -> str | None:
    """Return the error message for an assistant message that ends with thinking, or None.

    Such a message is accepted if the API itself issued it as an answer.
    """
    messages = request.body["messages"]
    for number, message in enumerate(messages):
        blocks = message_blocks(message)
        follows = number + 1 < len(messages) and messages[number + 1]["role"] == "assistant"
        if follows or not blocks or blocks[-1]["type"] not in _THINKING_BLOCK_TYPES:
            continue
        if not request.signatures.is_last_block_of_issued_answer(blocks[-1]):
            return f"messages.{number}: The final block in an assistant message cannot be `{blocks[-1]['type']}`."
    return None


def check_prefilled_thinking(request: ParsedRequest) -> str | None:
    """Return the error message for thinking in a final assistant message although thinking is off, or None."""
    number, last = len(request.body["messages"]) - 1, request.body["messages"][-1]
    if (
        last["role"] != "assistant"
        or is_model_thinking(request.body, request.model)
        or request.signatures.is_paused_answer(last)
    ):
        return None
    index = next((at for at, block in enumerate(message_blocks(last)) if block["type"] in _THINKING_BLOCK_TYPES), None)
    if index is None:
        return None
    return (
        f"messages.{number}.content.{index}: When thinking is disabled, an `assistant` message in the final position "
        f"cannot contain `{message_blocks(last)[index]['type']}`. To use thinking blocks, enable `thinking` in your "
        "request."
    )


def check_thinking_signatures(request: ParsedRequest) -> str | None:
    """Return the error message for a thinking block whose signature was not issued for its text, or None."""
    for number, message in enumerate(request.body["messages"]):
        for index, block in enumerate(message_blocks(message)):
            path = f"messages.{number}.content.{index}"
            if block["type"] == "thinking" and not request.signatures.is_valid(block["signature"], block["thinking"]):
                return f"{path}: Invalid `signature` in `thinking` block"
            if block["type"] == "redacted_thinking" and not request.signatures.is_issued_redacted_data(block["data"]):
                return f"{path}: Invalid `data` in `redacted_thinking` block"
    return None


def check_thinking_before_tools(request: ParsedRequest) -> str | None:
    """Return the error message for an unfinished tool loop that does not begin with thinking, or None.

    Only a request with a thinking budget gets this error.

    Only the first message of the loop needs thinking, since the model thinks once unless thinking is interleaved.
    """
    messages = request.body["messages"]
    if request.thinking_type != "enabled" or not (
        _has_tool_results(messages[-1]) or messages[-1]["role"] == "assistant"
    ):
        return None
    number = _tool_loop_start_index(messages)
    blocks = message_blocks(messages[number])
    if (
        not blocks
        or blocks[0]["type"] in _THINKING_BLOCK_TYPES
        or _is_api_answer_without_thinking(request, messages[number])
    ):
        return None
    first = blocks[0]["type"]
    return (
        f"messages.{number}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When "
        "`thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost "
        "set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To "
        "avoid this requirement, disable `thinking`. Please consult our documentation at "
        "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
    )


def _is_api_answer_without_thinking(request: ParsedRequest, message: Mapping[str, Any]) -> bool:
    """Return whether the API itself issued this message as an answer that does not begin with thinking.

    The API must accept such an answer when a client sends it back.
    """
    calls = [block["id"] for block in message_blocks(message) if block["type"] == "tool_use"]
    return request.signatures.is_paused_answer(message) or any(
        map(request.signatures.is_from_answer_without_thinking, calls)
    )


def _first_protected_message_index(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the index of the first message whose thinking must come back unchanged.

    That is the latest assistant message or, if the request ends with tool results, the first assistant message of the
    current tool loop.
    """
    latest = max((index for index, message in enumerate(messages) if message["role"] == "assistant"), default=0)
    return min(latest, _tool_loop_start_index(messages)) if _has_tool_results(messages[-1]) else latest


def _position_before_message(messages: Sequence[Mapping[str, Any]], message_index: int) -> str:
    """Return the position (see `position_after_blocks`) at which a message begins in its turn.

    The assistant messages directly before this message belong to the same turn, so that their blocks count.
    """
    start = message_index
    while start and messages[start - 1]["role"] == "assistant":
        start -= 1
    return "".join(position_after_blocks(message_blocks(message)) for message in messages[start:message_index])


def _is_thinking_text_changed(request: ParsedRequest, block: Mapping[str, Any]) -> bool:
    """Return whether a thinking block has a signature that was issued for another text than the text of the block."""
    if block["type"] != "thinking" or request.signatures.is_valid(block["signature"], block["thinking"]):
        return False
    return request.signatures.is_issued(block["signature"])


def _is_thinking_block_moved(
    request: ParsedRequest,
    block: Mapping[str, Any],
    message_position: str,
    preceding_blocks: Sequence[Mapping[str, Any]],
) -> bool:
    """Return whether a thinking block no longer follows the blocks after which the API issued it.

    `message_position` is the position (see `position_after_blocks`) at which the block's message begins in its turn.
    `preceding_blocks` are the blocks before the block in its message.
    """
    issued = request.signatures.position_in_answer(block) if block["type"] in _THINKING_BLOCK_TYPES else None
    if issued is None:
        return False
    continued, _, own = issued.removesuffix(LAST_BLOCK_MARK).rpartition(CONTINUATION_MARK)
    found = position_after_blocks(preceding_blocks)
    return found != own and message_position + found not in (own, continued + own)


def _tool_loop_start_index(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the index at which the current tool loop begins.

    That is the first assistant message after the last user message without tool results.
    """
    number = len(messages) - 1
    while number and (messages[number - 1]["role"] == "assistant" or _has_tool_results(messages[number - 1])):
        number -= 1
    return number


def _has_tool_results(message: Mapping[str, Any]) -> bool:
    return any(block["type"] == "tool_result" for block in message_blocks(message))
