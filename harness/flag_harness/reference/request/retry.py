"""Decide whether and when a request is retried."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from flag_harness.reference.request.failure import RequestFailure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is tried, and how long the agent waits. Times are seconds on the agent's clock.

    `max_attempts` includes the first one. Waits start with `first_wait` and double up to `longest_wait` (0.5 and 8, as
    in the SDK), without jitter, so that a run is repeatable. `retry_after_cap` limits the wait that a server can ask
    for; the SDK no longer limits it. A broken answer is retried `max_broken_answers` times. A stream counts as broken
    if it sends only pings for `max_silence`; the longest pause in recorded streams is a few seconds. No attempt starts
    later than `max_total_wait` after the first, which leaves time for two attempts that get no answer.
    """

    max_attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 8.0
    retry_after_cap: float = 60.0
    max_broken_answers: int = 1
    max_silence: float = 120.0
    max_total_wait: float = 300.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or self.max_broken_answers < 0:
            raise ValueError(
                f"max_attempts={self.max_attempts} must be at least 1, "
                f"and max_broken_answers={self.max_broken_answers} at least 0"
            )
        if min(self.first_wait, self.longest_wait, self.retry_after_cap, self.max_silence, self.max_total_wait) < 0:
            raise ValueError(f"no time can be below 0: {self}")


_ADVICE_BY_KIND: Mapping[str, str] = {
    "credentials": "check ANTHROPIC_API_KEY, then send again",
    "request": "change what was refused, then send again",
}


@dataclass(slots=True)
class RetryState:
    """The attempts at one request: when the first one started, and how many failed or got a broken answer so far."""

    policy: RetryPolicy
    started_at: float
    failed_count: int = 0
    broken_count: int = 0

    def count_failed_attempt(self, failure: RequestFailure, now: float) -> float | None:
        """Count a failed attempt. Return the seconds until the next attempt, or None if the request must not be tried
        again.
        """
        self.failed_count += 1
        self.broken_count += failure.retry_rule == "once"
        if not self._may_retry(failure):
            return None
        wait = self._seconds_requested_by_server(failure.headers)
        if wait is None:
            wait = min(self.policy.first_wait * 2 ** (self.failed_count - 1), self.policy.longest_wait)
        return wait if now + wait - self.started_at <= self.policy.max_total_wait else None

    def with_message_for_user(self, failure: RequestFailure, now: float) -> RequestFailure:
        """Return the failure with a message for the user: the problem, the number of attempts, and what to do."""
        seconds = f"{now - self.started_at:.1f}".removesuffix(".0")
        attempts = f"{self.failed_count} attempts in {seconds} s; " if self.failed_count > 1 else ""
        advice = _ADVICE_BY_KIND.get(failure.kind, "send again")
        return replace(failure, message=f"{failure.message} ({attempts}your turn is kept: {advice})")

    def _may_retry(self, failure: RequestFailure) -> bool:
        if self.failed_count >= self.policy.max_attempts:
            return False
        if failure.retry_rule == "once":
            return self.broken_count <= self.policy.max_broken_answers
        header = failure.headers.get("x-should-retry")
        return header == "true" if header in ("true", "false") else failure.retry_rule == "policy"

    def _seconds_requested_by_server(self, headers: Mapping[str, str]) -> float | None:
        seconds = retry_after_seconds(headers)
        return None if seconds is None else min(seconds, self.policy.retry_after_cap)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in the `retry-after-ms` or `retry-after` header, or None if neither is valid.

    A date is compared with the response's own `date` header, so no clock is needed.
    """
    milliseconds = _parse_number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _parse_number(text)
    return _seconds_between(text, headers.get("date")) if seconds is None else seconds


def _parse_number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _seconds_between(end_date: str | None, start_date: str | None) -> float | None:
    try:
        return max(
            (parsedate_to_datetime(end_date or "") - parsedate_to_datetime(start_date or "")).total_seconds(), 0.0
        )
    except (TypeError, ValueError):
        return None
