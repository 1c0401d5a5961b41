"""Which interaction makes a test fail, found by running further rows, few of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from flag_harness.analysis.conjunction_search import ConjunctionSearch
from flag_harness.analysis.conjunctions import Conjunction, single_bits
from flag_harness.analysis.evidence import Evidence
from flag_harness.matrix.covering import uncovered_tuples
from flag_harness.matrix.space import FlagSpace, Row

BUDGET = 45
THOROUGH_UNTIL = 20
"""Runs up to which rows are added to rule out other pairs, after all that failed is explained."""

DRAWS = 40
MOST_SUSPECTS = 5

Oracle = Callable[[Row], bool | None]
"""Runs a row and returns whether the test passed, or None if the row cannot be run."""


@dataclass(frozen=True, slots=True)
class Location:
    """What further rows showed.

    `named` are exact: each holds in failing rows only, and none of its literals can be left out; proven if at most two
    conjunctions make the test fail. No other conjunction of up to `excluded_size` literals does; larger ones may.
    `reason` says why failing rows are left unexplained, and is empty if none are. `suspects` could explain them.
    """

    named: tuple[Conjunction, ...]
    excluded_size: int
    suspects: tuple[Conjunction, ...]
    reason: str
    runs: int
    flaky: tuple[Row, ...] = ()

    @property
    def is_decided(self) -> bool:
        """Return whether the named conjunctions explain every failing row."""
        return not self.reason

    @property
    def caveat(self) -> str:
        """What was not looked at, to be shown with the result."""
        return f"other conjunctions of {self.excluded_size + 1} or more literals are not ruled out"

    def __str__(self) -> str:
        parts = ["fails when " + ", or when ".join(map(str, self.named))] if self.named else []
        if self.named == (Conjunction(()),):
            parts = ["always fails"]
        if self.reason:
            suspects = f" (suspects: {', '.join(map(str, self.suspects))})" if self.suspects else ""
            parts.append(f"undecided: {self.reason}{suspects}")
        return "; ".join(parts) or "never fails"


class Locator:
    """Finds the conjunctions that make a test fail, step by step: run `next_rows()`, `add` what came out, repeat.

    `runs` are the rows already run; they count towards the `budget`. Equal seeds ask for equal rows. With `repeat`,
    the passing rows of a proof run twice even if no row was seen to be flaky.
    """

    def __init__(
        self,
        space: FlagSpace,
        runs: Iterable[tuple[Row, bool]] = (),
        *,
        budget: int = BUDGET,
        thorough_until: int = THOROUGH_UNTIL,
        repeat: bool = False,
        seed: int = 0,
    ) -> None:
        self._space = space
        self._budget = budget
        self._thorough_until = min(thorough_until, budget)
        self._evidence = Evidence(space, repeat=repeat)
        self._encoding = self._evidence.encoding
        self._random = Random(seed)
        self._named: list[int] = []
        self._given_up: dict[int, list[int]] = {}
        self._search: ConjunctionSearch | None = None
        self._reason = ""
        self.add(runs)

    def add(self, results: Iterable[tuple[Row, bool | None]]) -> None:
        """Update the search with the outcomes of rows: whether the test passed, or None if the row could not be run."""
        for row, passed in results:
            bits = self._encoding.encode(row)
            if passed is None:
                self._evidence.mark_blocked(bits)
                continue
            is_first = self._evidence.is_untried(bits)
            self._evidence.add(bits, passed)
            if not is_first:
                self._search = None
            elif self._search is not None:
                self._search.update(bits, passed)

    def next_rows(self) -> tuple[Row, ...]:
        """Return the rows to run next; empty if the search is over."""
        self._reason = ""
        bits = self._next_row()
        if bits is None:
            return ()
        if self._evidence.runs >= self._budget:
            self._reason = f"the budget of {self._budget} runs is spent"
            return ()
        if len(self._evidence.blocked) >= self._budget:
            self._reason = f"{len(self._evidence.blocked)} rows could not be run"
            return ()
        return (self._encoding.decode(bits),)

    def result(self) -> Location:
        """Return what is known now."""
        suspects = [excluded for found in self._given_up.values() for excluded in found]
        if self._reason and self._search is not None:
            suspects = [*self._search.likeliest(MOST_SUSPECTS), *suspects]
        named = self._named
        if len(named) > 1 and self._reason and self._evidence.unexplained_failures(named):
            named, suspects = [], [*named, *suspects]
        return Location(
            tuple(self._encoding.conjunction(excluded) for excluded in named),
            self._evidence.excluded_size(named),
            tuple(self._encoding.conjunction(excluded) for excluded in suspects[:MOST_SUSPECTS]),
            self._reason,
            self._evidence.runs,
            self._evidence.flaky,
        )

    def _next_row(self) -> int | None:
        if not self._evidence.failing:
            return self._row_for_triples()
        while unexplained := self._evidence.unexplained_failures(self._named):
            left = [row for row in unexplained if row not in self._given_up]
            if not left:
                self._reason = "no conjunction of up to four literals could be proven for the other failing rows"
                return None
            row = left[0]
            if self._named and self._evidence.run_count(row) < 2:
                return row
            if len(self._named) == 2:
                self._reason = "more than two conjunctions make it fail"
                return None
            step = self._next_search_row(row)
            if step is not None:
                return step
        return self._row_for_pairs()

    def _next_search_row(self, row: int) -> int | None:
        """Return the next row of the search for what makes `row` fail, or None if that search is over."""
        if self._search is None or self._search.row != row:
            self._search = ConjunctionSearch(self._evidence, row, self._named, self._random)
        step = self._search.next_row()
        if step is not None:
            return step
        if self._search.proven is not None:
            self._named.append(self._search.proven)
        elif self._evidence.run_count(row) < 2:
            return row
        else:
            self._given_up[row] = self._search.likeliest(MOST_SUSPECTS)
        self._search = None
        return None

    def _row_for_pairs(self) -> int | None:
        """Return a row that rules out further pairs, while the runs are few."""
        if self._evidence.runs >= self._thorough_until:
            return None
        search = ConjunctionSearch(self._evidence, self._evidence.failing[0], self._named, self._random, sizes=range(0))
        return search.pair_row(0, self._evidence.passing)[0]

    def _row_for_triples(self) -> int | None:
        """Return the row, of some drawn ones, with most triples of values that no row has; None if none is left."""
        rows = [self._encoding.decode(bits) for bits in self._evidence.passing]
        gap = next(uncovered_tuples(self._space, rows, min(3, len(self._space.flags))), None)
        if gap is None:
            return None
        beside = self._pairs_with_others()
        drawn = [self._space.completion(fixed, self._random) for fixed in [gap] * 4 + [{}] * DRAWS]
        candidates = [self._encoding.encode(row) for row in drawn if row is not None]
        candidates = [bits for bits in candidates if self._evidence.is_untried(bits)]
        return max(candidates, key=lambda bits: _new_triples(bits, beside), default=None)

    def _pairs_with_others(self) -> dict[int, int]:
        """The values that stand in a passing row together with a pair of values."""
        beside: dict[int, int] = {}
        for row in self._evidence.passing:
            for pair in _value_pairs(row):
                beside[pair] = beside.get(pair, 0) | row
        return beside


def locate(
    space: FlagSpace,
    oracle: Oracle,
    runs: Iterable[tuple[Row, bool]] = (),
    *,
    budget: int = BUDGET,
    thorough_until: int = THOROUGH_UNTIL,
    repeat: bool = False,
    seed: int = 0,
) -> Location:
    """Run rows until the conjunctions that make a test fail are named, or the budget is spent."""
    locator = Locator(space, runs, budget=budget, thorough_until=thorough_until, repeat=repeat, seed=seed)
    while rows := locator.next_rows():
        locator.add([(row, oracle(row)) for row in rows])
    return locator.result()


def _new_triples(row: int, beside: dict[int, int]) -> int:
    return sum((row & ~beside.get(pair, 0)).bit_count() for pair in _value_pairs(row))


def _value_pairs(row: int) -> list[int]:
    bits = list(single_bits(row))
    return [first | second for number, first in enumerate(bits) for second in bits[number + 1 :]]
