"""Replay: a cassette as an upstream."""

import contextlib
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, Replay, replay
from flag_harness.errors import CassetteMiss
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

METADATA = CassetteMetadata("live", "2026-01-02T03:04:05Z")


def _request(body: object, *headers: tuple[str, str]) -> Request:
    return Request("POST", "https://api.anthropic.com/v1/messages", headers, json.dumps(body).encode())


def _answer(number: int) -> Response:
    return Head(0.0, 200, ()), Chunk(0.0, str(number).encode()), End(0.0)


def _cassette(*bodies: object) -> Cassette:
    """One interaction for each body, whose answer is its number."""
    kept = (Request("POST", "/v1/messages", (), json.dumps(body).encode()) for body in bodies)
    return Cassette(METADATA, tuple(Interaction(request, _answer(n)) for n, request in enumerate(kept)))


@given(st.lists(st.integers(0, 3), max_size=12), st.randoms(use_true_random=False))
def test_equal_requests_are_answered_in_recorded_order_whatever_comes_between(
    bodies: list[int], chance: random.Random
) -> None:
    """Each interaction once; what is left is what nobody asked for."""
    upstream = replay(_cassette(*({"n": body, "m": 0} for body in bodies)))
    asked = chance.sample(bodies, len(bodies) // 2)
    expected = {body: [n for n, one in enumerate(bodies) if one == body] for body in set(bodies)}
    for body in asked:
        assert _answer(expected[body].pop(0)) == upstream(_request({"m": 0, "n": body}, ("x-api-key", "k")))
    assert tuple(sorted(chain(*expected.values()))) == upstream.indices_not_played


def test_a_request_that_was_not_recorded_is_a_miss_that_is_kept() -> None:
    """It is raised, and can be raised again; no interaction is used up."""
    upstream = replay(_cassette({"n": 1}))
    with pytest.raises(CassetteMiss) as caught:
        upstream(_request({"n": 2}))
    assert [caught.value] == upstream.misses
    assert (0,) == upstream.indices_not_played
    assert (
        "POST /v1/messages is not in the cassette (1 interaction).\n"
        "The nearest is interaction 0; it differs in:\n"
        "  n: recorded 1, sent 2" == str(caught.value)
    )


def test_a_miss_goes_through_code_that_catches_exceptions() -> None:
    """The SDK and careless agents do; a miss is no `Exception`."""

    def careless() -> None:
        with contextlib.suppress(Exception):
            replay(_cassette())(_request({}))

    with pytest.raises(CassetteMiss, match="is not in the cassette"):
        careless()


def test_finding_says_nothing_where_there_is_nothing() -> None:
    """For layers that let such requests pass."""
    upstream = replay(_cassette({"n": 1}))
    assert _answer(0) == upstream.find_answer(_request({"n": 1}))
    assert upstream.find_answer(_request({"n": 1})) is None
    assert [] == upstream.misses


def test_a_miss_is_made_of_its_message_as_asked_for() -> None:
    """For those who must raise it as something more."""

    class Mine(CassetteMiss):
        """A miss of the caller's own."""

    upstream = Replay(_cassette(), make_miss=Mine)
    with pytest.raises(Mine, match="is not in the cassette") as caught:
        upstream(_request({}))
    assert [caught.value] == upstream.misses


def test_the_command_and_the_flag_stand_in_the_report() -> None:
    """As given by whoever replays."""
    upstream = Replay(_cassette({"stream": True}), explain=lambda path: path and "streaming", record="pytest --now")
    with pytest.raises(CassetteMiss) as caught:
        upstream(_request({}))
    assert (
        "POST /v1/messages is not in the cassette (1 interaction).\n"
        "The nearest is interaction 0; it differs in:\n"
        "  stream: recorded True, sent nothing   [the flag streaming changes this]\n"
        "If nobody meant this change, it is a bug in the code\n"
        "To record it: pytest --now" == str(caught.value)
    )


def test_betas_are_compared_as_a_set() -> None:
    """In any order, over any number of headers."""
    kept = Request("POST", "/v1/messages", (("anthropic-beta", "a,b"),), b"{}")
    cassette = Cassette(METADATA, (Interaction(kept, _answer(0)),))
    assert _answer(0) == replay(cassette)(_request({}, ("Anthropic-Beta", "b"), ("anthropic-beta", "a")))


def test_threads_share_no_answer() -> None:
    """Sixteen at once: each of the equal answers goes to one of them."""
    upstream, gate = replay(_cassette(*[{"n": 1}] * 1600)), threading.Barrier(16)

    def ask(thread: int) -> list[Response]:
        gate.wait()
        return [upstream(_request({"n": 1})) for _ in range(100)]

    with ThreadPoolExecutor(16) as pool:
        answers = [answer for answers in pool.map(ask, range(16)) for answer in answers]
    assert {_answer(number) for number in range(1600)} == set(answers)
    assert () == upstream.indices_not_played


def test_no_miss_shows_a_key() -> None:
    """Neither the one that is raised nor the report that is kept."""
    secret = "sk-ant-api03-" + "Ab3" * 31
    upstream = replay(_cassette({"n": 1}))
    with pytest.raises(CassetteMiss) as caught:
        upstream(Request("POST", f"/v1/{secret}", (), b"{}"))
    assert [str(caught.value)] == [report.message for report in upstream.miss_reports]
    assert str(caught.value).startswith("POST /v1/REDACTED is not in the cassette (1 interaction).\n")


def test_answers_come_round_where_they_are_repeated() -> None:
    """Equal ones in recorded order, then the first again; what is not recorded is still a miss."""
    upstream = Replay(_cassette({"n": 1}, {"n": 1}, {"n": 2}), repeat=True)
    assert [_answer(n) for n in (0, 1, 0, 1, 0)] == [upstream(_request({"n": 1})) for _ in range(5)]
    assert (2,) == upstream.indices_not_played
    with pytest.raises(CassetteMiss, match="The nearest is interaction 2"):
        upstream(_request({"n": 3}))


def test_repeated_answers_are_those_to_the_very_same_ids() -> None:
    """Two agents that asked the same got different ids; each is answered with its own, any number of times."""
    answers = [(Head(0.0, 200, ()), Chunk(0.0, b'{"id":"toolu_%d00000"}' % n), End(0.0)) for n in (1, 2)]
    asked = [Request("POST", "/v1/messages", (), b'{"x":1}')] * 2
    then = [Request("POST", "/v1/messages", (), b'{"tool_use_id":"toolu_%d00000"}' % n) for n in (1, 2)]
    told = [_answer(n) for n in (1, 2)]
    pairs = zip([*asked, *then], [*answers, *told], strict=True)
    upstream = Replay(Cassette(METADATA, tuple(Interaction(*pair) for pair in pairs)), repeat=True)
    assert [told[1], told[1], told[0], told[1]] == [upstream(then[n]) for n in (1, 1, 0, 1)]


def test_a_repeated_answer_that_was_abandoned_is_no_whole_one() -> None:
    """Whoever reads past its end misses, each time."""
    response = (Head(0.0, 200, ()), Chunk(0.0, b"a"), End(0.0, is_abandoned=True))
    one = Interaction(Request("POST", "/v1/messages", (), b"{}"), response)
    upstream = Replay(Cassette(METADATA, (one,)), repeat=True)
    for count in (1, 2):
        last = upstream(_request({}))[-1]
        assert isinstance(last, End)
        assert last.make_refusal is not None
        assert isinstance(last.make_refusal(), CassetteMiss)
        assert count == len(upstream.misses)
