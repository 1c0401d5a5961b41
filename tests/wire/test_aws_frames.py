"""Frames of AWS event streams: written and read, however they are chunked; errors in them; what is broken."""

import json
import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.aws_frames import (
    AWS_STREAM_CONTENT_TYPE,
    FrameSplitter,
    decode_aws_events,
    encode_exception_frame,
    encode_frame,
    frame_from_sse,
    sse_from_frame,
)
from flag_harness.wire.message import parse_response
from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, End, Head

EVENTS = (
    {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 7, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße \U0001f600"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
)
SSE = [encode_event(str(event["type"]), json.dumps(event)) for event in EVENTS]
STREAM = b"".join(map(frame_from_sse, SSE))
HEAD = Head(0.0, 200, (("content-type", AWS_STREAM_CONTENT_TYPE),))


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_frames_are_found_however_they_are_chunked(cuts: list[int]) -> None:
    """Each with its event; every byte belongs to one of them."""
    ends = [0, *sorted(cuts), len(STREAM)]
    splitter = FrameSplitter()
    frames = [frame for start, end in pairwise(ends) for frame in splitter.feed(STREAM[start:end])]
    assert SSE == [sse_from_frame(frame) for frame in frames]
    assert STREAM == b"".join(frame.raw for frame in frames)
    assert b"" == splitter.incomplete_frame


def test_the_message_of_a_bedrock_stream_is_read() -> None:
    """As that of the API's own stream: blocks, usage, and whether it is complete."""
    answer = parse_response((HEAD, Chunk(0.1, STREAM[:100]), Chunk(0.2, STREAM[100:]), End(0.2)))
    assert ("Grüße \U0001f600", "end_turn") == (answer.blocks[0]["text"], answer.message["stop_reason"])
    assert {"input_tokens": 7, "output_tokens": 5} == answer.usage
    assert (True, True) == (answer.is_stream, answer.is_complete)
    assert not parse_response((HEAD, Chunk(0.1, STREAM[:-30]), End(0.2))).is_complete


@pytest.mark.parametrize(
    ("kind", "exception"),
    [
        ("overloaded_error", "serviceUnavailableException"),
        ("rate_limit_error", "throttlingException"),
        ("what_error", "modelStreamErrorException"),
    ],
)
def test_an_error_is_an_exception_frame(kind: str, exception: str) -> None:
    """Under the name that Bedrock has for it."""
    event = encode_event("error", json.dumps({"type": "error", "error": {"type": kind, "message": "Sorry"}}))
    assert encode_exception_frame(kind, "Sorry") == frame_from_sse(event)
    answer = parse_response((HEAD, Chunk(0.1, STREAM + frame_from_sse(event)), End(0.2)))
    assert {"type": exception, "message": "Sorry"} == answer.error


@pytest.mark.parametrize("at", [0, 8, 400])
def test_nothing_is_read_after_bytes_that_are_no_frame(at: int) -> None:
    """The reader of the AWS SDK stops there too; the bytes are kept."""
    start = STREAM.index(frame_from_sse(SSE[1]))
    broken = bytearray(STREAM)
    broken[start + min(at, 8)] ^= 0xFF
    splitter = FrameSplitter()
    assert [SSE[0]] == [sse_from_frame(frame) for frame in splitter.feed(bytes(broken))]
    assert bytes(broken[start:]) == splitter.incomplete_frame


def test_a_frame_without_an_event_is_passed_over() -> None:
    """A payload that is no JSON, has no bytes, or bytes that are no base64; headers that are no text."""
    payloads = (b"x", b"{}", b'{"bytes": "%"}', b'{"bytes": 1}')
    stream = b"".join(encode_frame({":message-type": "event"}, payload) for payload in payloads)
    assert [] == list(decode_aws_events([stream]))
    (frame,) = FrameSplitter().feed(encode_frame({":message-type": "event"}, b"{}"))
    assert encode_event("ping", '{"type": "ping"}') == sse_from_frame(frame)


def test_headers_after_one_that_is_no_text_are_not_read() -> None:
    """Bedrock sends text only; a frame with another kind of header has no event that could be read."""
    name = b"\x05:date\x08" + bytes(8)
    prelude = struct.pack(">II", 12 + len(name) + 2 + 4, len(name))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + name + b"{}"
    (frame,) = FrameSplitter().feed(head + struct.pack(">I", zlib.crc32(head)))
    assert {} == frame.headers
