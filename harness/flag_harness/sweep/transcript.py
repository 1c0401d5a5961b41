"""What was said, read off the wire: lines of a conversation, without ids, thinking, and where messages begin."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from flag_harness.wire.message import received
from flag_harness.wire.timeline import End, Response

Line: TypeAlias = tuple[str, ...]
"""Who, what kind of block, and what it says."""


def lines(messages: Iterable[Mapping[str, Any]]) -> tuple[Line, ...]:
    """The lines of a conversation. Blank texts, which say nothing, are none."""
    found = [_line(message["role"], block) for message in messages for block in _blocks(message["content"])]
    return tuple(line for line in found if line is not None)


def said(response: Response) -> tuple[Line, ...] | None:
    """The lines of the message in a response, as it stands there; None where there is no complete one."""
    came = received(response)
    whole = came.complete if came.streamed else isinstance(response[-1], End)
    if came.status != 200 or came.error is not None or not whole:
        return None
    try:
        return lines([{"role": "assistant", "content": came.message["content"]}])
    except (KeyError, TypeError):
        return None


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _line(role: str, block: Mapping[str, Any]) -> Line | None:
    kind = block["type"]
    match kind:
        case "text":
            return (role, kind, block["text"]) if block["text"].strip() else None
        case "tool_use":
            return (role, kind, block["name"], json.dumps(block["input"], sort_keys=True))
        case "tool_result":
            content = "".join(part.get("text", "") for part in _blocks(block.get("content") or ""))
            return (role, kind, content, "error" if block.get("is_error") else "")
        case "thinking" | "redacted_thinking":
            return None
    return (role, kind)
