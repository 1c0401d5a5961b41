"""Drop a block of an earlier answer that the API no longer accepts, so that the conversation can go on."""

import re
from dataclasses import replace
from typing import Any

from flag_harness.reference.context.context import ConversationContext
from flag_harness.reference.context.repair import repair_context
from flag_harness.reference.request.failure import RequestFailure

_BLOCK_PATH_PATTERN = re.compile(r"messages\.(\d+)\.content\.(\d+)\b")
_BLOCK_TYPES_NEVER_DROPPED = frozenset({"text", "tool_use"})
"""Block types that are never dropped, because they hold the model's texts and tool calls."""
_THINKING_BLOCK_TYPES = frozenset({"thinking", "redacted_thinking"})


def drop_refused_block(context: ConversationContext, failure: RequestFailure) -> tuple[ConversationContext, str] | None:
    """Remove the block of an earlier answer that an API error names.

    Return the new context and the block's type, or None if the error names no block that can be removed. Texts and tool
    calls are never removed. Other blocks of the model are, such as thinking whose signature is invalid, or types that
    the API does not know. If the error names a thinking block, all thinking blocks of its message are removed.
    """
    found = _BLOCK_PATH_PATTERN.match(failure.original_message) if failure.is_rejection else None
    if found is None:
        return None
    number, index = map(int, found.groups())
    message: dict[str, Any] = context.messages[number] if number < len(context.messages) else {}
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list) or index >= len(content):
        return None
    kind = str(content[index]["type"])
    if kind in _BLOCK_TYPES_NEVER_DROPPED:
        return None
    dropped = _THINKING_BLOCK_TYPES if kind in _THINKING_BLOCK_TYPES else {kind}
    rest = [block for block in content if block["type"] not in dropped]
    messages = (*context.messages[:number], {**message, "content": rest}, *context.messages[number + 1 :])
    return repair_context(replace(context, messages=messages))[0], kind
