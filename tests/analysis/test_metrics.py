"""What traffic says of itself."""

import gzip
import json
from typing import Any

import pytest

from flag_harness.analysis.metrics import (
    is_successful,
    measure_request,
    measure_traffic,
    model_of_request,
    seconds_to_first_token,
    selected_arrival_times,
    usage_of_answer,
)
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response
from flag_harness.wire.usage import Usage

MODEL = "claude-haiku-4-5"
"""$1 in and $5 out for a million tokens; a tenth of a dollar for cached ones."""
STREAM = (("content-type", "text/event-stream"),)


def _request(body: Any) -> Request:
    return Request("POST", "/v1/messages", (), body if isinstance(body, bytes) else json.dumps(body).encode())


def _plain(value: Any, status: int = 200) -> Response:
    return Head(0.5, status, ()), Chunk(0.5, json.dumps(value).encode()), End(0.75)


def _event(**data: Any) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


START = _event(type="message_start", message={"usage": {"input_tokens": 100, "output_tokens": 1}})
DELTA = _event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi"})
USED = _event(type="message_delta", delta={}, usage={"output_tokens": 9, "cache_read_input_tokens": 1000})
STOP = _event(type="message_stop")


def test_a_stream_and_a_plain_answer_add_up() -> None:
    """Tokens of a stream are those of its end, once; the first token is that of the first stream."""
    stream = (Head(0.1, 200, STREAM), Chunk(0.2, START), Chunk(0.3, DELTA), Chunk(0.4, USED + STOP), End(0.5))
    plain = _plain({"usage": {"input_tokens": 10, "output_tokens": 2}})
    metrics = measure_traffic([(_request({"model": MODEL}), plain), (_request({"model": MODEL}), stream)])
    assert (2, 0) == (metrics.request_count, metrics.error_count)
    assert Usage(input_tokens=110, output_tokens=11, cache_read_input_tokens=1000) == metrics.usage
    assert pytest.approx((110 + 5 * 11 + 0.1 * 1000) / 1e6) == metrics.cost
    assert (0.3, 1.25) == (metrics.first_token, metrics.seconds)


def test_nothing_measured_is_nothing_spent() -> None:
    """No request at all."""
    metrics = measure_traffic([])
    assert (0, 0, Usage(), 0, None, 0) == (
        metrics.request_count, metrics.error_count, metrics.usage, metrics.cost, metrics.first_token, metrics.seconds
    )  # fmt: skip


@pytest.mark.parametrize(
    "response",
    [
        (Cut(0.2, "refused"),),
        _plain({"type": "error", "error": {"type": "overloaded_error"}}, 529),
        (Head(0.1, 200, STREAM), Chunk(0.2, START), Cut(0.3, "reset")),
        (Head(0.1, 200, STREAM), Chunk(0.2, START + _event(type="error", error={"type": "x"})), End(0.3)),
    ],
)
def test_what_is_no_whole_200_is_an_error(response: Response) -> None:
    """It adds no tokens."""
    metrics = measure_traffic([(_request({"model": MODEL}), response)])
    assert (1, Usage(), 0) == (metrics.error_count, metrics.usage, metrics.cost)


@pytest.mark.parametrize("usage", [None, "much", {"input_tokens": "many"}])
def test_an_answer_may_state_no_usage(usage: Any) -> None:
    """Such as a count of tokens: it is no error."""
    metrics = measure_traffic([(_request({"model": MODEL}), _plain({"usage": usage}))])
    assert (0, Usage(), 0) == (metrics.error_count, metrics.usage, metrics.cost)


def test_without_a_price_there_is_no_cost() -> None:
    """The tokens are known all the same."""
    metrics = measure_traffic([(_request({"model": "claude-unheard-of"}), _plain({"usage": {"input_tokens": 1}}))])
    assert (None, 1) == (metrics.cost, metrics.usage.input_tokens)


def test_a_compressed_answer_is_read() -> None:
    """As some imported recordings hold them."""
    body = gzip.compress(json.dumps({"usage": {"input_tokens": 5}}).encode())
    response = (Head(0.1, 200, (("content-encoding", "gzip"),)), Chunk(0.2, body), End(0.3))
    assert 5 == measure_traffic([(_request({"model": MODEL}), response)]).usage.input_tokens


@pytest.mark.parametrize("cut", [1, 20, 40, len(START) + 5, len(START) + 25])
def test_the_first_token_is_found_wherever_chunks_are_cut(cut: int) -> None:
    """It is there once its kind has come whole."""
    data = START + DELTA
    response = (Head(0.1, 200, STREAM), Chunk(0.2, data[:cut]), Chunk(0.3, data[cut:]), End(0.4))
    assert (0.2 if b"content_block_delta" in data[:cut] else 0.3) == seconds_to_first_token(response)
    assert None is seconds_to_first_token(_plain({}))


@pytest.mark.parametrize(
    ("body", "model"), [({"model": "m"}, "m"), ({"model": 1}, ""), ([], ""), (b"\xff", ""), (b"", "")]
)
def test_the_model_is_that_of_the_request(body: Any, model: str) -> None:
    """Empty where it names none."""
    assert model == model_of_request(_request(body))


def test_a_stream_that_goes_on_states_its_usage_so_far() -> None:
    """It is not whole."""
    answer = parse_response((Head(0.1, 200, STREAM), Chunk(0.2, START), Cut(0.3, "reset")))
    assert not is_successful(answer)
    assert Usage(input_tokens=100, output_tokens=1) == usage_of_answer(answer)


@pytest.mark.parametrize(
    ("times", "gap_start", "rhythm"),
    [
        ((0.1,), 0, (0.1,)),
        ((0.1, 0.20004, 0.5), 1, (0.1, 0.2, 0.5)),
        (tuple(range(31)), 4, (0, 3, 4, 5, 6, 9, 12, 15, 18, 21, 24, 27, 30)),
    ],
)
def test_the_rhythm_of_a_stream_is_short(times: tuple[float, ...], gap_start: int, rhythm: tuple[float, ...]) -> None:
    """It has the first and the last piece, and both ends of the longest gap."""
    assert rhythm == selected_arrival_times(times, gap_start)


def test_the_longest_gap_of_a_stream_has_a_start() -> None:
    """A plain answer has neither a gap nor a rhythm."""
    stream = (Head(0.1, 200, STREAM), Chunk(0.2, START), Chunk(0.9, DELTA), Chunk(1.0, USED + STOP), End(1.0))
    request = _request({"model": MODEL})
    measured, plain = measure_request(request, stream), measure_request(request, _plain({}))
    assert pytest.approx((0.7, 0.2)) == (measured.longest_gap, measured.longest_gap_start)
    assert (0.1, 0.2, 0.9, 1.0, 1.0) == measured.arrival_times
    assert (0.0, 0.0, ()) == (plain.longest_gap, plain.longest_gap_start, plain.arrival_times)
