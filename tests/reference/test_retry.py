"""Retries: how often, after how long, and what the server may ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.reference.request.failure import RequestFailure
from flag_harness.reference.request.retry import RetryPolicy, RetryState, retry_after_seconds

OVERLOADED = RequestFailure("overloaded", "529 overloaded_error: Overloaded", "policy", 529)
REFUSED = RequestFailure("request", "400 invalid_request_error: no", "never", 400)
BROKEN = RequestFailure("broken_answer", "the answer broke off", "once")


def waits(policy: RetryPolicy, failure: RequestFailure, most: int = 50) -> list[float]:
    """The waits until the policy gives up, on a clock where nothing else takes time."""
    attempts, now, found = RetryState(policy, 0.0), 0.0, []
    for _ in range(most):
        wait = attempts.count_failed_attempt(failure, now)
        if wait is None:
            return found
        found.append(wait)
        now += wait
    raise AssertionError("the policy never gives up")


def test_waits_double_up_to_the_longest() -> None:
    """0.5, 1, 2, ... and never more than 8 seconds."""
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 8.0] == waits(RetryPolicy(max_attempts=7), OVERLOADED)


def test_what_is_refused_is_not_retried() -> None:
    """A 400 stays a 400, unless the server says that it may not."""
    assert [] == waits(RetryPolicy(), REFUSED)
    assert 3 == len(waits(RetryPolicy(), RequestFailure("request", "", status=400, headers={"x-should-retry": "true"})))


def test_the_server_can_forbid_a_retry() -> None:
    """x-should-retry: false ends it; any other word says nothing."""
    assert [] == waits(
        RetryPolicy(), RequestFailure("overloaded", "", "policy", 529, headers={"x-should-retry": "false"})
    )
    assert 3 == len(
        waits(RetryPolicy(), RequestFailure("overloaded", "", "policy", 529, headers={"x-should-retry": "?"}))
    )


def test_a_broken_answer_is_retried_once() -> None:
    """Or as often as asked, within the attempts."""
    assert [0.5] == waits(RetryPolicy(), BROKEN)
    assert [] == waits(RetryPolicy(max_broken_answers=0), BROKEN)
    assert 3 == len(waits(RetryPolicy(max_broken_answers=9), BROKEN))


def test_patience_ends() -> None:
    """No attempt begins later than the patience allows."""
    slow = RequestFailure("rate_limit", "", "policy", 429, headers={"retry-after": "50"})
    assert [50.0, 50.0] == waits(RetryPolicy(max_attempts=9, max_total_wait=120), slow)


@given(st.floats(0, 1e9), st.integers(1, 9), st.floats(0, 1000), st.floats(0, 1000))
def test_waiting_is_bounded_whatever_a_server_asks(asked: float, attempts: int, cap: float, patience: float) -> None:
    """No wait exceeds the cap, all together not the patience, and there are fewer than attempts."""
    policy = RetryPolicy(max_attempts=attempts, retry_after_cap=cap, max_total_wait=patience)
    found = waits(policy, RequestFailure("rate_limit", "", "policy", 429, headers={"retry-after": str(asked)}))
    assert len(found) < attempts
    assert all(wait <= cap for wait in found)
    assert sum(found) <= patience * (1 + 1e-9)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:59:00 GMT", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds first, then seconds, then a date against the response's own; nonsense says nothing."""
    assert seconds == retry_after_seconds(headers)


def test_a_failure_is_told_with_what_was_tried() -> None:
    """The words name the attempts, the time, and what to do next."""
    attempts = RetryState(RetryPolicy(), 10.0)
    assert attempts.count_failed_attempt(REFUSED, 10.0) is None
    refused = "400 invalid_request_error: no (your turn is kept: change what was refused, then send again)"
    assert refused == attempts.with_message_for_user(REFUSED, 10.0).message
    attempts.failed_count = 4
    words = "529 overloaded_error: Overloaded (4 attempts in 3.5 s; your turn is kept: send again)"
    assert words == attempts.with_message_for_user(OVERLOADED, 13.5).message
    assert "4 attempts in 3 s" in attempts.with_message_for_user(OVERLOADED, 13.0).message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_attempts": 0}, "max_attempts=0 must be at least 1, and max_broken_answers=1 at least 0"),
        ({"max_broken_answers": -1}, "max_attempts=4 must be at least 1, and max_broken_answers=-1 at least 0"),
        (
            {"first_wait": -1.0},
            "no time can be below 0: RetryPolicy(max_attempts=4, first_wait=-1.0, longest_wait=8.0, "
            "retry_after_cap=60.0, max_broken_answers=1, max_silence=120.0, max_total_wait=300.0)",
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(arguments: dict[str, float], words: str) -> None:
    """The message names the value and the rule."""
    with pytest.raises(ValueError, match=r"at least|below") as raised:
        RetryPolicy(**arguments)  # type: ignore[arg-type]
    assert words == str(raised.value)
