"""Rules about cache marks and about thinking that is sent back."""

from collections.abc import Mapping, Sequence
from typing import Any

from flag_harness.simulator.rules.asked import Asked
from flag_harness.simulator.scenario.matching import message_blocks

MOST_MARKS = 4


def at_most_four_marks(asked: Asked) -> str | None:
    """Four breakpoints at most, an automatic one included."""
    found = len(asked.marked) + bool(asked.body.get("cache_control"))
    if found <= MOST_MARKS:
        return None
    return f"A maximum of {MOST_MARKS} blocks with cache_control may be provided. Found {found}."


def no_mark_on_empty_text(asked: Asked) -> str | None:
    """An empty text cannot be marked."""
    for path, block in asked.marked:
        if block.get("type") == "text" and not block["text"]:
            return f"{path}.text: cache_control cannot be set for empty text blocks"
    return None


def long_lifetimes_first(asked: Asked) -> str | None:
    """A one-hour mark does not come after a five-minute one; an automatic mark comes last."""
    short_seen = False
    for path, block in (*asked.marked, ("", asked.body)):
        mark = block.get("cache_control")
        if not mark:
            continue
        if mark.get("ttl") == "1h" and short_seen:
            where = f"{path}.cache_control.ttl".removeprefix(".")
            return (
                f"{where}: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
                "`messages`."
            )
        short_seen = short_seen or mark.get("ttl") != "1h"
    return None


def latest_thinking_unchanged(asked: Asked) -> str | None:
    """Thinking of the latest assistant's turn that was signed here has the text that was signed."""
    messages = asked.body["messages"]
    number = max((index for index, message in enumerate(messages) if message["role"] == "assistant"), default=None)
    for index, block in enumerate(message_blocks(messages[number]) if number is not None else ()):
        if block["type"] != "thinking" or asked.signatures.fits(block["signature"], block["thinking"]):
            continue
        if asked.signatures.signed(block["signature"]):
            return (
                f"messages.{number}.content.{index}: `thinking` or `redacted_thinking` blocks in the latest assistant "
                "message cannot be modified. These blocks must remain as they were in the original response."
            )
    return None


def thinking_as_issued(asked: Asked) -> str | None:
    """Thinking blocks carry the signature that was issued for their text."""
    for number, message in enumerate(asked.body["messages"]):
        for index, block in enumerate(message_blocks(message)):
            path = f"messages.{number}.content.{index}"
            if block["type"] == "thinking" and not asked.signatures.fits(block["signature"], block["thinking"]):
                return f"{path}: Invalid `signature` in `thinking` block"
            if block["type"] == "redacted_thinking" and not asked.signatures.issued(block["data"]):
                return f"{path}: Invalid `data` in `redacted_thinking` block"
    return None


def thinking_leads_tool_loops(asked: Asked) -> str | None:
    """With a thinking budget, the assistant's part of an unfinished tool loop begins with thinking.

    Later steps of the same loop may go without: the model thinks once, unless thinking is interleaved.
    """
    messages = asked.body["messages"]
    if asked.thinking != "enabled" or not _returns_results(messages[-1]):
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
    """Where the tool loop of the last message begins: right after the last user's turn without results."""
    number = len(messages) - 1
    while number and (messages[number - 1]["role"] == "assistant" or _returns_results(messages[number - 1])):
        number -= 1
    return number


def _returns_results(message: Mapping[str, Any]) -> bool:
    return any(block["type"] == "tool_result" for block in message_blocks(message))
