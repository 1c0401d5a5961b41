"""Recognise event streams in other tools' cassettes, and split them into events, because no chunks are stored."""

import re

from flag_harness.wire.timeline import Headers, header_value

_END_OF_EVENT_PATTERN = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\r\r)")
_EVENT_PADDING_PATTERN = re.compile(rb" \}\s*\Z")
_MIN_EVENTS_WITHOUT_PADDING = 4
"""The number of events without padding that prove that a tool parsed and rewrote a stream.

The API pads events with 0 to 15 spaces, equally often: four events in a row have none in one of 65,536 streams.
"""


def is_event_stream(headers: Headers, body: bytes) -> bool:
    """Return whether a response is an event stream, by its content type or, without one, by its first bytes."""
    content_type = header_value(headers, "content-type")
    return "text/event-stream" in content_type or (not content_type and body.startswith((b"event: ", b"data: ")))


def split_events(body: bytes) -> list[bytes]:
    """Split the body of an event stream into its events."""
    return [chunk for chunk in _END_OF_EVENT_PATTERN.split(body) if chunk]


def has_lost_event_padding(body: bytes) -> bool:
    """Return whether a stream lacks the random spaces that the API puts before the last brace of its events."""
    if not body.startswith(b"event: message_start"):
        return False
    events = [event for event in split_events(body) if not event.startswith(b"event: ping")]
    return len(events) >= _MIN_EVENTS_WITHOUT_PADDING and not any(
        _EVENT_PADDING_PATTERN.search(event) for event in events
    )
