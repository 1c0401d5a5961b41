"""Where an edit acts: at a point of a stream or inside a body, whatever the chunks; what came before is verbatim."""

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness import faults
from flag_harness.faults import Fault
from flag_harness.wire.grammar import POINTS_BY_NAME, names_of_points_in_stream
from flag_harness.wire.layers import faulty
from flag_harness.wire.sse import decode_events
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, body, header_value

STREAM_HEAD = Head(0.0, 200, (("content-type", "text/event-stream"),))
ENDS = [
    (faults.stream_error, "End"),
    (faults.reset, "reset"),
    (faults.end_of_file, "eof"),
    (faults.clean_end, "End"),
    (faults.read_timeout, "read_timeout"),
]
POINT_FAULTS = [kind for kind in faults.fault_kinds() if kind.points]
REQUEST = Request("POST", "https://api.anthropic.com/v1/messages", (), b'{"stream": true}')
HALF_AN_EVENT = b'event: content_block_delta\ndata: {"type":"content_block_delta"'


def _play(fault: Fault, response: Response) -> Response:
    return faulty(lambda request: response, fault)(REQUEST)


def _last(response: Response) -> str:
    piece = response[-1]
    return piece.kind if isinstance(piece, Cut) else type(piece).__name__


def _rechunked(data: bytes, cuts: Iterable[int]) -> Response:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    chunks = [Chunk(1.0, data[start:end]) for start, end in pairwise(edges)]
    return (STREAM_HEAD, *chunks, End(1.0))


def test_the_sample_has_every_point(events: tuple[bytes, ...]) -> None:
    """So that no test below passes by finding nothing to do."""
    assert tuple(POINTS_BY_NAME) == names_of_points_in_stream(events)


@pytest.mark.parametrize("at", POINTS_BY_NAME)
@pytest.mark.parametrize(("make", "last"), ENDS)
def test_what_came_before_the_point_is_verbatim(
    make: Callable[..., Fault], last: str, at: str, stream: Response, events: tuple[bytes, ...]
) -> None:
    """Whole events, and nothing after the end; the end of a complete stream cannot be cut off cleanly."""
    fault = make(at=at)
    played = _play(fault, stream)
    changes_nothing = make is faults.clean_end and at == "after_message_stop"
    assert (not changes_nothing) == fault.fired
    assert last == _last(played)
    kept = b"".join(event for event in body(played).partition(b"event: error")[:1])
    lengths = [len(b"".join(events[:count])) for count in range(len(events) + 1)]
    assert len(kept) in lengths
    assert body(stream)[: len(kept)] == kept
    assert 1 == sum(isinstance(piece, (Cut, End)) for piece in played)


@given(st.sampled_from(POINT_FAULTS), st.data(), st.lists(st.integers(0, 10**6), max_size=40))
def test_chunking_never_matters(kind: faults.FaultKind, data: Any, cuts: list[int]) -> None:
    """Any chunks give the same bytes, and the same end, as the whole body in one."""
    at = data.draw(st.sampled_from([point for point in kind.points if point in POINTS_BY_NAME]))
    whole, split = (kind.make_fault(at=at, seed=3) for _ in range(2))
    expected = _play(whole, _rechunked(SAMPLE, []))
    played = _play(split, _rechunked(SAMPLE, cuts))
    assert (body(expected), _last(expected), whole.fired) == (
        body(played),
        _last(played),
        split.fired,
    )


@given(st.sampled_from(POINT_FAULTS), st.data(), st.lists(st.binary(max_size=50), max_size=6))
def test_no_bytes_can_break_a_fault(kind: faults.FaultKind, data: Any, chunks: list[bytes]) -> None:
    """Garbage passes, or is cut; nothing raises, and the answer ends once."""
    fault = kind.make_fault(at=data.draw(st.sampled_from(kind.points)))
    played = _play(fault, (STREAM_HEAD, *(Chunk(0.0, chunk) for chunk in chunks), End(0.0)))
    assert 1 == sum(isinstance(piece, (Cut, End)) for piece in played)


def test_an_occurrence_is_counted(stream: Response) -> None:
    """The second place inside a text is one delta later."""
    first, second = (body(_play(faults.clean_end(occurrence=nth), stream)) for nth in (1, 2))
    assert "rich 🗺".encode() not in first
    assert "rich 🗺".encode() in second
    assert b"I think" not in second


@pytest.mark.parametrize("make", [faults.reset, faults.end_of_file, faults.clean_end])
def test_a_torn_cut_leaves_half_an_event(make: Callable[..., Fault], stream: Response) -> None:
    """The bytes break off in the middle of the event after the point; where there is none, nothing can be torn."""
    whole, torn = (body(_play(make(torn=value), stream)) for value in (False, True))
    assert whole == torn[: len(whole)]
    assert HALF_AN_EVENT == torn[len(whole) :]
    assert torn == body(stream)[: len(torn)]
    late = make(at="after_message_stop", torn=True)
    assert body(stream) == body(_play(late, stream))
    assert 0 == late.fired


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        (faults.reset(at="inside_body"), "reset"),
        (faults.end_of_file(at="inside_body"), "eof"),
        (faults.clean_end(at="inside_body"), "End"),
        (faults.read_timeout(at="inside_body"), "read_timeout"),
        (faults.malformed_json(at="inside_body"), "End"),
    ],
)
def test_a_plain_body_breaks_in_its_middle(fault: Fault, last: str, plain: Response, stream: Response) -> None:
    """Half of the bytes come. A stream has no such point."""
    played = _play(fault, plain)
    assert (body(plain)[: len(body(plain)) // 2], last) == (body(played), _last(played))
    assert body(stream) == body(_play(fault.arm(), stream))


@pytest.mark.parametrize("fault", [faults.reset(at="inside_body"), faults.missing_usage()])
def test_a_plain_body_that_breaks_by_itself_is_left_alone(fault: Fault, plain: Response) -> None:
    """So is one that the client has stopped reading."""
    for last in (Cut(1.0, "reset"), End(1.0, is_abandoned=True)):
        broken = (*plain[:-1], last)
        assert broken == _play(fault, broken)
    assert 0 == fault.fired


@pytest.mark.parametrize("kind", [kind for kind in faults.fault_kinds() if kind.family not in {"status", "connection"}])
def test_an_abandoned_answer_is_no_miss(kind: faults.FaultKind, stream: Response) -> None:
    """A client that reads two events and stops has not shown that the stream lacks the point."""
    fault = kind.make_fault()
    _play(fault, (*stream[:3], End(1.0, is_abandoned=True)))
    assert () == fault.counter.reasons_for_not_firing


def test_a_stream_cut_by_itself_is_left_alone() -> None:
    """What came of an event before the cut still leaves."""
    broken = (STREAM_HEAD, Chunk(0.1, b"event: message_st"), Cut(0.2, "reset"))
    for fault in (faults.stream_error(), faults.missing_usage()):
        played = _play(fault, broken)
        assert (body(broken), "reset") == (body(played), _last(played))


def test_a_changed_body_has_no_stated_length(stream: Response) -> None:
    """A recorded length would be a lie; a body that is left alone keeps its own."""
    changed, untouched = (_play(faults.stream_error(on=on), stream)[0] for on in (1, 2))
    assert isinstance(changed, Head)
    assert isinstance(untouched, Head)
    assert ["", "99"] == [header_value(head.headers, "content-length") for head in (changed, untouched)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"padding": 3},
            b'event: error\ndata: {"type":"error","error":{"details":null,"type":"overloaded_error",'
            b'"message":"Overloaded"}   }\n\n',
        ),
        (
            {"padding": 0, "kind": "api_error"},
            b'event: error\ndata: {"type":"error","error":{"details":null,"type":"api_error",'
            b'"message":"Internal server error"}}\n\n',
        ),
        (
            {"padding": 0, "kind": "rate_limit_error", "message": "Slow down"},
            b'event: error\ndata: {"type":"error","error":{"details":null,"type":"rate_limit_error",'
            b'"message":"Slow down"}}\n\n',
        ),
    ],
)
def test_an_error_event_is_written_as_the_api_does(
    arguments: dict[str, Any], expected: bytes, stream: Response
) -> None:
    """Compact JSON, padded before the last brace."""
    assert expected == body(_play(faults.stream_error(at="first_event", **arguments), stream))


def test_padding_and_request_id_are_drawn(stream: Response) -> None:
    """By the seed: the same for one, all of 0 to 15 over many."""

    def event(seed: int) -> bytes:
        return body(_play(faults.stream_error(at="first_event", with_request_id=True, seed=seed), stream))

    assert event(5) == event(5)
    assert set(range(16)) == {event(seed).count(b" ") - 2 for seed in range(200)}
    assert "req_01" == json.loads(next(decode_events([event(5)])).data)["request_id"][:6]


SAMPLE = (
    b'event: message_start\r\ndata: {"type":"message_start","message":{"usage":{"input_tokens":1}}}\r\n\r\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n'
    b'event: ping\ndata: {"type": "ping"}\n\n'
    + b"".join(
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
        b'"text":"%s"}}\n\n' % word.encode()
        for word in ("Zü", "rich", "🗺")
    )
    + b'event: content_block_stop\rdata: {"type":"content_block_stop","index":0}\r\r'
    b"event: content_block_start\n"
    b'data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use"}}\n\n'
    + b"".join(
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":{"type":'
        b'"input_json_delta","partial_json":"%s"}}\n\n' % part
        for part in (b"", b"{", b"}")
    )
    + b'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
