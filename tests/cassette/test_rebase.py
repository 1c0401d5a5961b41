"""Rebase: answers kept, requests rewritten in the places that were reviewed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, Normalisers, Replay, replay
from flag_harness.cassette.rebase import (
    RequestChange,
    RequestRewrite,
    find_rebase_problem,
    indices_of_rewritten_requests,
    rebase_cassette,
    request_changes_of_miss,
)
from flag_harness.errors import CassetteError, CassetteMiss
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

METADATA = CassetteMetadata("live", "2026-01-02T03:04:05Z")
PATH = Path("recordings/x.json")
BODY = {
    "model": "m",
    "system": [{"type": "text", "text": "A careful assistant."}],
    "messages": [{"role": "user", "content": "hello"}],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


def _answer(number: int) -> Response:
    return Head(0.0, 200, ()), Chunk(0.0, str(number).encode()), End(0.0)


def _cassette(*bodies: Any) -> Cassette:
    requests = (Request("POST", "/v1/messages", (), json.dumps(body).encode()) for body in bodies)
    return Cassette(METADATA, tuple(Interaction(one, _answer(n)) for n, one in enumerate(requests)), PATH)


def _request(body: Any, path: str = "/v1/messages", headers: Any = ()) -> Request:
    return Request("POST", f"https://api.anthropic.com{path}", headers, json.dumps(body).encode())


def _missed(upstream: Replay, request: Request) -> RequestRewrite:
    with pytest.raises(CassetteMiss):
        upstream(request)
    miss = upstream.miss_reports[-1]
    assert miss.nearest_index is not None
    rows = [
        one.to_json_object()
        for one in request_changes_of_miss(miss, upstream.cassette.interactions[miss.nearest_index])
    ]
    return RequestRewrite(
        miss.nearest_index, tuple(RequestChange.from_json_object(json.loads(json.dumps(row))) for row in rows)
    )


def _with(body: Any, steps: list[Any], value: Any) -> Any:
    changed = copy.deepcopy(body)
    parent = changed
    for step in steps[:-1]:
        parent = parent[step]
    parent[steps[-1]] = value
    return changed


@given(st.dictionaries(st.sampled_from("abcd"), JSON), st.dictionaries(st.sampled_from("abcd"), JSON))
def test_a_rebased_cassette_answers_what_was_missed(recorded: Any, sent: Any) -> None:
    """Whatever differs, with the answer that was recorded; the file says so."""
    assume(json.dumps(recorded, sort_keys=True) != json.dumps(sent, sort_keys=True))
    cassette = _cassette(recorded)
    new = rebase_cassette(cassette, [_missed(replay(cassette), _request(sent))])
    assert _answer(0) == replay(new)(_request(sent))
    assert new.metadata.is_rebased
    assert (0,) == indices_of_rewritten_requests(cassette, new)


def test_the_order_of_keys_stays_as_it_was_recorded() -> None:
    """So that a changed word is a changed line."""
    sent = dict(reversed(_with(BODY, ["system", 0, "text"], "A helpful assistant.").items()))
    cassette = _cassette(BODY)
    new = rebase_cassette(cassette, [_missed(replay(cassette), _request(sent))])
    body = new.interactions[0].request.body
    assert (
        json.dumps(_with(BODY, ["system", 0, "text"], "A helpful assistant."), separators=(",", ":")) == body.decode()
    )


def test_later_turns_that_say_the_same_are_rewritten_too() -> None:
    """The test stopped at its first miss; one that was played is left alone, though it says the same."""
    second = {**BODY, "messages": [*BODY["messages"], {"role": "assistant", "content": "hi"}, {"role": "user"}]}
    other = _with(BODY, ["system", 0, "text"], "Another one.")
    played = {**BODY, "played": True}
    cassette = _cassette(played, BODY, second, other)
    upstream = replay(cassette)
    upstream(_request(played))
    sent = _with(BODY, ["system", 0, "text"], "A helpful assistant.")
    sent["messages"] = [{"role": "user", "content": "context"}, *sent["messages"]]
    new = rebase_cassette(cassette, [_missed(upstream, _request(sent))], played=(0,))
    assert (1, 2) == indices_of_rewritten_requests(cassette, new)
    assert _answer(2) == replay(new)(_request({**sent, "messages": [*sent["messages"], *second["messages"][1:]]}))
    assert _answer(0) == replay(new)(_request(played))


def test_a_member_is_not_put_into_a_conversation_that_began_otherwise() -> None:
    """Its place counts from what comes before it."""
    cassette = _cassette(
        {"list": [1, 2]}, {"list": [3, 2]}, {"list": [1, 2, 3]}, {"list": 1}, {"other": []}, {"list": []}
    )
    new = rebase_cassette(cassette, [_missed(replay(cassette), _request({"list": [1, 9, 2]}))])
    assert [
        {"list": [1, 9, 2]},
        {"list": [3, 2]},
        {"list": [1, 9, 2, 3]},
        {"list": 1},
        {"other": []},
        {"list": []},
    ] == [one.decoded_body for one in new.interactions]


def test_what_normalisers_take_out_stays_as_it_was_recorded() -> None:
    """Only what was reviewed changes."""
    normalisers = Normalisers(patterns=(r"\d\d:\d\d",), json=("user",))
    cassette = _cassette({"at": "12:00", "user": "a", "n": 1, "both": "old at 12:00"})
    upstream = replay(cassette, normalisers=normalisers)
    sent = _request({"at": "13:00", "user": "b", "n": 2, "both": "new at 13:00"})
    new = rebase_cassette(cassette, [_missed(upstream, sent)])
    assert {"at": "12:00", "user": "a", "n": 2, "both": "new at 13:00"} == new.interactions[0].decoded_body


@pytest.mark.parametrize(
    ("sent", "path", "headers", "reason"),
    [
        ({**BODY, "model": "n"}, "", (), "model changed, and with it what the model can answer"),
        ({**BODY, "tools": []}, "", (), "tools changed, and with it what the model can answer"),
        ({**BODY, "thinking": {}}, "", (), "thinking changed, and with it what the model can answer"),
        ({**BODY, "stream": True}, "", (), "stream changed, and with it what the model can answer"),
        ({**BODY, "max_tokens": 5}, "", (), "max_tokens changed, and with it what the model can answer"),
        ({**BODY, "stop_sequences": ["x"]}, "", (), "stop_sequences changed, and with it what the model can answer"),
        ({**BODY, "container": "x"}, "", (), "container changed, and with it what the model can answer"),
        (
            {**BODY, "context_management": {}},
            "",
            (),
            "context_management changed, and with it what the model can answer",
        ),
        (BODY, "?limit=1", (), "path changed"),
        (BODY, "", (("anthropic-beta", "x"),), "anthropic-beta changed"),
        ([], "", (), "the whole body changed"),
    ],
)
def test_what_no_answer_outlives_is_refused(sent: Any, path: str, headers: Any, reason: str) -> None:
    """With the reason."""
    cassette = _cassette(BODY)
    rewrite = _missed(replay(cassette), _request(sent, f"/v1/messages{path}", headers))
    with pytest.raises(CassetteError) as caught:
        rebase_cassette(cassette, [rewrite])
    assert f"recordings/x.json: interaction 0: {reason}: record it again" == str(caught.value)


def test_a_cassette_that_is_not_what_the_run_saw_is_refused() -> None:
    """It was recorded again, or rebased already."""
    rewrite = _missed(replay(_cassette(BODY)), _request({**BODY, "user": "b"}))
    with pytest.raises(CassetteError) as caught:
        rebase_cassette(_cassette({**BODY, "user": "b"}), [rewrite])
    assert (
        "recordings/x.json: interaction 0 has changed since the run: user is not what it was; run the tests again"
        == str(caught.value)
    )
    with pytest.raises(CassetteError) as caught:
        rebase_cassette(_cassette(), [rewrite])
    assert "recordings/x.json: has no interaction 0; run the tests again" == str(caught.value)


def test_two_requests_for_one_place_are_refused() -> None:
    """Two tests share the cassette, and each sends another thing; where both send the same, it is one."""
    cassette = _cassette(BODY)
    one = _missed(replay(cassette), _request({**BODY, "n": 1}))
    other = _missed(replay(cassette), _request({**BODY, "n": 2}))
    with pytest.raises(CassetteError) as caught:
        rebase_cassette(cassette, [one, other])
    assert "recordings/x.json: different requests came nearest to interaction 0" == str(caught.value)
    assert rebase_cassette(cassette, [one]) == rebase_cassette(cassette, [one, one])


def _turns(*systems: str) -> list[Any]:
    """Return the requests of a conversation, one for each system prompt."""
    said = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    return [{"system": one, "messages": [*said * turn, said[0]]} for turn, one in enumerate(systems)]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (
            {"system": "new", "messages": [{"role": "user", "content": "hello there"}]},
            "interaction 1 continues interaction 0, and would not do so any more: record it again",
        ),
        (
            {"system": "b", "messages": [*_turns("a", "b")[1]["messages"][:2], {"role": "user", "content": "more"}]},
            "interaction 1: the test did not send interaction 0, which was recorded before it: record it again",
        ),
        (
            {"system": "a", "messages": [*_turns("a")[0]["messages"], {"role": "user", "content": "more"}]},
            "interaction 0: the test sends more messages than the one that was answered: record it again",
        ),
    ],
)
def test_a_cassette_that_would_be_rewritten_by_half_is_refused(sent: Any, reason: str) -> None:
    """What the test sends after the miss is not known."""
    cassette = _cassette(*_turns("a", "b"))
    rewrite = _missed(replay(cassette), _request(sent))
    assert reason == find_rebase_problem(cassette, [rewrite], (), lambda request: None)


def test_a_request_that_the_api_would_refuse_is_a_problem_only_if_it_was_not_refused_before() -> None:
    """The simulator does not know all that the API accepts."""
    cassette = _cassette(BODY)
    rewrite = _missed(replay(cassette), _request(_with(BODY, ["system", 0, "text"], "")))
    assert "interaction 0: the API would refuse the new request: no text; change what the code sends" == (
        find_rebase_problem(cassette, [rewrite], (), lambda request: None if b"careful" in request.body else "no text")
    )
    assert "" == find_rebase_problem(cassette, [rewrite], (), lambda request: "no text")
