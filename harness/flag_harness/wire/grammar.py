"""The grammar of a stream of the Messages API, and the names of the points in it.

    stream = message_start, { block }, message_delta, message_stop
    block  = content_block_start, { content_block_delta }, content_block_stop

A `ping` may come anywhere. A *gap* is the position between two events, before the first event or after the last. A
*point* is a named kind of gap, such as `inside_text`. One gap can be several points (for example both after the
start of a block and before its signature), and a stream can reach one point several times (ten times in ten deltas).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from flag_harness.wire.json import decode_json_object
from flag_harness.wire.sse import EventDecoder

_BLANK_LINE_PATTERN = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r(?=.)|\n)", re.DOTALL)
_MAX_BYTES_OF_UNFINISHED_BLANK_LINE = 3
_BLOCK_TYPES_WITH_INPUT = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_BLOCK_START_EVENT, _BLOCK_STOP_EVENT = "content_block_start", "content_block_stop"


class EventSplitter:
    """Splits the bytes of a stream into server-sent events, each with the blank line that ends it.

    The stream may arrive in chunks of any size. `incomplete_event` has the bytes after the last complete event. The
    events and these bytes, joined, are the bytes of the stream.
    """

    def __init__(self) -> None:
        self.incomplete_event = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Add `data`, and return the events that are complete now.

        If the data ends with CR, the event waits for the next byte, because an LF may belong to it.
        """
        searched = max(0, len(self.incomplete_event) - _MAX_BYTES_OF_UNFINISHED_BLANK_LINE)
        buffer, events, start = self.incomplete_event + data, [], 0
        while found := _BLANK_LINE_PATTERN.search(buffer, max(start, searched)):
            events.append(buffer[start : found.end()])
            start = found.end()
        self.incomplete_event = buffer[start:]
        return events


@dataclass(frozen=True, slots=True)
class StreamGap:
    """A gap in a stream: between two events, before the first or after the last.

    Attributes:
        previous_kind: the kind of the event before the gap (see `event_kind`), or an empty string at the beginning.
        next_kind: the kind of the event after the gap, or an empty string at the end.
        open_block_type: the type of the open content block, or an empty string.
        closed_block_type: the type of the block that was closed last, or an empty string.
        block_index: the index of the open block, or of the next block.
        has_partial_input: True if part of the input of the open tool call has arrived.
        is_after_ping: True if the previous event is a ping.
    """

    previous_kind: str = ""
    next_kind: str = ""
    open_block_type: str = ""
    closed_block_type: str = ""
    block_index: int = 0
    has_partial_input: bool = False
    is_after_ping: bool = False


@dataclass(frozen=True, slots=True)
class StreamPoint:
    """A named kind of gap (position between two events) in a stream, such as `after_ping`.

    `matches_gap` returns whether a gap is of this kind.
    """

    name: str
    description: str
    matches_gap: Callable[[StreamGap], bool]


_STREAM_POINTS = (
    StreamPoint(
        "first_event",
        "before anything",
        lambda gap: not gap.previous_kind and not gap.is_after_ping and gap.next_kind != "",
    ),
    StreamPoint(
        "before_first_block",
        "after `message_start`, before the first block",
        lambda gap: gap.previous_kind == "message_start" and gap.next_kind == _BLOCK_START_EVENT,
    ),
    StreamPoint(
        "after_block_start", "in a block, before its first delta", lambda gap: gap.previous_kind == _BLOCK_START_EVENT
    ),
    StreamPoint(
        "inside_text", "after a `text_delta`, its block still open", lambda gap: gap.previous_kind == "text_delta"
    ),
    StreamPoint("inside_citations", "after a `citations_delta`", lambda gap: gap.previous_kind == "citations_delta"),
    StreamPoint(
        "inside_thinking",
        "between two `thinking_delta`",
        lambda gap: gap.previous_kind == gap.next_kind == "thinking_delta",
    ),
    StreamPoint(
        "between_thinking_and_signature",
        "after the thinking, before its `signature_delta`",
        lambda gap: gap.next_kind == "signature_delta",
    ),
    StreamPoint("after_signature", "signed, the block still open", lambda gap: gap.previous_kind == "signature_delta"),
    StreamPoint(
        "after_tool_use_start",
        "in a tool call, before its first input",
        lambda gap: gap.previous_kind == _BLOCK_START_EVENT and gap.open_block_type in _BLOCK_TYPES_WITH_INPUT,
    ),
    StreamPoint(
        "mid_partial_json",
        "between two parts of a tool's input",
        lambda gap: gap.has_partial_input and gap.next_kind == "input_json_delta",
    ),
    StreamPoint(
        "after_partial_json",
        "after a tool's complete input, its block still open",
        lambda gap: gap.has_partial_input and gap.next_kind == _BLOCK_STOP_EVENT,
    ),
    StreamPoint(
        "after_tool_use",
        "after a complete call of a client's tool",
        lambda gap: gap.previous_kind == _BLOCK_STOP_EVENT and gap.closed_block_type == "tool_use",
    ),
    StreamPoint(
        "between_blocks",
        "after a block, before the next one",
        lambda gap: gap.previous_kind == _BLOCK_STOP_EVENT and gap.next_kind == _BLOCK_START_EVENT,
    ),
    StreamPoint("before_message_delta", "before the stop reason", lambda gap: gap.next_kind == "message_delta"),
    StreamPoint(
        "after_message_delta",
        "after the stop reason, before `message_stop`",
        lambda gap: gap.previous_kind == "message_delta",
    ),
    StreamPoint("after_message_stop", "after everything", lambda gap: gap.previous_kind == "message_stop"),
    StreamPoint("after_ping", "right after a `ping`", lambda gap: gap.is_after_ping),
)


POINTS_BY_NAME: Mapping[str, StreamPoint] = MappingProxyType({point.name: point for point in _STREAM_POINTS})
"""All points (named kinds of gap between two events) by name, in the order in which a stream reaches them."""


class StreamGapTracker:
    """Reads a stream event by event, and returns a `StreamGap` for the gap before each event and after the last."""

    def __init__(self) -> None:
        self._gap = StreamGap()

    def advance(self, event: bytes) -> StreamGap:
        """Read the next event, given as bytes, and return the gap before it."""
        data = _json_data_of_event(event)
        name = event_kind(data)
        gap = replace(self._gap, next_kind=name)
        self._gap = (
            replace(self._gap, is_after_ping=True) if name == "ping" else _gap_after_event(self._gap, name, data)
        )
        return gap

    def gap_after_last_event(self) -> StreamGap:
        """Return the position between the event that was read last and the next one, where a fault can act."""
        return self._gap


def event_kind(data: Mapping[str, Any]) -> str:
    """Return the kind of an event: the type of its delta or, if it has no delta, its own type. Empty if it has neither.

    >>> event_kind({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}})
    'text_delta'
    """
    delta = data.get("delta")
    name = delta.get("type") if isinstance(delta, dict) and data.get("type") == "content_block_delta" else None
    name = name or data.get("type")
    return name if isinstance(name, str) else ""


def matching_point_names(gap: StreamGap) -> tuple[str, ...]:
    """Return the names of the points (named kinds of gap) that a gap belongs to, such as `inside_text`."""
    return tuple(name for name, point in POINTS_BY_NAME.items() if point.matches_gap(gap))


def names_of_points_in_stream(chunks: Iterable[bytes]) -> tuple[str, ...]:
    """Return the names of the points (named kinds of gap) that occur in a stream, in the order of `POINTS_BY_NAME`."""
    events, tracker = EventSplitter(), StreamGapTracker()
    reached = {
        name
        for chunk in chunks
        for event in events.feed(chunk)
        for name in matching_point_names(tracker.advance(event))
    }
    reached.update(matching_point_names(tracker.gap_after_last_event()))
    return tuple(name for name in POINTS_BY_NAME if name in reached)


def _json_data_of_event(event: bytes) -> dict[str, Any]:
    """Return the JSON object in the data of an event, or an empty dict if there is none.

    An SSE comment counts as a ping.
    """
    decoded = EventDecoder().feed(event)
    if not decoded:
        return {"type": "ping"}
    return decode_json_object(decoded[0].data)


def _gap_after_event(gap_before: StreamGap, kind: str, data: Mapping[str, Any]) -> StreamGap:
    """Return the gap after an event, whose `kind` is that of `event_kind` and whose `data` is its JSON object."""
    gap_before = replace(gap_before, previous_kind=kind or "unknown", next_kind="", is_after_ping=False)
    if kind == _BLOCK_START_EVENT:
        block = data.get("content_block")
        block_type = block.get("type") if isinstance(block, dict) else None
        return replace(
            gap_before,
            open_block_type=block_type if isinstance(block_type, str) else "unknown",
            has_partial_input=False,
        )
    if kind == _BLOCK_STOP_EVENT:
        return replace(
            gap_before,
            open_block_type="",
            closed_block_type=gap_before.open_block_type,
            block_index=gap_before.block_index + 1,
            has_partial_input=False,
        )
    if kind == "input_json_delta" and data["delta"].get("partial_json"):
        return replace(gap_before, has_partial_input=True)
    return gap_before
