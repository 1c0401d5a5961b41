"""What faults do to times, events, bytes and connections."""

import json
from typing import Any

import pytest

from flag_harness import faults
from flag_harness.faults import Fault
from flag_harness.wire.layers import faulty
from flag_harness.wire.sse import decode_events
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, body

STREAM_HEAD = Head(0.0, 200, (("content-type", "text/event-stream"),))
REQUEST = Request("POST", "https://api.anthropic.com/v1/messages", (), b'{"stream": true}')


def _play(fault: Fault, response: Response) -> Response:
    return faulty(lambda request: response, fault)(REQUEST)


def _last(response: Response) -> str:
    piece = response[-1]
    return piece.kind if isinstance(piece, Cut) else type(piece).__name__


def test_a_stall_makes_everything_later_late(stream: Response) -> None:
    """The bytes are the same; times before the point, too."""
    played = _play(faults.stall(seconds=60, at="inside_text"), stream)
    assert body(stream) == body(played)
    assert [0.0] * 11 + [60.0] * 11 == [
        round(late.at - piece.at, 9) for piece, late in zip(stream, played, strict=True)
    ]


def test_a_stall_at_the_end_delays_the_end(stream: Response) -> None:
    """After `message_stop` only the end of the body can be late."""
    played = _play(faults.stall(seconds=60, at="after_message_stop"), stream)
    assert stream[1:-1] == played[1:-1]
    assert End(62.0) == played[-1]


def test_a_slow_start_delays_the_head(plain: Response) -> None:
    """And all that follows."""
    played = _play(faults.slow_start(seconds=5), plain)
    assert [piece.at + 5 for piece in plain] == [piece.at for piece in played]


@pytest.mark.parametrize("then", ["end", "reset", "resume"])
def test_pings_alone(then: str, stream: Response) -> None:
    """Forty minutes of pings are no progress; then the stream ends, breaks or goes on."""
    played = _play(faults.ping_only(count=3, interval=15, then=then), stream)
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    assert [Chunk(15.2, ping), Chunk(30.2, ping), Chunk(45.2, ping)] == list(played[2:5])
    assert {"end": "End", "reset": "reset", "resume": "End"}[then] == _last(played)
    assert (then == "resume") == (body(played).replace(ping, b"", 3) == body(stream).replace(ping, b"", 0))
    assert {"end": 45.2, "reset": 45.2, "resume": 47.0}[then] == pytest.approx(played[-1].at)


def test_a_trickle_comes_in_drops(plain: Response) -> None:
    """At most `size` bytes at a time, the end after the last of them."""
    fault = faults.trickle(size=100, interval=0.5)
    played = _play(fault, plain)
    sizes = [len(piece.data) for piece in played if isinstance(piece, Chunk)]
    assert body(plain) == body(played)
    assert [100] * (len(sizes) - 1) == sizes[:-1]
    assert 0.1 + 0.5 * len(sizes) == played[-1].at
    assert 1 == fault.fired


def test_a_trickle_wider_than_the_chunks_is_none(plain: Response) -> None:
    """It changes nothing, and says so."""
    fault = faults.trickle(size=10**6)
    assert body(plain) == body(_play(fault, plain))
    assert ("the body has no chunk of more than 1000000 bytes",) == fault.counter.reasons_for_not_firing


def test_a_chunk_without_bytes_trickles_away(plain: Response) -> None:
    """What follows comes no later for it."""
    played = _play(faults.trickle(size=1000), (plain[0], Chunk(0.0, b""), *plain[1:]))
    assert body(plain) == body(played)
    assert [0.15, 0.15] == [round(piece.at, 9) for piece in played[1:]]


def test_events_are_doubled_swapped_and_lost(stream: Response, events: tuple[bytes, ...]) -> None:
    """The event after the first text delta is the second one, "rich"."""
    nth = next(number for number, event in enumerate(events) if b'"rich' in event)
    before, here, after = events[:nth], events[nth], events[nth + 1 :]
    expected = {
        faults.duplicated_event: (*before, here, here, *after),
        faults.dropped_event: (*before, *after),
        faults.reordered_events: (*before, after[0], here, *after[1:]),
        faults.missing_blank_line: (*before, here[:-1], *after),
    }
    for make, parts in expected.items():
        assert b"".join(parts) == body(_play(make(), stream))


def test_a_blank_line_of_crlf_is_two_bytes(stream: Response) -> None:
    """The fault inside gives CRLF; the one outside takes one whole line end."""
    ask = faulty(lambda request: stream, faults.missing_blank_line(), faults.line_ends())
    assert body(stream).count(b"\n") - 1 == body(ask(REQUEST)).count(b"\r\n")


def test_half_an_event_is_no_json(stream: Response, events: tuple[bytes, ...]) -> None:
    """Only one event is changed."""
    changed = list(decode_events([body(_play(faults.malformed_json(), stream))]))
    assert len(events) == len(changed)
    with pytest.raises(json.JSONDecodeError):
        json.loads(changed[10].data)


@pytest.mark.parametrize(
    ("fault", "novelty"),
    [
        (faults.unknown_event(), {"type": "novelty", "novelty": True}),
        (
            faults.unknown_delta(),
            {"type": "content_block_delta", "index": 1, "delta": {"type": "novelty_delta", "novelty": 1}},
        ),
        (
            faults.unknown_block(),
            {"type": "content_block_start", "index": 3, "content_block": {"type": "novelty", "novelty": 1}},
        ),
    ],
)
def test_novelties_come_in_between(fault: Fault, novelty: dict[str, Any], stream: Response) -> None:
    """An event, a delta of the open block, a block with the next index."""
    found = [event.data for event in decode_events([body(_play(fault, stream))]) if "novelty" in event.data]
    assert [novelty] == [json.loads(data) for data in found]


@pytest.mark.parametrize(("where", "left"), [("message_start", 1), ("message_delta", 1), ("everywhere", 0)])
def test_usage_goes_missing(where: str, left: int, stream: Response) -> None:
    """In one event or in both; all else stays."""
    played = _play(faults.missing_usage(where=where), stream)
    assert left == body(played).count(b'"usage"')
    assert [event.event for event in decode_events([body(stream)])] == [
        event.event for event in decode_events([body(played)])
    ]


def test_usage_goes_missing_from_a_plain_body(plain: Response) -> None:
    """The rest of the message is the same JSON; a body without any is left alone, and so is what is no JSON."""
    message = json.loads(body(plain))
    del message["usage"]
    assert message == json.loads(body(_play(faults.missing_usage(), plain)))
    for data in (b'{"input_tokens":3}', b"[]", b"{", b'{"usage":null}'):
        fault = faults.missing_usage()
        assert data == body(_play(fault, (plain[0], Chunk(0.0, data), End(0.0))))
        assert ("the body has no usage",) == fault.counter.reasons_for_not_firing


def test_a_stream_without_usage_is_a_miss(stream: Response) -> None:
    """Nothing to take out, even where an event is no JSON."""
    fault = faults.missing_usage()
    _play(fault, (STREAM_HEAD, Chunk(0.0, b"data: {x}\n\n"), End(0.0)))
    assert ("the stream has no usage",) == fault.counter.reasons_for_not_firing


@pytest.mark.parametrize(("kind", "end"), [("cr", b"\r"), ("crlf", b"\r\n")])
def test_lines_end_otherwise(kind: str, end: bytes, stream: Response) -> None:
    """Every line; the events are the same."""
    played = _play(faults.line_ends(kind=kind), stream)
    assert body(stream).replace(b"\n", end) == body(played)
    assert list(decode_events([body(stream)])) == list(decode_events([body(played)]))


def test_a_byte_order_mark_stands_first(stream: Response, plain: Response) -> None:
    """Once."""
    for response in (stream, plain):
        assert b"\xef\xbb\xbf" + body(response) == body(_play(faults.byte_order_mark(), response))


def test_a_byte_is_not_utf8(stream: Response) -> None:
    """Inside the text of the next event."""
    assert "rich 🗺".encode() + b'\xff"' in body(_play(faults.invalid_utf8(), stream))


def test_characters_are_split(stream: Response) -> None:
    """No chunk ends between characters where one could be split; the bytes are the same."""
    played = _play(faults.split_utf8(), stream)
    assert body(stream) == body(played)
    broken = [piece.data for piece in played if isinstance(piece, Chunk) and not _is_utf8(piece.data)]
    assert 2 * (body(stream).decode().count("ü") * 2 + 1) - 1 > len(broken) >= 4


def test_a_head_can_lie(plain: Response) -> None:
    """Only the content type is another."""
    head, *rest = _play(faults.wrong_content_type(content_type="text/html"), plain)
    assert Head(0.0, 200, (("content-type", "text/html"), ("request-id", "req_01"))) == head
    assert list(plain[1:]) == rest


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.connection_refused(), (Cut(0.0, "refused"),)),
        (faults.connection_reset(), (Cut(0.0, "reset"),)),
        (faults.disconnected(), (Cut(0.0, "eof"),)),
        (faults.read_timeout(), (Cut(600, "read_timeout"),)),
        (faults.read_timeout(seconds=3), (Cut(3, "read_timeout"),)),
        (
            faults.empty_response(),
            (Head(0.0, 200, (("content-type", "text/event-stream; charset=utf-8"),)), End(0.0)),
        ),
    ],
)
def test_connections_break_before_an_answer(fault: Fault, expected: Response) -> None:
    """Nothing below the fault is asked."""
    assert expected == faulty(_never, fault)(REQUEST)


def test_an_empty_answer_is_of_the_kind_that_was_asked_for() -> None:
    """JSON where no stream was."""
    plain = Request("POST", "https://api.anthropic.com/v1/messages", (), b"{}")
    assert (Head(0.0, 200, (("content-type", "application/json"),)), End(0.0)) == faults.empty_response()(plain)


def _never(request: Request) -> Response:
    raise AssertionError("a fault that answers asks nobody")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
