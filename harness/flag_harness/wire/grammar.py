"""The grammar of a stream of the Messages API, read event by event: where in it one is, by name.

    stream = message_start, { block }, message_delta, message_stop
    block  = content_block_start, { content_block_delta }, content_block_stop

A stream may `ping` anywhere. A *gap* is a place between two events, before the first or after the last; a *point* is a
gap with a name. One gap can have several names (before the signature is also after the block's start), one name several
gaps (inside a text of ten deltas there are ten).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from flag_harness.wire.sse import EventDecoder

_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r(?=.)|\n)", re.DOTALL)
_LONGEST_UNFINISHED_END = 3
_INPUT_BLOCKS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_START, _STOP = "content_block_start", "content_block_stop"


class EventSplitter:
    """Splits bytes, chunked anyhow, after the blank line that ends each event; every byte is kept as it came."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes. A final CR waits for the byte after it: an LF belongs to it."""
        searched = max(0, len(self.rest) - _LONGEST_UNFINISHED_END)
        buffer, events, start = self.rest + data, [], 0
        while found := _BLANK_LINE.search(buffer, max(start, searched)):
            events.append(buffer[start : found.end()])
            start = found.end()
        self.rest = buffer[start:]
        return events


@dataclass(frozen=True, slots=True)
class Gap:
    """A place between two events. `previous` and `next` are kinds of events (see `kind`), empty at either end.

    `block` is the open block's type, `closed` that of the block closed last; `index` is the open block's, else the next
    one's; `input` tells whether part of a tool's input has arrived; `pinged`, whether the event just before was a ping.
    """

    previous: str = ""
    next: str = ""
    block: str = ""
    closed: str = ""
    index: int = 0
    input: bool = False
    pinged: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A named place of the grammar: what it is, and whether a gap is one."""

    name: str
    description: str
    holds: Callable[[Gap], bool]


def _points() -> Iterator[Point]:
    yield Point("first_event", "before anything", lambda gap: not gap.previous and not gap.pinged and gap.next != "")
    yield Point(
        "before_first_block",
        "after `message_start`, before the first block",
        lambda gap: gap.previous == "message_start" and gap.next == _START,
    )
    yield Point("after_block_start", "in a block of which nothing has come", lambda gap: gap.previous == _START)
    yield Point("inside_text", "after a `text_delta`, its block still open", lambda gap: gap.previous == "text_delta")
    yield Point("inside_citations", "after a `citations_delta`", lambda gap: gap.previous == "citations_delta")
    yield Point(
        "inside_thinking",
        "between two `thinking_delta`",
        lambda gap: gap.previous == gap.next == "thinking_delta",
    )
    yield Point(
        "between_thinking_and_signature",
        "after the thinking, before its `signature_delta`",
        lambda gap: gap.next == "signature_delta",
    )
    yield Point("after_signature", "signed, the block still open", lambda gap: gap.previous == "signature_delta")
    yield Point(
        "after_tool_use_start",
        "a tool is named, nothing of its input has come",
        lambda gap: gap.previous == _START and gap.block in _INPUT_BLOCKS,
    )
    yield Point(
        "mid_partial_json",
        "between two parts of a tool's input",
        lambda gap: gap.input and gap.next == "input_json_delta",
    )
    yield Point(
        "after_partial_json",
        "a tool's input is whole, its block still open",
        lambda gap: gap.input and gap.next == _STOP,
    )
    yield Point(
        "after_tool_use",
        "a call of a client's tool is complete, the message is not",
        lambda gap: gap.previous == _STOP and gap.closed == "tool_use",
    )
    yield Point(
        "between_blocks",
        "after a block, before the next one",
        lambda gap: gap.previous == _STOP and gap.next == _START,
    )
    yield Point("before_message_delta", "before the stop reason", lambda gap: gap.next == "message_delta")
    yield Point(
        "after_message_delta",
        "the stop reason is known, `message_stop` has not come",
        lambda gap: gap.previous == "message_delta",
    )
    yield Point("after_message_stop", "after everything", lambda gap: gap.previous == "message_stop")
    yield Point("after_ping", "right after a `ping`", lambda gap: gap.pinged)


POINTS: Mapping[str, Point] = MappingProxyType({point.name: point for point in _points()})
"""Every point by its name, in the order in which a stream comes to them."""


class GapTracker:
    """Goes through a stream event by event and says what gap stands before each."""

    def __init__(self) -> None:
        self._gap = Gap()

    def before(self, event: bytes) -> Gap:
        """The gap before `event` (its bytes, as `EventSplitter` gives them). The walk then stands behind it."""
        data = _data(event)
        name = event_kind(data)
        gap = replace(self._gap, next=name)
        self._gap = replace(self._gap, pinged=True) if name == "ping" else _stepped(self._gap, name, data)
        return gap

    def end(self) -> Gap:
        """The gap after the last event."""
        return self._gap


def event_kind(data: Mapping[str, Any]) -> str:
    """What an event is: its delta's type where it has one, else its own; empty where it has none.

    >>> kind({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}})
    'text_delta'
    """
    delta = data.get("delta")
    name = delta.get("type") if isinstance(delta, dict) and data.get("type") == "content_block_delta" else None
    name = name or data.get("type")
    return name if isinstance(name, str) else ""


def points_at(gap: Gap) -> tuple[str, ...]:
    """The names of a gap."""
    return tuple(name for name, point in POINTS.items() if point.holds(gap))


def points_in(chunks: Iterable[bytes]) -> tuple[str, ...]:
    """The points that a stream has, in the order in which they are declared."""
    events, walk = EventSplitter(), GapTracker()
    met = {name for chunk in chunks for event in events.feed(chunk) for name in points_at(walk.before(event))}
    met.update(points_at(walk.end()))
    return tuple(name for name in POINTS if name in met)


def _data(event: bytes) -> dict[str, Any]:
    """An event's JSON object; a comment is as good as a ping; what cannot be read is an event of no kind."""
    decoded = EventDecoder().feed(event)
    if not decoded:
        return {"type": "ping"}
    try:
        data = json.loads(decoded[0].data)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _stepped(gap: Gap, name: str, data: Mapping[str, Any]) -> Gap:
    gap = replace(gap, previous=name or "unknown", next="", pinged=False)
    if name == _START:
        block = data.get("content_block")
        block_type = block.get("type") if isinstance(block, dict) else None
        return replace(gap, block=block_type if isinstance(block_type, str) else "unknown", input=False)
    if name == _STOP:
        return replace(gap, block="", closed=gap.block, index=gap.index + 1, input=False)
    if name == "input_json_delta" and data["delta"].get("partial_json"):
        return replace(gap, input=True)
    return gap
