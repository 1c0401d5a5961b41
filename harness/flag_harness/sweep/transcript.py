"""Reduce requests and responses to lines that can be compared, without ids, thinking and the boundaries of messages."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Chunk, End, Head, Response, body, header_value

ConversationLine: TypeAlias = tuple[str, ...]
"""A content block as texts: the role, the block's type, and its content."""


def conversation_lines(messages: Iterable[Mapping[str, Any]]) -> tuple[ConversationLine, ...]:
    """Return one tuple for each block of a conversation: role, type and content.

    Blank texts and thinking are left out.
    """
    found = [
        _block_line(message["role"], block) for message in messages for block in _content_blocks(message["content"])
    ]
    return tuple(line for line in found if line is not None)


def response_lines(response: Response) -> tuple[ConversationLine, ...] | None:
    """Return the lines of the message in a response, or None if it contains no complete message."""
    last = None if isinstance(response[-1], (Head, Chunk)) else replace(response[-1], at=0.0)
    head = _essential_head(response[0]) if isinstance(response[0], Head) else None
    return _lines_of_answer(tuple(piece for piece in (head, Chunk(0.0, body(response)), last) if piece is not None))


def _essential_head(head: Head) -> Head:
    """Return the head of a response without its time and without headers other than the content type."""
    return Head(0.0, head.status, (("content-type", header_value(head.headers, "content-type")),))


@lru_cache(maxsize=1000)
def _lines_of_answer(response: Response) -> tuple[ConversationLine, ...] | None:
    """Return the lines of the message in a response that has no times, or None. The result is cached, since most runs
    of a sweep get the same answers.
    """
    reply = parse_response(response)
    is_complete = reply.is_complete if reply.is_stream else isinstance(response[-1], End)
    if reply.status != 200 or reply.error is not None or not is_complete:
        return None
    try:
        return conversation_lines([{"role": "assistant", "content": reply.message["content"]}])
    except (KeyError, TypeError):
        return None


def _content_blocks(content: Any) -> list[Mapping[str, Any]]:
    """Return the content of a message as a list of blocks."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _block_line(role: str, block: Mapping[str, Any]) -> ConversationLine | None:
    """Return a block as a tuple of role, type and content, or None if it is blank or thinking."""
    kind = block["type"]
    match kind:
        case "text":
            return (role, kind, block["text"]) if block["text"].strip() else None
        case "tool_use":
            return (role, kind, block["name"], json.dumps(block["input"], sort_keys=True))
        case "tool_result":
            content = "".join(part.get("text", "") for part in _content_blocks(block.get("content") or ""))
            return (role, kind, content, "error" if block.get("is_error") else "")
        case "thinking" | "redacted_thinking":
            return None
    return (role, kind)
