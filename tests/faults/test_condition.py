"""When a fault is due."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.faults import FaultConditionError, FaultError, overloaded, parse_fault, refused_keyword
from flag_harness.wire.timeline import Request

REQUEST = Request("POST", "https://api.anthropic.com/v1/messages", (), b"{}")


def _due(requests: int = 6, **when: Any) -> list[int]:
    """The numbers of the requests that are changed."""
    fault = overloaded(**when)
    return [number for number in range(1, requests + 1) if fault(REQUEST) is not None]


def test_without_a_condition_every_request_is_due() -> None:
    """That is what a fault without arguments means."""
    assert [1, 2, 3] == _due(3)


def test_on_names_requests() -> None:
    """One, or several; counted from 1."""
    assert [2] == _due(on=2)
    assert [1, 3] == _due(on=[1, 3])
    assert [2, 3, 4] == _due(on=range(2, 5))


def test_every_takes_each_nth() -> None:
    """The nth is the first of them."""
    assert [3, 6] == _due(every=3)


def test_until_ends_it() -> None:
    """The nth is the last."""
    assert [1, 2, 3] == _due(until=3)


def test_when_asks_a_function() -> None:
    """It gets the request."""
    assert [] == _due(when=lambda request: b"tools" in request.body)
    assert [1, 2] == _due(2, when=lambda request: request.path == "/v1/messages")


def _due_paths(*paths: str, **when: Any) -> list[int]:
    """The numbers of the requests to these paths that are answered by the fault."""
    fault = overloaded(**when)
    requests = (Request("POST", f"https://api.anthropic.com{path}", (), b"{}") for path in paths)
    return [number for number, request in enumerate(requests, 1) if fault(request) is not None]


COUNT = "/v1/messages/count_tokens"
MESSAGES = "/v1/messages"


def test_numbers_count_the_requests_that_path_and_when_let_through() -> None:
    """An agent that counts tokens before each request gets the fault on its first message."""
    paths = (COUNT, MESSAGES, COUNT, MESSAGES, MESSAGES)
    assert [2] == _due_paths(*paths, path=MESSAGES, on=1)
    assert [2] == _due_paths(*paths, when=lambda request: request.path == MESSAGES, on=1)
    assert [4] == _due_paths(*paths, path=MESSAGES, every=2)
    assert [2, 4] == _due_paths(*paths, path=MESSAGES, until=2)
    assert [1] == _due_paths(*paths, on=1)


@pytest.mark.parametrize(
    ("path", "due"),
    [
        (MESSAGES, [2, 3, 4]),
        (f"{MESSAGES}/", [2, 3, 4]),
        ("/v1/messages*", [1, 2, 3, 4]),
        ([COUNT, "/v1/models"], [1, 5]),
        ("*/models", [5]),
        ("/v2/messages", []),
    ],
)
def test_a_path_ignores_the_query_and_the_base_path_of_a_gateway(path: Any, due: list[int]) -> None:
    """An asterisk stands for any characters; several paths are alternatives."""
    paths = (COUNT, MESSAGES, "/v1/messages?beta=true", "/anthropic/v1/messages", "/v1/models")
    assert due == _due_paths(*paths, path=path)


def test_a_path_is_spelled_on_the_command_line() -> None:
    """And read back as it was written."""
    for text in ("overloaded:path=/v1/messages,on=1", "overloaded:path=*/count_tokens|/v1/models"):
        assert text == str(parse_fault(text))
    assert overloaded(path=MESSAGES, on=1) == parse_fault("overloaded:path=/v1/messages,on=1")


def test_a_call_of_the_sdk_has_no_path() -> None:
    """The error says what to write instead."""
    with pytest.raises(FaultError) as caught:
        refused_keyword(path=MESSAGES)
    assert "refused_keyword: path: a call of the SDK has no path; use when=lambda call" in str(caught.value)


def test_all_conditions_must_hold() -> None:
    """Every second, until the fourth."""
    assert [2, 4] == _due(every=2, until=4)


def test_a_probability_is_drawn_by_its_seed() -> None:
    """The same seed draws the same requests; another draws others; none is seed 0."""
    assert _due(100, probability=0.1, seed=7) == _due(100, probability=0.1, seed=7)
    assert _due(100, probability=0.1, seed=7) != _due(100, probability=0.1, seed=8)
    assert _due(100, probability=0.1) == _due(100, probability=0.1, seed=0)
    assert 4 <= len(_due(100, probability=0.1, seed=7)) <= 20
    assert [1, 2] == _due(2, probability=1)


@given(st.integers(0, 9), st.integers(1, 40), st.integers(1, 40))
def test_a_draw_depends_on_the_number_alone(seed: int, first: int, more: int) -> None:
    """Requests that come later do not change what was drawn before: so threads cannot either."""
    drawn = _due(first + more, probability=0.5, seed=seed)
    assert [number for number in drawn if number <= first] == _due(first, probability=0.5, seed=seed)


def test_a_combination_binds_it() -> None:
    """It is due only where it was armed for that combination; the order of the names in its id is no matter."""
    fault = overloaded(combination="streaming+prompt_cache")
    assert fault(REQUEST) is None
    assert fault.arm("off")(REQUEST) is None
    assert fault.arm("streaming")(REQUEST) is None
    assert fault.arm("prompt_cache+streaming")(REQUEST) is not None
    assert overloaded(combination=["off", "streaming"]).arm("off")(REQUEST) is not None
    assert overloaded().arm("off")(REQUEST) is not None


def test_counting_is_safe_under_threads() -> None:
    """A thousand requests from eight threads: each has a number of its own."""
    fault = overloaded(every=10)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(fault, [REQUEST] * 1000))
    assert 100 == fault.fired == sum(answer is not None for answer in answers)
    assert 1000 == fault.counter.request_count


def test_counting_is_safe_under_tasks() -> None:
    """The same with tasks of one loop."""
    fault = overloaded(on=7)

    async def ask() -> bool:
        await asyncio.sleep(0)
        return fault(REQUEST) is not None

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(ask() for _ in range(20)))

    assert 1 == sum(asyncio.run(all_of_them()))


def test_a_broken_function_is_not_an_answer() -> None:
    """It escapes the SDK's retries and an agent's `except Exception`, and says which fault it was."""

    def broken(request: Request) -> bool:
        raise KeyError("tools")

    with pytest.raises(FaultConditionError) as caught:
        overloaded(when=broken)(REQUEST)
    assert "overloaded:when=broken: its `when` raised KeyError: 'tools'" == str(caught.value)


NUMBER = "must be a whole number from 1 up"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on": 0}, f"overloaded: on=0: {NUMBER}, or a collection of them"),
        ({"on": True}, f"overloaded: on=True: {NUMBER}, or a collection of them"),
        ({"on": "2"}, f"overloaded: on='2': {NUMBER}, or a collection of them"),
        ({"on": []}, f"overloaded: on=[]: {NUMBER}, or a collection of them"),
        ({"on": [1, 0]}, f"overloaded: on=0: {NUMBER}"),
        ({"every": 0}, f"overloaded: every=0: {NUMBER}"),
        ({"every": 1.5}, f"overloaded: every=1.5: {NUMBER}"),
        ({"until": False}, f"overloaded: until=False: {NUMBER}"),
        ({"probability": 2}, "overloaded: probability=2: must be a number above 0 and up to 1"),
        ({"probability": 0}, "overloaded: probability=0: must be a number above 0 and up to 1"),
        ({"probability": "1"}, "overloaded: probability='1': must be a number above 0 and up to 1"),
        ({"seed": -1}, "overloaded: seed=-1: must be a whole number from 0 up"),
        (
            {"path": "messages"},
            "overloaded: path='messages': must be a path such as /v1/messages, or a collection of them",
        ),
        ({"path": []}, "overloaded: path=[]: must be a path such as /v1/messages, or a collection of them"),
        ({"when": 3}, "overloaded: when=3: must be a function that takes a Request and returns a bool"),
        (
            {"combination": ""},
            "overloaded: combination='': must be the id of a flag combination, or a collection of them",
        ),
        (
            {"combination": 3},
            "overloaded: combination=3: must be the id of a flag combination, or a collection of them",
        ),
        (
            {"combination": []},
            "overloaded: combination=[]: must be the id of a flag combination, or a collection of them",
        ),
        (
            {"untill": 3},
            "overloaded: no argument 'untill'; it takes retry_after, should_retry, on, every, until, probability, "
            "seed, path, when, combination; did you mean 'until'?",
        ),
    ],
)
def test_bad_arguments_are_named(given: dict[str, Any], message: str) -> None:
    """The message says which argument, which value, which rule."""
    make: Callable[..., object] = overloaded
    with pytest.raises(FaultError) as caught:
        make(**given)
    assert message == str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"on": 5, "until": 3}, "on=5, until=3"),
        ({"on": [4, 5], "until": 3}, "on=[4, 5], until=3"),
        ({"on": 5, "every": 3}, "on=5, every=3"),
        ({"every": 4, "until": 3}, "every=4, until=3"),
        ({"on": [3, 4], "every": 4, "until": 3}, "on=[3, 4], every=4, until=3"),
    ],
)
def test_what_can_never_be_due_is_refused(given: dict[str, Any], said: str) -> None:
    """Each argument is right, and no request is all of that."""
    with pytest.raises(FaultError) as caught:
        overloaded(**given)
    assert f"overloaded: {said}: no request is all of that, so it can never be due" == str(caught.value)
    assert [6] == _due(9, on=[3, 6, 9], every=2, until=8)
