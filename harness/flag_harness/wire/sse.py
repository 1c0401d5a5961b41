"""Server-sent events: a decoder that follows the WHATWG specification, and an encoder for the API's events."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_BYTE_ORDER_MARK = "\ufeff"
_LINE_END_PATTERN = re.compile("\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One complete event.

    `event` is its name, or `message` if it has none. `data` is its text. `id` is the last id that the stream has sent.
    """

    event: str
    data: str
    id: str = ""


class EventDecoder:
    """Decodes the bytes of a stream into events. Chunks may be split anywhere, even inside a character.

    Lines end with LF, CR or CRLF. A byte order mark at the start is dropped, and invalid UTF-8 becomes U+FFFD, as the
    specification says. An event that is not followed by a blank line is never returned.
    """

    def __init__(self) -> None:
        self._utf8_decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._incomplete_line = ""
        self._has_started = self._last_line_ended_with_cr = False
        self._event_name, self._last_event_id = "", ""
        self._data_lines: list[str] = []

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Add `data`, and return the events that are complete now.

        A CR ends its line at once, and an LF right after it is ignored.
        """
        text = self._utf8_decoder.decode(data)
        if not text:
            return []
        if not self._has_started:
            self._has_started = True
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if self._last_line_ended_with_cr:
            text = text.removeprefix("\n")
        self._last_line_ended_with_cr = text.endswith("\r")
        *lines, self._incomplete_line = _LINE_END_PATTERN.split(self._incomplete_line + text)
        return [event for line in lines if (event := self._feed_line(line)) is not None]

    def _feed_line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._finish_event()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data_lines.append(value)
        elif field == "event":
            self._event_name = value
        elif field == "id" and "\0" not in value:
            self._last_event_id = value
        return None

    def _finish_event(self) -> ServerSentEvent | None:
        event, data = self._event_name or "message", self._data_lines
        self._event_name, self._data_lines = "", []
        return ServerSentEvent(event, "\n".join(data), self._last_event_id) if data else None


def decode_events(chunks: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """Yield the events in the chunks of a complete stream."""
    decoder = EventDecoder()
    for chunk in chunks:
        yield from decoder.feed(chunk)


def encode_event(event: str, data: str) -> bytes:
    """Encode an event as the API does: two lines and a blank line, each ended by LF. `data` must be one line.

    >>> encode_event("ping", '{"type": "ping"}')
    b'event: ping\\ndata: {"type": "ping"}\\n\\n'
    """
    return f"event: {event}\ndata: {data}\n\n".encode()
