"""Faults of a stream in Bedrock's framing: each happens at its point, in frames that the AWS SDK reads."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest

from flag_harness import faults
from flag_harness.faults import FAULT_KINDS, Fault
from flag_harness.faults.edits import STREAM_POINTS
from flag_harness.wire.aws_frames import AWS_STREAM_CONTENT_TYPE, FrameSplitter, frame_from_sse, sse_from_frame
from flag_harness.wire.grammar import EventSplitter
from flag_harness.wire.layers import faulty
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, body

REQUEST = Request(
    "POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke-with-response-stream", (), b""
)
NO_LINES = "which has no lines of text"


@pytest.fixture
def framed(stream: Response) -> Response:
    """The stream of these tests as Bedrock would send it, an event in a chunk."""
    frames = [frame_from_sse(event) for event in EventSplitter().feed(body(stream))]
    chunks = [Chunk(0.1 * number, frame) for number, frame in enumerate(frames, 1)]
    return Head(0.1, 200, (("content-type", AWS_STREAM_CONTENT_TYPE),)), *chunks, End(chunks[-1].at)


def play(fault: Fault, response: Response) -> Response:
    return faulty(lambda request: response, fault)(REQUEST)


def events(response: Response) -> list[bytes]:
    return [sse_from_frame(frame) for frame in FrameSplitter().feed(body(response))]


@pytest.mark.parametrize("point", STREAM_POINTS)
@pytest.mark.parametrize("make", [faults.stream_error, faults.clean_end, faults.stall, faults.duplicated_event])
def test_a_fault_happens_where_it_happens_in_the_apis_own_stream(
    make: Callable[..., Fault], point: str, stream: Response, framed: Response
) -> None:
    """At every point; the events before and after it are the same."""
    plain, fault = make(at=point), make(at=point)
    expected, played = play(plain, stream), play(fault, framed)
    assert (plain.fired, type(expected[-1])) == (fault.fired, type(played[-1]))
    common = list(EventSplitter().feed(body(expected)))
    if make is faults.stream_error and fault.fired:
        assert common[:-1] == events(played)[:-1]
        assert "serviceUnavailableException" == (parse_response(played).error or {})["type"]
    else:
        assert common == events(played)


def test_a_stall_delays_what_follows(framed: Response) -> None:
    """By its seconds, as in any stream."""
    played = play(faults.stall(at="inside_text", seconds=90), framed)
    assert framed[-1].at + 90 == played[-1].at
    assert body(framed) == body(played)


def test_a_torn_frame_is_half_a_frame(framed: Response) -> None:
    """So that the reader waits for more, and the stream ends."""
    whole, torn = (body(play(faults.reset(torn=value), framed)) for value in (False, True))
    assert whole == torn[: len(whole)]
    splitter = FrameSplitter()
    assert [] == splitter.feed(torn[len(whole) :])
    assert 0 < len(splitter.incomplete_frame)


def test_every_kind_of_fault_says_whether_it_happened(framed: Response) -> None:
    """None breaks, and those about lines of text say that there are none."""
    quiet = set()
    for name, kind in FAULT_KINDS.items():
        fault = kind.make_fault()
        if fault.side == "client":
            continue
        assert isinstance(play(fault, framed)[-1], (Cut, End)), name
        if not fault.fired:
            assert fault.counter.reasons_for_not_firing
            quiet.add(name)
        if any(NO_LINES in reason for reason in fault.counter.reasons_for_not_firing):
            assert name in ("line_ends", "byte_order_mark", "split_utf8")
    assert {"line_ends", "byte_order_mark", "split_utf8"} <= quiet


@pytest.mark.parametrize("cuts", [(), (1, 2, 3), (500,), (11, 12, 900, 901)])
def test_frames_may_be_chunked_in_any_way(cuts: Iterable[int], framed: Response) -> None:
    """A fault finds its point whatever arrives together; bytes that are no frame pass unchanged."""
    data = body(framed)
    ends = [0, *cuts, len(data)]
    chunks = [Chunk(1.0, data[start:end]) for start, end in pairwise(ends)]
    fault = faults.clean_end(at="inside_text")
    played = play(fault, (framed[0], *chunks, End(1.0)))
    assert 1 == fault.fired
    assert events(play(faults.clean_end(at="inside_text"), framed)) == events(played)
    rubbish: tuple[Any, ...] = (framed[0], Chunk(1.0, b"no frame at all"), End(1.0))
    assert b"no frame at all" == body(play(faults.clean_end(at="inside_text"), rubbish))


def test_an_empty_answer_has_bedrocks_content_type() -> None:
    """To a request for a stream."""
    head = play(faults.empty_response(), ())[0]
    assert isinstance(head, Head)
    assert (("content-type", AWS_STREAM_CONTENT_TYPE),) == head.headers
