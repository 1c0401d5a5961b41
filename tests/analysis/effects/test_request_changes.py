"""What differs between two requests, once echoes and ids are out of the way."""

from typing import Any

import pytest

from flag_harness.analysis.effects.request_changes import (
    ABSENT,
    RequestDifference,
    SentRequest,
    align_requests,
    list_request_changes,
    simplify_requests,
)


def _request(body: Any) -> SentRequest:
    return SentRequest("POST", "/v1/messages", (), body)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (["a", "b"], ["b"], [RequestDifference("stop[*]", "a", ABSENT)]),
        (["b"], ["a", "b"], [RequestDifference("stop[*]", ABSENT, "a")]),
        (["a", "b"], ["c"], [RequestDifference("stop[*]", "a", "c"), RequestDifference("stop[*]", "b", ABSENT)]),
        (
            [{"name": "x", "on": 1}, {"name": "y"}],
            [{"name": "y"}],
            [RequestDifference("stop[*]", {"name": "x", "on": 1}, ABSENT)],
        ),
        (["a"], "a", [RequestDifference("stop", ["a"], "a")]),
    ],
)
def test_items_of_lists_are_paired_with_what_is_like_them(
    before: Any, after: Any, changes: list[RequestDifference]
) -> None:
    """An item that was added or removed is one change, wherever it stands."""
    assert changes == list_request_changes(_request({"stop": before}), _request({"stop": after}))


ANSWER = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello."}]


@pytest.mark.parametrize(
    ("turn", "simplified"),
    [
        ({"role": "assistant", "content": ANSWER}, {"role": "assistant", "content": ["<the answer>"]}),
        (
            {"role": "assistant", "content": "Hello."},
            {"role": "assistant", "content": ["<the answer without thinking>"]},
        ),
        *[
            (turn, turn)
            for turn in (
                {"role": "assistant", "content": [{"type": "text", "text": "Something else."}]},
                {"role": "assistant", "content": ["Hello."]},
                {"role": "assistant", "content": 7},
                {"role": "user", "content": [{"type": "text", "text": "Hello."}]},
                "Hello.",
            )
        ],
    ],
)
def test_a_turn_that_repeats_the_answer_is_simplified(turn: Any, simplified: Any) -> None:
    """Also if it leaves a block out; every other turn is left as it is."""
    first, second = _request({"messages": []}), _request({"messages": [turn]})
    assert {"messages": [simplified]} == [*simplify_requests([(first, ANSWER), (second, [])])][1].body


def test_an_answer_of_unknown_blocks_is_repeated_by_no_turn() -> None:
    """Such as text that an upstream of the user's own sends."""
    turn = {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]}
    requests = [_request(None), _request({"messages": [turn]})]
    assert turn == [*simplify_requests(zip(requests, [["Hello."], []], strict=True))][1].body["messages"][0]


@pytest.mark.parametrize("body", [None, "text", {"messages": "none"}, {"max_tokens": 1}])
def test_a_body_without_messages_is_left_as_it_is(body: Any) -> None:
    """Whatever it is."""
    assert body == next(simplify_requests([(_request(body), [])])).body


def test_long_lists_that_differ_are_one_change() -> None:
    """And lists of very many items are paired by index, because aligning them takes too long."""
    before, after = [0] * 20_000, [1] * 20_000
    assert [RequestDifference("stop", before, after)] == list_request_changes(
        _request({"stop": before}), _request({"stop": after})
    )
    few, more = ["x"] * 800, ["y", *["x"] * 800]
    assert [RequestDifference("stop[*]", "x", "y"), RequestDifference("stop[*]", ABSENT, "x")] == list_request_changes(
        _request({"stop": few}), _request({"stop": more})
    )


def test_very_many_requests_are_paired_by_index() -> None:
    """The run with more requests has some without a partner."""
    few, more = [_request({"n": 1})] * 600, [_request({"n": 1})] * 601
    pairs = [*align_requests(few, more)]
    assert (601, (None, more[0])) == (len(pairs), pairs[-1])


def test_a_text_that_each_request_repeats_is_kept_once() -> None:
    """A conversation of a hundred requests takes the memory of its last one."""
    text = "the same words " * 100
    requests = ({"messages": [{"role": "user", "content": text.encode().decode()}]} for _ in range(2))
    first, second = (
        one.body["messages"][0]["content"][0]["text"]
        for one in simplify_requests((_request(one), []) for one in requests)
    )
    assert text == first
    assert first is second
