"""Ids that answers gave and later requests send back."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, Replay, replay
from flag_harness.cassette.match.returned_ids import response_ids
from flag_harness.errors import CassetteMiss
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

METADATA = CassetteMetadata("live", "2026-01-02T03:04:05Z")
JSON = (("content-type", "application/json"),)


def _id(prefix: str, number: int) -> str:
    return f"{prefix}_01{number:022d}"


def _request(body: Any, path: str = "/v1/messages", method: str = "POST") -> Request:
    data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() if body is not None else b""
    return Request(method, f"https://api.anthropic.com{path}", (), data)


def _recorded(body: Any, answer: Any, path: str = "/v1/messages", method: str = "POST") -> Interaction:
    data = _request(body).body if body is not None else b""
    chunk = json.dumps(answer, separators=(",", ":")).encode()
    return Interaction(Request(method, path, (), data), (Head(0.0, 200, JSON), Chunk(0.0, chunk), End(0.0)))


def _said(response: Response) -> Any:
    return json.loads(b"".join(piece.data for piece in response if isinstance(piece, Chunk)))


def _calls(*ids: str, name: str = "bash") -> dict[str, Any]:
    return {
        "id": _id("msg", int(ids[0][-3:])),
        "content": [{"type": "tool_use", "id": one, "name": name} for one in ids],
    }


def _second(question: str, ids: list[str], results: list[str], order: list[str] | None = None) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": [{"type": "tool_use", "id": one, "name": "bash"} for one in ids]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": one, "content": result}
                    for one, result in zip(order or ids, results, strict=True)
                ],
            },
        ]
    }


def _first(question: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}]}


def _sub_agents(count: int, question: str = "list") -> Cassette:
    """Agents that ask the same, are answered with ids of their own, and find different files."""
    ids = [_id("toolu", number) for number in range(count)]
    first = [_recorded(_first(question), _calls(one)) for one in ids]
    second = [
        _recorded(_second(question, [one], [f"file {number}"]), {"text": f"done {number}"})
        for number, one in enumerate(ids)
    ]
    return Cassette(METADATA, (*first, *second))


@given(st.permutations(range(5)))
def test_sub_agents_that_get_each_others_ids_go_on(order: list[int]) -> None:
    """Each is answered by what its own result is about, whichever first answer it got."""
    upstream = replay(_sub_agents(5))
    got = {agent: _said(upstream(_request(_first("list"))))["content"][0]["id"] for agent in order}
    for agent, one in got.items():
        assert {"text": f"done {agent}"} == _said(upstream(_request(_second("list", [one], [f"file {agent}"]))))
    assert () == upstream.indices_not_played


def test_a_third_turn_goes_on_too() -> None:
    """The source of an id is known through the ids in the request that it answered."""
    ids = [[_id("toolu", 10 * turn + agent) for agent in range(2)] for turn in range(2)]
    interactions = [_recorded(_first("list"), _calls(one)) for one in ids[0]]
    interactions += [_recorded(_second("list", [one], ["same"]), _calls(ids[1][n])) for n, one in enumerate(ids[0])]
    interactions += [
        _recorded({"turns": [_second("list", [one], ["same"]), ids[1][n], f"file {n}"]}, {"text": f"done {n}"})
        for n, one in enumerate(ids[0])
    ]
    upstream = replay(Cassette(METADATA, tuple(interactions)))
    one, other = (_said(upstream(_request(_first("list"))))["content"][0]["id"] for _ in range(2))
    for agent, mine, expected in ((1, one, 0), (0, other, 1)):
        second = _second("list", [mine], ["same"])
        theirs = _said(upstream(_request(second)))["content"][0]["id"]
        assert ids[1][expected] == theirs, "where the ids themselves were recorded, they decide"
        third = {"turns": [second, theirs, f"file {agent}"]}
        assert {"text": f"done {agent}"} == _said(upstream(_request(third)))
    assert () == upstream.indices_not_played


def test_the_very_same_ids_are_answered_by_their_own_recording() -> None:
    """Where the requests of two agents differ in nothing but ids, each goes on with the answers that followed."""
    ids = [_id("toolu", number) for number in range(2)]
    interactions = [_recorded(_first("list"), _calls(one)) for one in ids]
    interactions += [_recorded(_second("list", [one], ["same"]), {"text": one}) for one in ids]
    upstream = replay(Cassette(METADATA, tuple(interactions)))
    for one in reversed(ids):
        assert {"text": one} == _said(upstream(_request(_second("list", [one], ["same"]))))
    with pytest.raises(CassetteMiss, match="It was recorded 2 times, and each answer has been played"):
        upstream(_request(_second("list", [ids[0]], ["same"])))


def test_results_for_swapped_calls_are_another_request() -> None:
    """Two calls in one answer are two ids: which result is whose matters."""
    ids = [_id("toolu", number) for number in range(2)]
    recorded = (_recorded(_first("list"), _calls(*ids)), _recorded(_second("list", ids, ["a", "b"]), {}))
    upstream = replay(Cassette(METADATA, recorded))
    assert upstream.find_answer(_request(_second("list", ids, ["a", "b"], order=ids[::-1]))) is None
    assert upstream.find_answer(_request(_second("list", ids, ["a", "b"]))) is not None


def test_files_of_different_contents_are_different_files() -> None:
    """In any order: an id in the path is bound to the request that made it."""
    files = [_id("file", number) for number in range(2)]
    made = [_recorded({"upload": f"content {n}"}, {"id": one}, "/v1/files") for n, one in enumerate(files)]
    read = [_recorded(None, {"text": one}, f"/v1/files/{one}/content", "GET") for one in files]
    upstream = replay(Cassette(METADATA, (*made, *read)))
    for one in reversed(files):
        assert {"text": one} == _said(upstream(_request(None, f"/v1/files/{one}/content", "GET")))
        assert upstream.find_answer(_request(None, f"/v1/files/{one}/content", "GET")) is None


def test_ids_that_no_answer_held_are_compared_as_they_are() -> None:
    """An id from another time is a value like any other."""
    one, other = _id("toolu", 1), _id("toolu", 2)
    upstream = replay(Cassette(METADATA, (_recorded(_second("list", [one], ["a"]), {}),)))
    assert upstream.find_answer(_request(_second("list", [other], ["a"]))) is None
    assert upstream.find_answer(_request(_second("list", [one], ["a"]))) is not None


def test_an_id_that_was_sent_before_an_answer_held_it_is_not_bound() -> None:
    """It was the client's own: two requests that differ in it are two."""
    one, other = _id("file", 1), _id("file", 2)
    recorded = (
        _recorded({"about": one}, {"text": "before"}),
        _recorded({"upload": "x"}, {"id": one}),
        _recorded({"upload": "x"}, {"id": other}),
        _recorded({"about": other}, {"text": "after"}),
    )
    upstream = replay(Cassette(METADATA, recorded))
    assert {"text": "after"} == _said(upstream(_request({"about": other})))
    assert {"text": "before"} == _said(upstream(_request({"about": one})))


@pytest.mark.parametrize("text", ["{0}", "see {0}.", "\n{0}\n", '{{"id": "{0}"}}', "é{0}é", "{0}/{0}"])
def test_ids_within_texts_are_bound(text: str) -> None:
    """After an escape, in JSON within JSON, between letters of other alphabets."""
    ids = [_id("toolu", number) for number in range(2)]
    first = [_recorded(_first("list"), _calls(one)) for one in ids]
    upstream = replay(Cassette(METADATA, (*first, _recorded({"log": text.format(ids[0])}, {}))))
    assert upstream.find_answer(_request({"log": text.format(ids[1])})) is not None


@pytest.mark.parametrize("text", ["x{0}", "{0}x", "_{0}", "{0}-1"])
def test_a_longer_word_is_no_id(text: str) -> None:
    """Though it holds one."""
    ids = [_id("toolu", number) for number in range(2)]
    first = [_recorded(_first("list"), _calls(one)) for one in ids]
    recorded = (*first, _recorded({"log": ids[0]}, {}), _recorded({"log": text.format(ids[0])}, {}))
    upstream = replay(Cassette(METADATA, recorded))
    assert upstream.find_answer(_request({"log": text.format(ids[1])})) is None
    assert upstream.find_answer(_request({"log": text.format(ids[0])})) is not None


def test_ids_of_any_shape_are_bound() -> None:
    """Gateways make ids of their own: more kinds of them than are searched for one by one."""
    chance = random.Random(1)
    ids = [f"{chance.getrandbits(64):016x}" for _ in range(40)]
    answers = [_recorded(_first("list"), {"id": one}) for one in ids]
    again = [_recorded({"about": one, "number": number}, {"text": number}) for number, one in enumerate(ids)]
    upstream = replay(Cassette(METADATA, (*answers, *again)))
    for number, one in enumerate(reversed(ids)):
        assert {"text": number} == _said(upstream(_request({"about": one, "number": number})))


def test_ids_in_streams_and_headers_are_given() -> None:
    """Wherever the network cut the body; a short or empty id is none."""
    stream = b'data: {"message":{"id": "msg_1"}}\n\ndata: {"content_block":{"id":"toolu_1"},"x_id":null,"id":"a"}\n\n'
    chunks = tuple(Chunk(0.0, stream[place : place + 7]) for place in range(0, len(stream), 7))
    head = Head(0.0, 200, (("request-id", "req_011"), ("content-type", "text/event-stream")))
    assert [b"req_011", b"toolu_1"] == list(response_ids((head, *chunks, End(0.0))))
    assert [] == list(response_ids((Head(0.0, 200, (("request-id", "?"),)), End(0.0))))
    assert [] == list(response_ids(()))


def test_a_miss_shows_no_id_that_is_bound() -> None:
    """It is not what keeps the request from matching."""
    cassette = _sub_agents(2)
    upstream: Replay = replay(cassette)
    one = _id("toolu", 0)
    for _ in range(2):
        upstream(_request(_first("list")))
    with pytest.raises(CassetteMiss) as caught:
        upstream(_request(_second("list", [one], ["file 9"])))
    assert (
        "POST /v1/messages is not in the cassette (4 interactions).\n"
        "The nearest is interaction 2; it differs in:\n"
        "  messages[2].content[0].content: recorded 'file 0', sent 'file 9'   [looks like a number]\n"
        "If that differs at every run, take it out of matching, in pyproject.toml:\n"
        "  [tool.flag-harness.normalise]\n"
        r"  patterns = ['file\ -?[0-9]+(?:\.[0-9]+)?']" == str(caught.value)
    )
    with pytest.raises(CassetteMiss) as caught:
        upstream(_request(_second("list", [one], ["file 8"])))
    assert (
        "The nearest is interaction 3; it differs in:\n"
        "  messages[2].content[0].content: recorded 'file 1', sent 'file 8'" in str(caught.value)
    )


def test_a_miss_that_differs_in_ids_alone_shows_them() -> None:
    """Two results, swapped."""
    ids = [_id("toolu", number) for number in range(2)]
    recorded = (_recorded(_first("list"), _calls(*ids)), _recorded(_second("list", ids, ["a", "b"]), {}))
    upstream = replay(Cassette(METADATA, recorded))
    upstream(_request(_first("list")))
    with pytest.raises(
        CassetteMiss, match=r"messages\[2\]\.content\[0\]\.tool_use_id: recorded …'_010+', sent …'_010+1'"
    ):
        upstream(_request(_second("list", ids, ["a", "b"], order=ids[::-1])))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.booleans()), min_size=1, max_size=8), st.data())
def test_different_conversations_never_get_each_others_answers(
    conversations: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    """Whatever their order: every answer is one that was recorded for the same question and the same result."""
    ids = [_id("toolu", number) for number in range(len(conversations))]
    first, second = [], []
    for (question, result, twice), one in zip(conversations, ids, strict=True):
        results = [f"{result}"] * (2 if twice else 1)
        first.append(_recorded(_first(question), _calls(one)))
        body = _second(question, [one] * len(results), results)
        second.append(_recorded(body, {"about": [question, result, twice]}))
    upstream = replay(Cassette(METADATA, (*first, *second)))
    order = data.draw(st.permutations(conversations))
    got = [_said(upstream(_request(_first(question))))["content"][0]["id"] for question, _, _ in order]
    for (question, result, twice), one in zip(order, got, strict=True):
        results = [f"{result}"] * (2 if twice else 1)
        answer = _said(upstream(_request(_second(question, [one] * len(results), results))))
        assert [question, result, twice] == answer["about"]
    assert () == upstream.indices_not_played
