"""What was said, read off the wire: lines of a conversation, without ids, thinking, and where messages begin."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from harness.wire.sse import decode
from harness.wire.timeline import Chunk, End, Head, Response, body, header

Line: TypeAlias = tuple[str, ...]
"""Who, what kind of block, and what it says."""
_TEXT_DELTAS = {"text_delta": "text", "input_json_delta": "partial_json"}


def lines(messages: Iterable[Mapping[str, Any]]) -> tuple[Line, ...]:
    """The lines of a conversation. Blank texts, which say nothing, are none."""
    found = [_line(message["role"], block) for message in messages for block in _blocks(message["content"])]
    return tuple(line for line in found if line is not None)


def said(response: Response) -> tuple[Line, ...] | None:
    """The lines of the message in a response, as it stands there; None where there is no complete one."""
    head = response[0]
    if not isinstance(head, Head) or head.status != 200:
        return None
    try:
        if header(head.headers, "content-type").startswith("text/event-stream"):
            content = _streamed(response)
        else:
            content = json.loads(body(response))["content"] if isinstance(response[-1], End) else None
        return None if content is None else lines([{"role": "assistant", "content": content}])
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _streamed(response: Response) -> list[dict[str, Any]] | None:
    """The blocks of a stream that came to `message_stop`, put together without a look at the grammar."""
    blocks: dict[int, dict[str, Any]] = {}
    written: dict[int, str] = {}
    for event in decode(piece.data for piece in response if isinstance(piece, Chunk)):
        data = json.loads(event.data)
        match data["type"]:
            case "content_block_start":
                blocks[data["index"]] = dict(data["content_block"])
            case "content_block_delta":
                key = _TEXT_DELTAS.get(data["delta"]["type"])
                if key is not None:
                    written[data["index"]] = written.get(data["index"], "") + data["delta"][key]
            case "error":
                return None
            case "message_stop":
                return [_filled(block, written.get(index, "")) for index, block in sorted(blocks.items())]
    return None


def _filled(block: dict[str, Any], text: str) -> dict[str, Any]:
    if "input" in block:
        return {**block, "input": json.loads(text or "{}")}
    return {**block, "text": block["text"] + text} if "text" in block else block


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
