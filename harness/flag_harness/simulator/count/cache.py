"""The prompt cache: which prefix of a request was read before, and what of it is written now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flag_harness.simulator.count.prefix import Lifetime, Segment

LIFETIMES: Mapping[Lifetime, float] = {"5m": 300.0, "1h": 3600.0}
"""Seconds; each read begins them anew."""
LOOK_BACK = 20
"""Blocks before a breakpoint, itself included, that are looked up (documented: prompt caching)."""


@dataclass(frozen=True, slots=True)
class Accounting:
    """Tokens of one request: uncached, read from the cache, and written to it by lifetime."""

    uncached: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def written(self) -> int:
        """Tokens written, whatever their lifetime."""
        return self.written_5m + self.written_1h


@dataclass(frozen=True, slots=True)
class _Entry:
    expires: float
    lifetime: Lifetime


class PromptCache:
    """Prefixes that were written, by their hash. It holds no lock: its owner does."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._swept = 0.0

    def __len__(self) -> int:
        """How many prefixes are kept, those that ended since the last look among them."""
        return len(self._entries)

    def account(self, segments: Sequence[Segment], smallest: int, now: float) -> Accounting:
        """Read the longest known prefix, write the marked ones that are long enough, and count the tokens of each.

        `smallest` is the model's smallest cacheable prefix in tokens, `now` is in seconds.
        """
        self._sweep(now)
        total = segments[-1].tokens if segments else 0
        marks = _long_enough(segments, smallest)
        if not marks:
            return Accounting(total)
        hit = self._longest(segments, marks, now)
        read = 0 if hit is None else segments[hit].tokens
        if hit is not None:
            self._keep(segments[hit].hash, self._entries[segments[hit].hash].lifetime, now)
        written = {"5m": 0, "1h": 0}
        done = read
        for index in marks:
            lifetime: Lifetime = segments[index].mark or "5m"
            if hit is None or index > hit:
                written[lifetime] += segments[index].tokens - done
                done = segments[index].tokens
            self._keep(segments[index].hash, lifetime, now)
        return Accounting(total - done, read, written["5m"], written["1h"])

    def readable(self, segments: Sequence[Segment], smallest: int, now: float) -> int:
        """The tokens that `account` would read from the cache; nothing is read or written."""
        hit = self._longest(segments, _long_enough(segments, smallest), now)
        return 0 if hit is None else segments[hit].tokens

    def _longest(self, segments: Sequence[Segment], marks: Sequence[int], now: float) -> int | None:
        """The longest prefix that is known, looking back from each mark, the last one first."""
        for mark in reversed(marks):
            for index in _looked_up(segments, mark):
                entry = self._entries.get(segments[index].hash)
                if entry is not None and entry.expires > now:
                    return index
        return None

    def _sweep(self, now: float) -> None:
        """Forget what has ended; once in the shortest lifetime, so that nothing is gone through at every request."""
        if now - self._swept >= min(LIFETIMES.values()):
            self._entries = {key: entry for key, entry in self._entries.items() if entry.expires > now}
            self._swept = now

    def _keep(self, key: str, lifetime: Lifetime, now: float) -> None:
        """Write a prefix, or begin its life anew; the longer lifetime stays."""
        known = self._entries.get(key)
        if known is not None and known.expires > now and LIFETIMES[known.lifetime] > LIFETIMES[lifetime]:
            lifetime = known.lifetime
        self._entries[key] = _Entry(now + LIFETIMES[lifetime], lifetime)


def _looked_up(segments: Sequence[Segment], mark: int) -> Iterator[int]:
    """The positions that are looked up for a mark, from itself backwards; what stands in a block counts with it."""
    left = LOOK_BACK
    for index in range(mark, -1, -1):
        left -= not segments[index].nested
        if left < 0:
            return
        yield index


def _long_enough(segments: Sequence[Segment], smallest: int) -> list[int]:
    """The positions of the marks whose prefix is long enough to be cached."""
    return [index for index, segment in enumerate(segments) if segment.mark and segment.tokens >= smallest]
