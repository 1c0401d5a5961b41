"""When a request is tried again, and after how long."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from flag_harness.reference.request.failure import Failure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how long apart and for how long one request is tried. Times are seconds on the agent's clock.

    `attempts` counts the first one. Waits are `base`, doubling up to `longest` (0.5 and 8: the SDK's own), without
    jitter, so that a run can be repeated. `retry_after_cap` bounds what a server may ask for, which the SDK no longer
    does. An answer that broke on its way is asked for `broken` more times. A stream that brings nothing but pings for
    `silence` has broken; the longest pause in recorded streams is a few seconds. No attempt begins more than `patience`
    after the first, which leaves room for two that fall silent.
    """

    attempts: int = 4
    base: float = 0.5
    longest: float = 8.0
    retry_after_cap: float = 60.0
    broken: int = 1
    silence: float = 120.0
    patience: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.broken < 0:
            raise ValueError(f"attempts={self.attempts} must be at least 1, and broken={self.broken} at least 0")
        if min(self.base, self.longest, self.retry_after_cap, self.silence, self.patience) < 0:
            raise ValueError(f"no time can be below 0: {self}")


_ADVICE: Mapping[str, str] = {
    "credentials": "check ANTHROPIC_API_KEY, then send again",
    "request": "change what was refused, then send again",
}


@dataclass(slots=True)
class Attempts:
    """The attempts at one request: `started` when the first was made, how many failed, and how many of them broke."""

    policy: RetryPolicy
    started: float
    failed: int = 0
    broken: int = 0

    def wait_after(self, failure: Failure, now: float) -> float | None:
        """Seconds to wait before the next attempt, or None where there is to be none. Counts the failed one."""
        self.failed += 1
        self.broken += failure.retry == "once"
        if not self._may_retry(failure):
            return None
        wait = self._asked_for(failure.headers)
        if wait is None:
            wait = min(self.policy.base * 2 ** (self.failed - 1), self.policy.longest)
        return wait if now + wait - self.started <= self.policy.patience else None

    def told(self, failure: Failure, now: float) -> Failure:
        """The failure in words for the user: what happened, after how many attempts, and that nothing is lost."""
        seconds = f"{now - self.started:.1f}".removesuffix(".0")
        tried = f"{self.failed} attempts in {seconds} s; " if self.failed > 1 else ""
        advice = _ADVICE.get(failure.kind, "send again")
        return replace(failure, message=f"{failure.message} ({tried}your turn is kept: {advice})")

    def _may_retry(self, failure: Failure) -> bool:
        if self.failed >= self.policy.attempts:
            return False
        if failure.retry == "once":
            return self.broken <= self.policy.broken
        asked = failure.headers.get("x-should-retry")
        return asked == "true" if asked in ("true", "false") else failure.retry == "policy"

    def _asked_for(self, headers: Mapping[str, str]) -> float | None:
        seconds = retry_after(headers)
        return None if seconds is None else min(seconds, self.policy.retry_after_cap)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date.

    A date counts from the response's own `date`, so no clock is asked. None where nothing can be understood.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    return _until(text, headers.get("date")) if seconds is None else seconds


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _until(then: str | None, now: str | None) -> float | None:
    try:
        return max((parsedate_to_datetime(then or "") - parsedate_to_datetime(now or "")).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
