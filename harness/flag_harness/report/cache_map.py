"""What the prompt cache did in a run: prefixes that broke, cache marks that cost more than they save, and a map per
test.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flag_harness.record import CacheBreak, CacheTurn, CacheUse, RunRow
from flag_harness.wording import count_with_noun

MAX_LISTED_FINDINGS = 5
"""The most broken prefixes, and the most tests whose marks cost more than they save, that the terminal lists."""
RUNS_PER_PRICE_FIGURE = 1_000
"""Prices are given for this many runs, because the price of one run is tiny."""
UNKNOWN_PRICE = "at an unknown price"


@dataclass(frozen=True, slots=True)
class BrokenCacheBlock:
    """A block at which cached prefixes broke, in one test or several.

    Attributes:
        block: the path of the changed block, such as `system[0]`.
        byte_index: the index of the first changed byte in the block's JSON.
        rows_and_breaks: pairs of a row and its broken prefix, those of the most expensive test first.
        is_simulated: whether the tokens are estimates of the simulator.
    """

    block: str
    byte_index: int
    rows_and_breaks: tuple[tuple[RunRow, CacheBreak], ...]
    is_simulated: bool

    @property
    def node_ids(self) -> tuple[str, ...]:
        """The node ids of the tests in which this block broke a prefix, each once."""
        return tuple(dict.fromkeys(row.case for row, _ in self.rows_and_breaks))

    @property
    def text_change(self) -> str:
        """How the text changed, such as `'at 12:03' became 'at 12:04'`; empty if the record keeps no content."""
        worst = self.rows_and_breaks[0][1]
        return f"{worst.old_text!r} became {worst.new_text!r}" if worst.old_text or worst.new_text else ""

    @property
    def missed_token_count(self) -> int:
        """The number of cached tokens that could not be read in the most expensive test."""
        return self.rows_and_breaks[0][1].tokens_not_read

    @property
    def cost_text(self) -> str:
        """The extra cost per 1,000 runs that this block causes in the most expensive test, as text."""
        return (
            UNKNOWN_PRICE if self.cost is None else f"{_price_text(self.cost)} more per {RUNS_PER_PRICE_FIGURE:,} runs"
        )

    @property
    def cost(self) -> float | None:
        """The extra cost in US dollars that this block causes in one run of the most expensive test, or None if it is
        unknown.
        """
        row = self.rows_and_breaks[0][0]
        costs = [one.cost for other, one in self.rows_and_breaks if other is row]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


@dataclass(frozen=True, slots=True)
class CacheUseOfTest:
    """A run of a test whose requests have cache marks, and what the prompt cache did in it."""

    row: RunRow
    cache_use: CacheUse

    @property
    def cost_text(self) -> str:
        """The US dollars that the cache marks save or cost, as text."""
        if self.cache_use.dollars_saved is None:
            return UNKNOWN_PRICE
        change = "saved" if self.cache_use.dollars_saved >= 0 else "more than without marks"
        return f"{_price_text(abs(self.cache_use.dollars_saved))} per {RUNS_PER_PRICE_FIGURE:,} runs {change}"


@dataclass(frozen=True, slots=True)
class UnusedCacheMarks:
    """Runs whose cache marks save nothing, because nothing was read from the cache or written to it, all for one
    reason.
    """

    reason: str
    rows: tuple[RunRow, ...]

    @property
    def sentence(self) -> str:
        """A sentence with the number of runs and the reason."""
        longest = max(turn.tokens_not_cached for row in self.rows if row.cache_use for turn in row.cache_use.turns)
        reason = self.reason or "nothing was written or read"
        runs = count_with_noun(len(self.rows), "run")
        return f"cache marks save nothing in {runs}: {reason}; the longest prompt has {longest:,}"


def group_unused_cache_marks(rows: Iterable[RunRow]) -> tuple[UnusedCacheMarks, ...]:
    """Group the runs that have cache marks, but neither read nor wrote the cache, by the reason.

    The group with the most runs comes first.
    """
    groups: dict[str, list[RunRow]] = {}
    for row in rows:
        if has_unused_cache_marks(row.cache_use):
            reasons = (turn.explanation for turn in row.cache_use.turns if turn.explanation) if row.cache_use else ()
            groups.setdefault(next(iter(reasons), ""), []).append(row)
    found = [UnusedCacheMarks(reason, tuple(own)) for reason, own in groups.items()]
    return tuple(sorted(found, key=lambda one: -len(one.rows)))


def has_unused_cache_marks(cache_use: CacheUse | None) -> bool:
    """Return whether the requests of a test have cache marks, and none of them read from the cache or wrote to it."""
    return cache_use is not None and bool(cache_use.turns) and not (cache_use.tokens_read or cache_use.tokens_written)


def group_broken_prefixes(rows: Iterable[RunRow]) -> tuple[BrokenCacheBlock, ...]:
    """Group the broken prefixes of a run by the block that changed. The most expensive block comes first."""
    places: dict[tuple[str, int], list[tuple[RunRow, CacheBreak]]] = {}
    for row in rows:
        for broken in row.cache_use.breaks if row.cache_use else ():
            places.setdefault((broken.block_path, broken.byte_index), []).append((row, broken))
    found = []
    for (block, byte), breaks in places.items():
        costs: dict[str, float] = {}
        for row, broken in breaks:
            costs[row.case] = costs.get(row.case, 0.0) + (broken.cost or 0.0)
        breaks.sort(key=lambda one: (-costs[one[0].case], -(one[1].cost or 0.0), -one[1].tokens_not_read))
        found.append(BrokenCacheBlock(block, byte, tuple(breaks), any(row.is_simulated for row, _ in breaks)))
    return tuple(sorted(found, key=lambda place: (-(place.cost or 0.0), -place.missed_token_count)))


def cache_use_by_test(rows: Iterable[RunRow]) -> tuple[CacheUseOfTest, ...]:
    """Return the use of the prompt cache by each run of a test that has cache marks.

    Runs with broken prefixes come first, then those whose marks cost more than they save, then all others.
    """
    found = [CacheUseOfTest(row, row.cache_use) for row in rows if row.cache_use is not None]
    return tuple(sorted(found, key=lambda one: (not one.cache_use.breaks, not one.cache_use.costs_more)))


def cache_lines(rows: Sequence[RunRow]) -> Iterator[str]:
    """Yield lines about the broken prefixes of a run, and about tests whose cache marks cost more than they save."""
    places = group_broken_prefixes(rows)
    for place in places[:MAX_LISTED_FINDINGS]:
        more = len(place.node_ids) - 1
        others = f" and {more} other test{'s' if more > 1 else ''}" if more else ""
        change = f": {place.text_change}" if place.text_change else ""
        yield (
            f"cache: {place.node_ids[0]}{others}: the cached prefix breaks at {place.block}, byte "
            f"{place.byte_index}{change}; {place.missed_token_count:,} tokens"
            f"{' (simulated)' if place.is_simulated else ''} are not read, {place.cost_text}"
        )
    if len(places) > MAX_LISTED_FINDINGS:
        more = len(places) - MAX_LISTED_FINDINGS
        yield f"cache: and {more} other blocks that break a prefix; --harness-report=FILE shows all"
    wasteful = [one for one in cache_use_by_test(rows) if one.cache_use.costs_more and not one.cache_use.breaks]
    for one in wasteful[:MAX_LISTED_FINDINGS]:
        yield (
            f"cache: {one.row.case}: its cache marks cost more than they save: {_extra_cost_text(one.cache_use)}, "
            f"{one.cost_text}"
        )
    if len(wasteful) > MAX_LISTED_FINDINGS:
        yield f"cache: and {len(wasteful) - MAX_LISTED_FINDINGS} other tests that would cost less without cache marks"


def cache_use_to_json(rows: Iterable[RunRow]) -> dict[str, Any]:
    """Return the broken prefixes by block, and the tests that would cost less without cache marks, as plain values for
    JSON.
    """
    rows = list(rows)
    return {
        "breaks": [
            {
                "block": place.block,
                "byte": place.byte_index,
                "before": place.rows_and_breaks[0][1].old_text,
                "after": place.rows_and_breaks[0][1].new_text,
                "tokens": place.missed_token_count,
                "cost": place.rows_and_breaks[0][1].cost,
                "cases": list(place.node_ids),
            }
            for place in group_broken_prefixes(rows)
        ],
        "costs_more": [
            {"case": test.row.case, "saved": test.cache_use.dollars_saved}
            for test in cache_use_by_test(rows)
            if test.cache_use.costs_more
        ],
    }


def describe_cache_reads_and_writes(turn: CacheTurn) -> str:
    """Return the last blocks that a request read from and wrote to the cache, such as `read to system[0]`.

    The text is empty if the request did neither.
    """
    parts = [f"read to {turn.last_block_read}"] if turn.last_block_read else []
    return ", ".join([*parts, *([f"written to {turn.last_block_written}"] if turn.last_block_written else [])])


def input_token_shares(turn: CacheTurn) -> dict[str, float]:
    """Return how a request's input tokens divide into read, written, missed and uncached ones, in percent.

    Missed tokens could have been read from the cache. They are not counted among the written and uncached ones.
    """
    total = turn.tokens_read + turn.tokens_written + turn.tokens_not_cached or 1
    missed_written = min(turn.tokens_missed, turn.tokens_written)
    missed_uncached = min(turn.tokens_missed - missed_written, turn.tokens_not_cached)
    parts = {
        "read": turn.tokens_read,
        "written": turn.tokens_written - missed_written,
        "missed": missed_written + missed_uncached,
        "uncached": turn.tokens_not_cached - missed_uncached,
    }
    return {name: 100 * tokens / total for name, tokens in parts.items()}


def _extra_cost_text(use: CacheUse) -> str:
    read = f"{use.tokens_read:,} read" if use.tokens_read else "none of them read"
    return f"{use.tokens_written:,} tokens written, {read}"


def _price_text(cost: float) -> str:
    return f"${cost * RUNS_PER_PRICE_FIGURE:,.2f}"
