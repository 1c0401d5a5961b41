"""Rate limits for requests and tokens per minute, in headers and, if the scenario sets limits, in errors.

Each limit is a bucket that refills continuously (documented: rate limits). Tokens that are read from the cache do
not count (documented: cache-aware input limits). Output counts as soon as its size is known.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flag_harness.simulator.scenario.scenario import RateLimits
from flag_harness.wire.timeline import Headers

RECORDED_LIMITS = RateLimits(requests=4_000, input_tokens=2_000_000, output_tokens=400_000)
"""The rate limits in most recordings of 2026. Without limits in the scenario, headers state these and nothing is
refused.
"""
CLOCK_START_DATE = datetime(2026, 9, 1, tzinfo=UTC)
"""The date at the start of the simulator's clock. The dates in headers follow from it."""
_TOKENS_ROUNDING_STEP = 1_000
_LIMIT_KEYS = ("requests", "input_tokens", "output_tokens")
_SECONDS_PER_MINUTE = 60.0
_ROUNDING_TOLERANCE = 1e-9


@dataclass(slots=True)
class _RateLimitBucket:
    """The number of requests or tokens that a rate limit still allows (`remaining`), which grows steadily up to
    `capacity`.
    """

    capacity: int
    remaining: float
    refilled_at: float

    def refill(self, now: float) -> "_RateLimitBucket":
        """Add what has become available since the last refill. Return this bucket."""
        self.remaining = min(
            float(self.capacity), self.remaining + (now - self.refilled_at) * self.capacity / _SECONDS_PER_MINUTE
        )
        self.refilled_at = now
        return self

    def seconds_until_available(self, amount: float) -> float:
        """Return the seconds until the bucket holds `amount`, or until it is full if `amount` is above its capacity."""
        return max(0.0, (min(amount, self.capacity) - self.remaining) * _SECONDS_PER_MINUTE / self.capacity)


@dataclass(frozen=True, slots=True)
class ExceededLimit:
    """A rate limit that a request would exceed, and the seconds to wait before it can be sent again."""

    limit_name: str
    limit_per_minute: int
    wait_seconds: int


class RateLimiter:
    """The remaining requests and tokens of each model. It is not thread-safe; its owner holds a lock.

    If the scenario sets no limits, every request finds full buckets, so that its answer does not depend on other
    requests.
    """

    def __init__(self, limits: RateLimits | None, start: float) -> None:
        self._limits, self._start_time = limits, start
        self._buckets: dict[str, dict[str, _RateLimitBucket]] = {}

    def charge_input(self, model: str, input_tokens: int, now: float) -> ExceededLimit | None:
        """Count a request and its input tokens, and return None. If it exceeds a limit, return the limit and count
        nothing.
        """
        if self._limits is None:
            self._buckets.pop(model, None)
        buckets, needs = (
            self._model_buckets(model, now),
            {"requests": 1, "input_tokens": input_tokens, "output_tokens": 1},
        )
        for kind, need in needs.items():
            bucket = buckets[kind]
            if self._limits is not None and need > bucket.remaining + _ROUNDING_TOLERANCE:
                return ExceededLimit(
                    kind.replace("_", " "), bucket.capacity, max(1, math.ceil(bucket.seconds_until_available(need)))
                )
        for kind in ("requests", "input_tokens"):
            buckets[kind].remaining -= needs[kind]
        return None

    def charge_output(self, model: str, output_tokens: int, now: float) -> None:
        """Count the output tokens of an answer."""
        self._model_buckets(model, now)["output_tokens"].remaining -= output_tokens

    def rate_limit_headers(self, model: str, now: float) -> Headers:
        """Return the twelve rate-limit headers of a response, in the recorded order."""
        buckets = self._model_buckets(model, now)
        tokens = [buckets[kind] for kind in _LIMIT_KEYS[1:]]
        both = _RateLimitBucket(sum(one.capacity for one in tokens), sum(one.remaining for one in tokens), now)
        named = {"input-tokens": tokens[0], "output-tokens": tokens[1], "requests": buckets["requests"], "tokens": both}
        return tuple(header for name, bucket in named.items() for header in self._limit_headers(name, bucket, now))

    def wall_clock_time(self, now: float) -> datetime:
        """Return the date that corresponds to `now`, a time in seconds on the simulator's clock."""
        return CLOCK_START_DATE + timedelta(seconds=now - self._start_time)

    def _limit_headers(self, name_in_header: str, bucket: _RateLimitBucket, now: float) -> Iterator[tuple[str, str]]:
        """Yield the three headers of one limit: its value, what remains of it, and when it is full again.

        `name_in_header` is a part of their names, such as `input-tokens`.
        """
        left = max(0, int(bucket.remaining + _ROUNDING_TOLERANCE))
        rounded = left if name_in_header == "requests" else left // _TOKENS_ROUNDING_STEP * _TOKENS_ROUNDING_STEP
        reset = self.wall_clock_time(now + bucket.seconds_until_available(bucket.capacity))
        yield f"anthropic-ratelimit-{name_in_header}-limit", str(bucket.capacity)
        yield f"anthropic-ratelimit-{name_in_header}-remaining", str(rounded)
        yield f"anthropic-ratelimit-{name_in_header}-reset", reset.isoformat(timespec="seconds").replace("+00:00", "Z")

    def _model_buckets(self, model: str, now: float) -> Mapping[str, _RateLimitBucket]:
        """Return the buckets of a model by the key of their limit (such as `input_tokens`), refilled up to `now`."""
        limits = self._limits or RECORDED_LIMITS
        if model not in self._buckets:
            sizes = {kind: getattr(limits, kind) or getattr(RECORDED_LIMITS, kind) for kind in _LIMIT_KEYS}
            self._buckets[model] = {kind: _RateLimitBucket(size, float(size), now) for kind, size in sizes.items()}
        return {kind: bucket.refill(now) for kind, bucket in self._buckets[model].items()}
