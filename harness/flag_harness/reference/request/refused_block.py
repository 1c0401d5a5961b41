"""Blocks of earlier answers that the API takes back no more: left in a conversation, they would end it."""

import re
from dataclasses import replace
from typing import Any

from flag_harness.reference.context.context import Context
from flag_harness.reference.context.heal import healed
from flag_harness.reference.request.failure import Failure

_PLACE = re.compile(r"messages\.(\d+)\.content\.(\d+)\b")
_KEPT = frozenset({"text", "tool_use"})
"""Blocks that say what the model said and asked: these are never given up."""
_THINKING = frozenset({"thinking", "redacted_thinking"})


def without_refused_block(context: Context, failure: Failure) -> tuple[Context, str] | None:
    """The context without the block that a rejection names, and that block's type; None where it names none.

    Only blocks of the model's own are given up, and of those neither texts nor calls: thinking whose signature no
    longer fits, since a byte of it was lost on the way, and types that the API does not know. Thinking goes with all
    other thinking of its message.
    """
    found = _PLACE.match(failure.words) if failure.is_rejection else None
    if found is None:
        return None
    number, place = map(int, found.groups())
    message: dict[str, Any] = context.messages[number] if number < len(context.messages) else {}
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list) or place >= len(content):
        return None
    kind = str(content[place]["type"])
    if kind in _KEPT:
        return None
    gone = _THINKING if kind in _THINKING else {kind}
    rest = [block for block in content if block["type"] not in gone]
    messages = (*context.messages[:number], {**message, "content": rest}, *context.messages[number + 1 :])
    return healed(replace(context, messages=messages))[0], kind
