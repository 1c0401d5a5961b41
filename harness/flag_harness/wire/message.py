"""Parsing of responses as far as they arrived, and assembly of a stream's events into a message.

Reports, comparisons and verdicts read responses with this parser. It checks no grammar and raises no error, so that a
broken response can be shown as it is. The reference agent has a strict parser of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.wire.aws_frames import decode_aws_events, is_aws_stream
from flag_harness.wire.json import decode_json, join_surrogates, join_surrogates_in_value
from flag_harness.wire.sse import ServerSentEvent, decode_events
from flag_harness.wire.timeline import Chunk, End, Head, Response, body, is_stream

_TEXT_KEYS_BY_DELTA_TYPE = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "compaction_delta": ("content", "content"),
    "input_json_delta": ("partial_json", "input"),
}
"""For each type of delta that adds text: the key of the text in the delta, and the key of the text in the content block
to which it is added.
"""


@dataclass(frozen=True, slots=True)
class ParsedResponse:
    """The content of a response, parsed as far as it arrived.

    Attributes:
        status: the HTTP status; None if there was no answer.
        is_stream: True if the body is a stream of server-sent events.
        decoded_body: the message (of a stream, assembled from its events), or the JSON value of another body; None if
            the body cannot be read.
        is_complete: True if nothing is missing: a stream has its `message_stop`, any other body its end or valid JSON.
        error: the API's error object, from the body or from an event of the stream; None if there is none.
        events: the JSON objects of a stream's events. Events whose data is not a JSON object are left out.
    """

    status: int | None
    is_stream: bool
    decoded_body: Any
    is_complete: bool
    error: Mapping[str, Any] | None
    events: tuple[Mapping[str, Any], ...] = ()

    @property
    def message(self) -> Mapping[str, Any]:
        """The message, or an empty dict if the body is not a JSON object."""
        return self.decoded_body if isinstance(self.decoded_body, dict) else {}

    @property
    def blocks(self) -> tuple[Mapping[str, Any], ...]:
        """The content blocks of the message."""
        content = self.message.get("content")
        return tuple(block for block in content if isinstance(block, dict)) if isinstance(content, list) else ()

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The `usage` object of the message as it was sent, or None."""
        usage = self.message.get("usage")
        return usage if isinstance(usage, dict) else None


def parse_response(response: Response) -> ParsedResponse:
    """Parse a response as far as it arrived. A compressed response must be decompressed before."""
    head = response[0] if response else None
    if not isinstance(head, Head):
        return ParsedResponse(None, False, None, False, None)
    ended = isinstance(response[-1], End) and not response[-1].is_abandoned
    if is_stream(head) or is_aws_stream(head):
        decode = decode_aws_events if is_aws_stream(head) else decode_events
        raw = tuple(json_events(decode(piece.data for piece in response if isinstance(piece, Chunk))))
        events = tuple(map(join_surrogates_in_value, raw))
        kinds = [event.get("type") for event in events]
        error = next(
            (_json_object_or_none(event.get("error")) for event in events if event.get("type") == "error"), None
        )
        return ParsedResponse(head.status, True, assemble_message(raw), "message_stop" in kinds, error, events)
    value = decode_json(body(response))
    error = _json_object_or_none(value.get("error")) if isinstance(value, dict) else None
    return ParsedResponse(head.status, False, value, ended or value is not None, error)


def json_events(events: Iterable[ServerSentEvent]) -> Iterable[Mapping[str, Any]]:
    """Yield the JSON object in the data of each event. Events whose data is not a JSON object are left out.

    Half surrogate pairs (an emoji that is split over two deltas) are kept, so that the caller can join them.
    """
    decoded = (decode_json(event.data, keep_lone_surrogates=True) for event in events)
    return (data for data in decoded if isinstance(data, dict))


def assemble_message(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Assemble a message from the JSON objects of its stream events, as far as they arrived.

    Without a `message_start` the result is empty. Counts in the usage of `message_delta` replace those of
    `message_start`. A tool's input stays text if it is not valid JSON. An emoji that is split over two deltas is
    joined.
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
                _add_delta(blocks[index], delta, index, texts)
            case {"type": "message_delta"}:
                _update_message(message, event)
    for (index, key), parts in texts.items():
        blocks[index][key] = _member_value_after_deltas(blocks[index].get(key), key, "".join(parts))
    if blocks:
        message = {**message, "content": [blocks[index] for index in sorted(blocks)]}
    elif message:
        message = {**message, "content": []}
    joined: dict[str, Any] = join_surrogates_in_value(message)
    return joined


def _add_delta(
    block: dict[str, Any], delta: Mapping[str, Any], index: int, texts: dict[tuple[int, str], list[str]]
) -> None:
    """Add the delta of a content block: append a piece of text to `texts`, or a citation to `block`.

    `texts` collects the pieces by (index of the block, key in the block).
    """
    source, target = _TEXT_KEYS_BY_DELTA_TYPE.get(str(delta.get("type")), ("", ""))
    if isinstance(part := delta.get(source), str):
        texts.setdefault((index, target), []).append(part)
    elif isinstance(citation := delta.get("citation"), dict):
        block["citations"] = [*(block.get("citations") or ()), citation]


def _update_message(message: dict[str, Any], event: Mapping[str, Any]) -> None:
    """Change `message` in place as a `message_delta` event says."""
    changes = {key: value for key, value in event.items() if key not in ("type", "delta", "usage")}
    message.update(changes | (_json_object_or_none(event.get("delta")) or {}))
    if usage := _json_object_or_none(event.get("usage")):
        counts = {key: value for key, value in usage.items() if value is not None}
        message["usage"] = {**(_json_object_or_none(message.get("usage")) or {}), **counts}


def _member_value_after_deltas(initial_value: Any, key: str, joined_text: str) -> Any:
    """Return the value of a block's member `key` after all deltas: `initial_value` with `joined_text` added.

    `initial_value` comes from the start of the block, and `joined_text` from its deltas. For the input of a tool, the
    text is parsed as JSON and replaces the initial value.
    """
    if key != "input":
        return (initial_value if isinstance(initial_value, str) else "") + joined_text
    if not joined_text:
        return initial_value
    value = decode_json(join_surrogates(joined_text))
    return value if value is not None else joined_text


def _json_object_or_none(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
