"""Requests and tokens per minute: what is left of them, in headers and, where a scenario limits them, in refusals.

Each budget is a bucket that fills again at its rate (documented: rate limits, token bucket). Tokens that are read from
the cache are free (documented: cache-aware input limits). Output is charged when it is known.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flag_harness.simulator.scenario.scenario import Limits
from flag_harness.wire.timeline import Headers

RECORDED = Limits(requests=4_000, input_tokens=2_000_000, output_tokens=400_000)
"""What most recordings of 2026 state; headers tell them where a scenario sets no limits, and nothing is refused."""
EPOCH = datetime(2026, 9, 1, tzinfo=UTC)
"""When the simulator's clock stood at its start: dates in headers are counted from here."""
_ROUNDED = 1_000
_KINDS = ("requests", "input_tokens", "output_tokens")
_MINUTE = 60.0
_ROUNDING = 1e-9


@dataclass(slots=True)
class _Bucket:
    size: int
    left: float
    filled: float

    def at(self, now: float) -> "_Bucket":
        """The bucket as it is now."""
        self.left = min(float(self.size), self.left + (now - self.filled) * self.size / _MINUTE)
        self.filled = now
        return self

    def wait(self, wanted: float) -> float:
        """Seconds until there is as much as `wanted`, or all that there can be."""
        return max(0.0, (min(wanted, self.size) - self.left) * _MINUTE / self.size)


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A budget that a request would exceed, and when to ask again."""

    budget: str
    limit: int
    seconds: int


class Budgets:
    """What is left, by model. It holds no lock: its owner does.

    Without limits each request finds its budgets full: so its answer does not depend on what else was asked.
    """

    def __init__(self, limits: Limits | None, start: float) -> None:
        self._limits, self._start = limits, start
        self._buckets: dict[str, dict[str, _Bucket]] = {}

    def take(self, model: str, input_tokens: int, now: float) -> Exceeded | None:
        """Charge a request and its input, or say which budget it exceeds; then nothing is charged."""
        if self._limits is None:
            self._buckets.pop(model, None)
        buckets, needs = self._of(model, now), {"requests": 1, "input_tokens": input_tokens, "output_tokens": 1}
        for kind, need in needs.items():
            bucket = buckets[kind]
            if self._limits is not None and need > bucket.left + _ROUNDING:
                return Exceeded(kind.replace("_", " "), bucket.size, max(1, math.ceil(bucket.wait(need))))
        for kind in ("requests", "input_tokens"):
            buckets[kind].left -= needs[kind]
        return None

    def spend(self, model: str, output_tokens: int, now: float) -> None:
        """Charge the output of an answer."""
        self._of(model, now)["output_tokens"].left -= output_tokens

    def headers(self, model: str, now: float) -> Headers:
        """The twelve headers, in the recorded order."""
        buckets = self._of(model, now)
        tokens = [buckets[kind] for kind in _KINDS[1:]]
        both = _Bucket(sum(one.size for one in tokens), sum(one.left for one in tokens), now)
        named = {"input-tokens": tokens[0], "output-tokens": tokens[1], "requests": buckets["requests"], "tokens": both}
        return tuple(header for name, bucket in named.items() for header in self._told(name, bucket, now))

    def date(self, now: float) -> datetime:
        """What the clock's time is as a date."""
        return EPOCH + timedelta(seconds=now - self._start)

    def _told(self, name: str, bucket: _Bucket, now: float) -> Iterator[tuple[str, str]]:
        left = max(0, int(bucket.left + _ROUNDING))
        rounded = left if name == "requests" else left // _ROUNDED * _ROUNDED
        reset = self.date(now + bucket.wait(bucket.size))
        yield f"anthropic-ratelimit-{name}-limit", str(bucket.size)
        yield f"anthropic-ratelimit-{name}-remaining", str(rounded)
        yield f"anthropic-ratelimit-{name}-reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _of(self, model: str, now: float) -> Mapping[str, _Bucket]:
        limits = self._limits or RECORDED
        if model not in self._buckets:
            sizes = {kind: getattr(limits, kind) or getattr(RECORDED, kind) for kind in _KINDS}
            self._buckets[model] = {kind: _Bucket(size, float(size), now) for kind, size in sizes.items()}
        return {kind: bucket.at(now) for kind, bucket in self._buckets[model].items()}
