"""Two cassettes side by side."""

import json
from typing import Any

from flag_harness.analysis.comparison import (
    MAX_COMPARED_BYTES,
    InteractionPair,
    compare_interactions,
    difference_to_json,
)
from flag_harness.cassette import Interaction
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response


def _plain(value: Any, status: int = 200) -> Response:
    return Head(0.0, status, ()), Chunk(0.1, json.dumps(value).encode()), End(0.2)


def _stream(*events: dict[str, Any]) -> Response:
    data = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return Head(0.0, 200, (("content-type", "text/event-stream"),)), Chunk(0.1, data.encode()), Cut(0.2, "reset")


def _interactions(*pairs: tuple[Any, Response]) -> list[Interaction]:
    return [Interaction(Request("POST", "/v1/messages", (), json.dumps(body).encode()), response)
            for body, response in pairs]  # fmt: skip


def _changed(pair: InteractionPair) -> tuple[list[str], list[str]]:
    return [one.path for one in pair.request_differences], [one.path for one in pair.answer_differences]


def test_ids_and_signatures_take_no_part() -> None:
    """Nor where a later request sends them back."""

    def talk(number: int) -> list[Interaction]:
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": "x", "signature": "s" * number}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}"}
        second = {"messages": [call, result]}
        return _interactions(({"a": 1}, _plain({"id": f"msg_{number}", "content": [call]})), (second, _plain({})))

    assert [False, False] == [pair.is_different for pair in compare_interactions(talk(1), talk(2))]


def test_differences_are_told_by_path() -> None:
    """Of request and answer."""
    first = _interactions(({"model": "m", "max_tokens": 1}, _plain({"content": [{"type": "text", "text": "Hi"}]})))
    second = _interactions(
        ({"model": "m", "max_tokens": 2}, _plain({"content": [{"type": "text", "text": "Ho"}], "x": [1]}))
    )
    (pair,) = compare_interactions(first, second)
    assert (["max_tokens"], ["content[0].text", "x"]) == _changed(pair)
    assert {"path": "max_tokens", "before": 1, "after": 2, "absent": []} == difference_to_json(
        pair.request_differences[0]
    )
    assert {"path": "x", "before": None, "after": [1], "absent": ["before"]} == difference_to_json(
        pair.answer_differences[1]
    )


def test_equal_requests_stand_side_by_side() -> None:
    """What was put in between is on one side only."""
    answer = _plain({})
    first = _interactions(({"a": 1}, answer), ({"a": 2}, answer))
    second = _interactions(({"a": 1}, answer), ({"b": 1}, answer), ({"a": 2}, answer))
    assert [(0, 0), (None, 1), (1, 2)] == [
        (pair.first_index, pair.second_index) for pair in compare_interactions(first, second)
    ]
    assert [(0, 0), (1, None), (2, 1)] == [
        (pair.first_index, pair.second_index) for pair in compare_interactions(second, first)
    ]
    assert [False, True, False] == [pair.is_different for pair in compare_interactions(first, second)]


def test_how_an_answer_came_is_compared_too() -> None:
    """Its status, whether it was streamed, how it ended, and the error in it."""
    error = {"type": "error", "error": {"type": "overloaded_error"}}
    first, second = _interactions(({}, _plain([1], 500))), _interactions(({}, _stream(error)))
    (pair,) = compare_interactions(first, second)
    assert ["status", "streamed", "ended", "body", "error"] == _changed(pair)[1]


def test_a_set_of_betas_is_a_list_for_scripts() -> None:
    """JSON has no tuples."""
    header = (("anthropic-beta", "b,a"),)
    request = Request("POST", "/v1/messages", header, b"{}")
    second = [Interaction(request, _plain({}))]
    (pair,) = compare_interactions(_interactions(({}, _plain({}))), second)
    assert {"path": "anthropic-beta", "before": [], "after": ["a", "b"], "absent": []} == difference_to_json(
        pair.request_differences[0]
    )


def test_many_equal_requests_are_paired_in_order() -> None:
    """Each with one that has as many equal ones before it, since trying all pairs would take minutes."""
    requests: list[tuple[Any, Response]] = [({"a": 1}, _plain({}))] * 800
    first, second = _interactions(*requests), _interactions(({"b": 1}, _plain({})), *requests)
    pairs = list(compare_interactions(first, second))
    assert [(None, 0)] == [(pair.first_index, pair.second_index) for pair in pairs if pair.is_different]
    assert (0, 1) == (pairs[1].first_index, pairs[1].second_index)


def test_large_bodies_are_compared_as_a_whole() -> None:
    """Neither is decoded, which would take hundreds of megabytes."""
    large = b" " * (MAX_COMPARED_BYTES + 1)

    def interaction(end: bytes) -> Interaction:
        head = Head(0.0, 200, (("content-type", "text/event-stream"),))
        return Interaction(Request("POST", "/v1/files", (), large + end), (head, Chunk(0.1, large + end), End(0.2)))

    pairs = (compare_interactions([interaction(b"")], [interaction(end)]) for end in (b"", b"x"))
    (same,), (different,) = pairs
    assert not same.is_different
    assert ([""], ["body"]) == _changed(different)
    assert "33,554,434 bytes" in str(different.request_differences[0].sent_value)
    assert "33,554,434 bytes" in str(different.answer_differences[0].sent_value)
