"""The simulated prompt cache, which decides how many input tokens of a request are read from it or written to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flag_harness.simulator.count.prefix import CacheLifetime, PromptSegment

SECONDS_BY_CACHE_LIFETIME: Mapping[CacheLifetime, float] = {"5m": 300.0, "1h": 3600.0}
"""The seconds until a cached prefix expires, by the lifetime in its cache mark. Each read restarts them."""
MAX_LOOKBACK_BLOCKS = 20
"""How many blocks, from a cache mark backwards and including the marked one, are looked up in the cache (documented:
prompt caching).
"""


@dataclass(frozen=True, slots=True)
class InputUsage:
    """The input tokens of one request: uncached, read from the cache, and written to it for 5 minutes or 1 hour."""

    uncached_tokens: int
    cache_read_tokens: int = 0
    tokens_written_for_5m: int = 0
    tokens_written_for_1h: int = 0

    @property
    def tokens_written(self) -> int:
        """The number of tokens written to the cache, for 5 minutes and for 1 hour together."""
        return self.tokens_written_for_5m + self.tokens_written_for_1h


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    expires_at: float
    lifetime: CacheLifetime


class PromptCache:
    """The cached prefixes by hash, with their expiry times. It is not thread-safe; its owner holds a lock."""

    def __init__(self) -> None:
        self._entries: dict[str, _CacheEntry] = {}
        self._last_cleanup = 0.0

    def __len__(self) -> int:
        """Return the number of cached prefixes. Some may have expired since the last cleanup."""
        return len(self._entries)

    def read_and_write(self, segments: Sequence[PromptSegment], min_tokens: int, now: float) -> InputUsage:
        """Use the cache for a request, and return how many tokens were read and written.

        The longest cached prefix is read. Every prefix that ends at a cache mark is written, unless it has fewer than
        `min_tokens` tokens (the model's smallest cacheable prefix). `now` is in seconds.
        """
        self._remove_expired(now)
        total = segments[-1].prefix_tokens if segments else 0
        marks = _cacheable_mark_indices(segments, min_tokens)
        if not marks:
            return InputUsage(total)
        hit = self._end_of_longest_cached_prefix(segments, marks, now)
        read = 0 if hit is None else segments[hit].prefix_tokens
        if hit is not None:
            self._store_prefix(segments[hit].prefix_hash, self._entries[segments[hit].prefix_hash].lifetime, now)
        written = {"5m": 0, "1h": 0}
        done = read
        for index in marks:
            lifetime: CacheLifetime = segments[index].cache_mark or "5m"
            if hit is None or index > hit:
                written[lifetime] += segments[index].prefix_tokens - done
                done = segments[index].prefix_tokens
            self._store_prefix(segments[index].prefix_hash, lifetime, now)
        return InputUsage(total - done, read, written["5m"], written["1h"])

    def count_readable_tokens(self, segments: Sequence[PromptSegment], min_tokens: int, now: float) -> int:
        """Return how many tokens `read_and_write` would read from the cache for the request. The cache is not
        changed.
        """
        hit = self._end_of_longest_cached_prefix(segments, _cacheable_mark_indices(segments, min_tokens), now)
        return 0 if hit is None else segments[hit].prefix_tokens

    def _end_of_longest_cached_prefix(
        self, segments: Sequence[PromptSegment], mark_indices: Sequence[int], now: float
    ) -> int | None:
        """Return the index of the last segment of the longest cached prefix, or None if no prefix is cached.

        The search goes backwards from the segment of each cache mark (`mark_indices`), starting with the last mark.
        """
        for mark in reversed(mark_indices):
            for index in _lookback_indices(segments, mark):
                entry = self._entries.get(segments[index].prefix_hash)
                if entry is not None and entry.expires_at > now:
                    return index
        return None

    def _remove_expired(self, now: float) -> None:
        """Remove expired prefixes, but only if the last removal was long enough ago, to keep requests fast."""
        if now - self._last_cleanup >= min(SECONDS_BY_CACHE_LIFETIME.values()):
            self._entries = {key: entry for key, entry in self._entries.items() if entry.expires_at > now}
            self._last_cleanup = now

    def _store_prefix(self, prefix_hash: str, lifetime: CacheLifetime, now: float) -> None:
        """Store a prefix, or renew its expiry time. A prefix that was stored with a longer lifetime keeps that
        lifetime.
        """
        known = self._entries.get(prefix_hash)
        if (
            known is not None
            and known.expires_at > now
            and SECONDS_BY_CACHE_LIFETIME[known.lifetime] > SECONDS_BY_CACHE_LIFETIME[lifetime]
        ):
            lifetime = known.lifetime
        self._entries[prefix_hash] = _CacheEntry(now + SECONDS_BY_CACHE_LIFETIME[lifetime], lifetime)


def _lookback_indices(segments: Sequence[PromptSegment], mark_index: int) -> Iterator[int]:
    """Yield the indices of the blocks that are looked up in the cache for a cache mark, from the marked block
    backwards.

    Segments nested in a tool_result do not count towards `MAX_LOOKBACK_BLOCKS`.
    """
    left = MAX_LOOKBACK_BLOCKS
    for index in range(mark_index, -1, -1):
        left -= not segments[index].is_nested
        if left < 0:
            return
        yield index


def _cacheable_mark_indices(segments: Sequence[PromptSegment], min_tokens: int) -> list[int]:
    """Return the indices of the marked segments whose prefix is long enough to be cached."""
    return [
        index for index, segment in enumerate(segments) if segment.cache_mark and segment.prefix_tokens >= min_tokens
    ]
