"""The index, and what is left of it while it is played."""

import json
from typing import Any

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Filters, Interaction, replay
from flag_harness.errors import CassetteMiss
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

METADATA = CassetteMetadata("live", "2026-01-02T03:04:05Z")


def _answer(number: int, *, abandoned: bool = False) -> Response:
    return Head(0.0, 200, ()), Chunk(0.0, str(number).encode()), End(0.0, abandoned)


def _cassette(*bodies: Any, abandoned: bool = False) -> Cassette:
    requests = (Request("POST", "/v1/messages", (), json.dumps(body).encode()) for body in bodies)
    return Cassette(
        METADATA, tuple(Interaction(one, _answer(n, abandoned=abandoned)) for n, one in enumerate(requests))
    )


def _request(body: Any) -> Request:
    return Request("POST", "https://api.anthropic.com/v1/messages", (), json.dumps(body).encode())


def test_a_spoiled_answer_is_played_again_once_all_others_are() -> None:
    """A cassette recorded under the same fault holds the retry. Once, however often it is told."""
    upstream = replay(_cassette({"n": 1}, {"n": 1}, {"n": 2}))
    spoiled = _request({"n": 1})
    upstream.remember_answer_of_request(spoiled)
    assert _answer(0) == upstream(spoiled)
    upstream.requeue_answer(spoiled)
    upstream.requeue_answer(spoiled)
    assert (1, 2) == upstream.indices_not_played
    assert [_answer(1), _answer(0)] == [upstream(_request({"n": 1})) for _ in range(2)]
    assert upstream.find_answer(_request({"n": 1})) is None


def test_a_request_that_was_never_answered_cannot_be_played_again() -> None:
    """A layer above the replay answered it."""
    upstream = replay(_cassette({"n": 1}))
    spoiled = _request({"n": 1})
    upstream.remember_answer_of_request(spoiled)
    upstream.requeue_answer(spoiled)
    assert _answer(0) == upstream(spoiled)
    assert upstream.find_answer(_request({"n": 1})) is None


def test_reading_past_an_abandoned_end_is_refused_and_kept() -> None:
    """Each time."""
    upstream = replay(_cassette({"n": 1}, abandoned=True), record="pytest --now")
    response = upstream(_request({"n": 1}))
    assert _answer(0, abandoned=True) == response
    assert isinstance(response[-1], End)
    assert response[-1].make_refusal is not None
    refusal = response[-1].make_refusal()
    assert isinstance(refusal, CassetteMiss)
    assert [refusal] == upstream.misses
    assert (
        "POST /v1/messages: the answer of interaction 0 of the cassette ends where the recorded client "
        "stopped reading; this client read on.\nTo record it: pytest --now" == str(refusal)
    )
    assert "read on where the recorded client stopped" == upstream.miss_reports[0].reason


@pytest.mark.parametrize("sent", ["secret-1", "secret-2"])
def test_what_was_recorded_before_a_filter_was_declared_is_found(sent: str) -> None:
    """By what it was, too: a filter may find more in what it left than in what came."""
    cassette = _cassette({"n": "secret-1"}, {"n": "other"})
    upstream = replay(cassette, filters=Filters(patterns=(r"secret-\d",)))
    assert _answer(0) == upstream(_request({"n": sent}))
    assert (1,) == upstream.indices_not_played
