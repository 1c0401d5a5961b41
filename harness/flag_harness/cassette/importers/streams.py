"""Streams in foreign cassettes, which keep the bytes and not the pieces in which they came."""

import re

from flag_harness.wire.timeline import Headers, header_value

_AFTER_EVENT = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\r\r)")
_PADDED = re.compile(rb" \}\s*\Z")
_ENOUGH = 4
"""Events without padding that tell a stream re-serialised. The API pads with 0 to 15 spaces, each as often: four events
in a row have none in one of 65,536 streams."""


def is_stream(headers: Headers, body: bytes) -> bool:
    """Whether a response is a stream of server-sent events, by its content type or, without one, its first bytes."""
    content_type = header_value(headers, "content-type")
    return "text/event-stream" in content_type or (not content_type and body.startswith((b"event: ", b"data: ")))


def event_chunks(body: bytes) -> list[bytes]:
    """The body cut after each event."""
    return [chunk for chunk in _AFTER_EVENT.split(body) if chunk]


def lost_padding(body: bytes) -> bool:
    """Whether a stream of the Messages API has lost the spaces that the API puts before the last brace of an event."""
    if not body.startswith(b"event: message_start"):
        return False
    events = [event for event in event_chunks(body) if not event.startswith(b"event: ping")]
    return len(events) >= _ENOUGH and not any(_PADDED.search(event) for event in events)
