"""AWS event streams (`application/vnd.amazon.eventstream`): the format in which Bedrock streams the API's events.

A stream consists of frames. A frame has: its length, the length of its headers, a checksum of both; the headers; the
payload; a checksum of the whole. The payload of a `chunk` frame is JSON with one event as base64; that of an
`exception` frame is an error.
"""

import base64
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flag_harness.wire.json import decode_json_object
from flag_harness.wire.sse import ServerSentEvent, decode_events, encode_event
from flag_harness.wire.timeline import Head, header_value

AWS_STREAM_CONTENT_TYPE = "application/vnd.amazon.eventstream"
_PRELUDE_BYTES, _CHECKSUM_BYTES = 12, 4
_MAX_FRAME_BYTES = 16 * 1024 * 1024
"""The largest frame in bytes. Botocore has the same limit."""
_TEXT_HEADER_TYPE_NUMBER = 7
_SSE_LINE_START, _SSE_LINE_END = b"data: ", b"\n\n"
_EXCEPTION_BY_ERROR_TYPE: Mapping[str, str] = {
    "api_error": "internalServerException",
    "invalid_request_error": "validationException",
    "not_found_error": "validationException",
    "overloaded_error": "serviceUnavailableException",
    "permission_error": "validationException",
    "rate_limit_error": "throttlingException",
    "timeout_error": "modelTimeoutException",
}
"""The exception that Bedrock sends for each error type of the API (a member of its `ResponseStream`)."""
_DEFAULT_EXCEPTION = "modelStreamErrorException"


@dataclass(frozen=True, slots=True)
class AwsFrame:
    """One frame of an AWS event stream. `raw` is the whole frame; `headers` are only those with text values."""

    raw: bytes
    headers: Mapping[str, str]
    payload: bytes

    @property
    def server_sent_event(self) -> ServerSentEvent | None:
        """The server-sent event in the frame, or None if the frame contains no event.

        An exception becomes an `error` event.
        """
        body = decode_json_object(self.payload)
        if self.headers.get(":message-type") in ("exception", "error"):
            kind = self.headers.get(":exception-type") or self.headers.get(":error-code", "")
            words = body.get("message") or self.headers.get(":error-message", "")
            error = {"type": "error", "error": {"type": kind, "message": words}}
            return ServerSentEvent("error", json.dumps(error, separators=(",", ":")))
        try:
            data = base64.b64decode(body["bytes"], validate=True).decode()
        except (KeyError, TypeError, ValueError):
            return None
        return ServerSentEvent(str(decode_json_object(data).get("type", "completion")), data)


class FrameSplitter:
    """Splits chunks of an AWS event stream into frames. Bytes of an incomplete frame stay in `incomplete_frame`."""

    def __init__(self) -> None:
        self.incomplete_frame = b""
        self._has_invalid_frame = False

    def feed(self, data: bytes) -> list[AwsFrame]:
        """Add `data`, and return the frames that are complete now.

        Once the stream contains bytes that cannot be a frame, no further frames are returned.
        """
        data, position = self.incomplete_frame + data, 0
        frames: list[AwsFrame] = []
        while (
            not self._has_invalid_frame and len(prelude := data[position : position + _PRELUDE_BYTES]) == _PRELUDE_BYTES
        ):
            total, header_length, checksum = struct.unpack(">III", prelude)
            least = _PRELUDE_BYTES + header_length + _CHECKSUM_BYTES
            if not least <= total <= _MAX_FRAME_BYTES or zlib.crc32(prelude[:8]) != checksum:
                self._has_invalid_frame = True
            elif len(data) - position < total:
                break
            else:
                frames.append(_parse_frame(data[position : position + total], header_length))
                position += total
        self.incomplete_frame = data[position:]
        return frames


def split_frames(data: bytes) -> tuple[list[AwsFrame], bytes]:
    """Return the complete frames of an AWS event stream, and the bytes that follow the last of them.

    If `data` is not an AWS event stream, return an empty list and all of `data`.
    """
    splitter = FrameSplitter()
    return splitter.feed(data), splitter.incomplete_frame


def sse_data_line_of_frame(frame: AwsFrame) -> bytes:
    """Return the JSON in a frame as a `data: {...}` line, so that the filters for server-sent events can edit it.

    `replace_json_in_frame` puts the edited line back into the frame.
    """
    event = frame.server_sent_event if "bytes" in decode_json_object(frame.payload) else None
    return _SSE_LINE_START + (frame.payload if event is None else event.data.encode()) + _SSE_LINE_END


def replace_json_in_frame(frame: AwsFrame, line: bytes) -> bytes:
    """Return the bytes of the frame with the JSON of `line` in place of its own.

    `line` is an edited result of `sse_data_line_of_frame`.
    """
    data = line.removeprefix(_SSE_LINE_START).removesuffix(_SSE_LINE_END)
    payload = decode_json_object(frame.payload)
    if "bytes" in payload and frame.server_sent_event is not None:
        payload = payload | {"bytes": base64.b64encode(data).decode()}
        data = json.dumps(payload, separators=(",", ":")).encode()
    return encode_frame(frame.headers, data)


def is_aws_stream(head: Head) -> bool:
    """Return whether the response head announces an AWS event stream."""
    return header_value(head.headers, "content-type").startswith(AWS_STREAM_CONTENT_TYPE)


def decode_aws_events(chunks: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """Yield the server-sent events in the chunks of a complete AWS event stream."""
    splitter = FrameSplitter()
    for chunk in chunks:
        yield from (event for frame in splitter.feed(chunk) if (event := frame.server_sent_event) is not None)


def encode_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return the bytes of a frame with these headers, all of them text.

    >>> FrameSplitter().feed(encode_frame({":message-type": "event"}, b"{}"))[0].payload
    b'{}'
    """
    encoded = b"".join(
        bytes([len(name)])
        + name.encode()
        + struct.pack(">BH", _TEXT_HEADER_TYPE_NUMBER, len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", _PRELUDE_BYTES + len(encoded) + len(payload) + _CHECKSUM_BYTES, len(encoded))
    frame = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + payload
    return frame + struct.pack(">I", zlib.crc32(frame))


def frame_from_sse(event: bytes) -> bytes:
    """Convert a server-sent event to the AWS frame that Bedrock would send in its place. Both are given as bytes."""
    decoded = list(decode_events((event, b"\n\n")))
    if decoded and decoded[0].event == "error":
        error = decode_json_object(decoded[0].data).get("error")
        error = error if isinstance(error, dict) else {}
        return encode_exception_frame(str(error.get("type")), str(error.get("message", "")))
    lines = [line.split(b":", 1)[1] for line in event.splitlines() if line.startswith(b"data:")]
    data = b"\n".join(line.removeprefix(b" ") for line in lines)
    payload = json.dumps({"bytes": base64.b64encode(data).decode()}, separators=(",", ":"))
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return encode_frame(headers, payload.encode())


def encode_exception_frame(error_type: str, message: str) -> bytes:
    """Return the bytes of an `exception` frame. `error_type` is the API's error type, such as `overloaded_error`."""
    headers = {
        ":exception-type": _EXCEPTION_BY_ERROR_TYPE.get(error_type, _DEFAULT_EXCEPTION),
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode_frame(headers, json.dumps({"message": message}, separators=(",", ":")).encode())


def sse_from_frame(frame: AwsFrame) -> bytes:
    """Convert a frame to the bytes of a server-sent event. A frame without an event becomes a `ping` event."""
    event = frame.server_sent_event or ServerSentEvent("ping", '{"type": "ping"}')
    return encode_event(event.event, event.data)


def _parse_frame(raw: bytes, header_length: int) -> AwsFrame:
    end = _PRELUDE_BYTES + header_length
    return AwsFrame(raw, dict(_decode_text_headers(raw[_PRELUDE_BYTES:end])), raw[end:-_CHECKSUM_BYTES])


def _decode_text_headers(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the name and value of each header, up to the first value that is not text (Bedrock sends only text)."""
    position = 0
    while position < len(data):
        start = position + 1 + data[position]
        if start + 3 > len(data) or data[start] != _TEXT_HEADER_TYPE_NUMBER:
            return
        end = start + 3 + int.from_bytes(data[start + 1 : start + 3])
        name, value = data[position + 1 : start], data[start + 3 : end]
        yield name.decode("utf-8", "replace"), value.decode("utf-8", "replace")
        position = end
