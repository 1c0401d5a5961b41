"""What a response says, read as far as it came: a stream's events put together as the message that they make.

This is the reader of whoever reports, compares and judges. It looks at no grammar and refuses nothing, so that what is
broken can be shown as it is; an agent has its own, which does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from flag_harness.wire.json import is_too_deep
from flag_harness.wire.sse import ServerSentEvent, decode_events
from flag_harness.wire.timeline import Chunk, End, Head, Response, is_stream, response_body

_ADDED = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "compaction_delta": ("content", "content"),
    "input_json_delta": ("partial_json", "input"),
}
"""Deltas that add text: the key of theirs that holds it, and the block's key that it belongs to."""


@dataclass(frozen=True, slots=True)
class ParsedResponse:
    """What came.

    Attributes:
        status: the HTTP status; `None` where there was no answer.
        streamed: whether it came as server-sent events.
        value: the message, or what else a JSON body holds; `None` where nothing can be read.
        complete: whether all of it came: of a stream its `message_stop`, of another body its end or a whole JSON value.
        error: the API's error object, of a body or of an event in a stream; `None` where there is none.
        events: a stream's events, whose data are JSON objects; those that hold none are left out.
    """

    status: int | None
    streamed: bool
    value: Any
    complete: bool
    error: Mapping[str, Any] | None
    events: tuple[Mapping[str, Any], ...] = ()

    @property
    def message(self) -> Mapping[str, Any]:
        """The value where it is an object, which a message is; else an empty one."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def blocks(self) -> tuple[Mapping[str, Any], ...]:
        """The content blocks of the message."""
        content = self.message.get("content")
        return tuple(block for block in content if isinstance(block, dict)) if isinstance(content, list) else ()

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The message's usage, as it is stated; `None` where it is not."""
        usage = self.message.get("usage")
        return usage if isinstance(usage, dict) else None


def parse_response(response: Response) -> ParsedResponse:
    """Read a response that is not compressed."""
    head = response[0] if response else None
    if not isinstance(head, Head):
        return ParsedResponse(None, False, None, False, None)
    ended = isinstance(response[-1], End) and not response[-1].abandoned
    if is_stream(head):
        events = tuple(json_events(decode_events(piece.data for piece in response if isinstance(piece, Chunk))))
        kinds = [event.get("type") for event in events]
        error = next((_object(event.get("error")) for event in events if event.get("type") == "error"), None)
        return ParsedResponse(head.status, True, assemble_message(events), "message_stop" in kinds, error, events)
    value = _json(response_body(response))
    error = _object(value.get("error")) if isinstance(value, dict) else None
    return ParsedResponse(head.status, False, value, ended or value is not None, error)


def json_events(events: Iterable[ServerSentEvent]) -> Iterable[Mapping[str, Any]]:
    """The JSON objects that events carry; whatever else they carry is left out."""
    return (data for event in events if isinstance(data := _json(event.data), dict))


def assemble_message(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The message that the events (their data, in order) make, as far as they came; empty where none starts one.

    A delta's usage is cumulative: what it states takes the place of what `message_start` stated. A tool's input whose
    parts are no JSON stays the text that came.
    """
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    texts: dict[tuple[int, str], list[str]] = {}
    for event in events:
        match event:
            case {"type": "message_start", "message": dict(start)}:
                message = dict(start)
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                blocks[index] = dict(block)
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)} if index in blocks:
                _note(blocks[index], delta, index, texts)
            case {"type": "message_delta"}:
                _update(message, event)
    for (index, key), parts in texts.items():
        blocks[index][key] = _filled(blocks[index].get(key), key, "".join(parts))
    return {**message, "content": [blocks[index] for index in sorted(blocks)]} if message or blocks else message


def _note(block: dict[str, Any], delta: Mapping[str, Any], index: int, texts: dict[tuple[int, str], list[str]]) -> None:
    source, target = _ADDED.get(str(delta.get("type")), ("", ""))
    if isinstance(part := delta.get(source), str):
        texts.setdefault((index, target), []).append(part)
    elif isinstance(citation := delta.get("citation"), dict):
        block["citations"] = [*(block.get("citations") or ()), citation]


def _update(message: dict[str, Any], event: Mapping[str, Any]) -> None:
    stated = {key: value for key, value in event.items() if key not in ("type", "delta", "usage")}
    message.update(stated | (_object(event.get("delta")) or {}))
    if usage := _object(event.get("usage")):
        known = {key: value for key, value in usage.items() if value is not None}
        message["usage"] = {**(_object(message.get("usage")) or {}), **known}


def _filled(before: Any, key: str, text: str) -> Any:
    if key != "input":
        return (before if isinstance(before, str) else "") + text
    if not text:
        return before
    value = _json(text)
    return value if value is not None else text


def _json(data: str | bytes) -> Any:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return None if is_too_deep(data, value) else value


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
