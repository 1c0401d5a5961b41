"""Rules for thinking blocks that the client sends back."""

from collections.abc import Mapping, Sequence
from typing import Any

from flag_harness.simulator.rules.request import ParsedRequest
from flag_harness.simulator.scenario.matching import message_blocks


def check_latest_thinking(request: ParsedRequest) -> str | None:
    """Refuse a changed thinking text in the latest assistant message, if this simulator signed it."""
    messages = request.body["messages"]
    number = max((index for index, message in enumerate(messages) if message["role"] == "assistant"), default=None)
    for index, block in enumerate(message_blocks(messages[number]) if number is not None else ()):
        if block["type"] != "thinking" or request.signatures.is_valid(block["signature"], block["thinking"]):
            continue
        if request.signatures.is_issued(block["signature"]):
            return (
                f"messages.{number}.content.{index}: `thinking` or `redacted_thinking` blocks in the latest assistant "
                "message cannot be modified. These blocks must remain as they were in the original response."
            )
    return None


def check_thinking_signatures(request: ParsedRequest) -> str | None:
    """Refuse a thinking block whose signature was not issued for its text."""
    for number, message in enumerate(request.body["messages"]):
        for index, block in enumerate(message_blocks(message)):
            path = f"messages.{number}.content.{index}"
            if block["type"] == "thinking" and not request.signatures.is_valid(block["signature"], block["thinking"]):
                return f"{path}: Invalid `signature` in `thinking` block"
            if block["type"] == "redacted_thinking" and not request.signatures.is_issued_redaction(block["data"]):
                return f"{path}: Invalid `data` in `redacted_thinking` block"
    return None


def check_thinking_before_tools(request: ParsedRequest) -> str | None:
    """Refuse an unfinished tool loop that does not start with thinking, if there is a thinking budget.

    Later steps of the loop may lack it: the model thinks once, unless thinking is interleaved.
    """
    messages = request.body["messages"]
    if request.thinking != "enabled" or not _has_tool_results(messages[-1]):
        return None
    number = _loop_start(messages)
    first = message_blocks(messages[number])[0]["type"]
    if first in ("thinking", "redacted_thinking"):
        return None
    return (
        f"messages.{number}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When "
        "`thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost "
        "set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To "
        "avoid this requirement, disable `thinking`. Please consult our documentation at "
        "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
    )


def _loop_start(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the index of the first assistant message after the last user message without tool results."""
    number = len(messages) - 1
    while number and (messages[number - 1]["role"] == "assistant" or _has_tool_results(messages[number - 1])):
        number -= 1
    return number


def _has_tool_results(message: Mapping[str, Any]) -> bool:
    return any(block["type"] == "tool_result" for block in message_blocks(message))
