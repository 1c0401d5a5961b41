"""Find the flag values that make a test fail, by running the test under a few more rows.

A row is one value for each flag. A conjunction is a condition on several flags, such as `streaming and not concise`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from flag_harness.analysis.conjunction_search import ConjunctionSearch
from flag_harness.analysis.conjunctions import Conjunction, split_into_bits
from flag_harness.analysis.evidence import RowEvidence
from flag_harness.matrix import FlagSpace, Row
from flag_harness.matrix.covering import find_uncovered_tuples

DEFAULT_RUN_BUDGET = 45
"""The most runs of a test in one search, including runs from before the search."""
DEFAULT_MIN_RUNS = 20
"""The search makes at least this many runs, even if all failures are explained earlier, to rule out further causes."""

RANDOM_ROWS_TO_COVER_TRIPLES = 40
"""The number of random rows that are compared to find one with many triples of values that no passing row has."""
MAX_SUSPECTS = 5
"""The most suspected causes that a result lists."""

RunTestUnderRow = Callable[[Row], bool | None]
"""A function that runs a test under a row. It returns whether the test passed, or None if the row cannot be run."""


@dataclass(frozen=True, slots=True)
class CauseSearchResult:
    """The result of the search for the flag values that make a test fail.

    Attributes:
        conjunctions: the conditions on flags that make the test fail. Each holds only in failing rows, and none of its
            parts can be left out. This is proven if at most two conditions make the test fail.
        max_size_ruled_out: no other condition on up to this many flags makes the test fail; larger ones may.
        suspected_conjunctions: conditions that may explain the failing rows that `conjunctions` do not explain.
        unexplained_reason: why some failing rows are not explained, or an empty string if all are.
        run_count: the number of runs, including runs from before the search.
        flaky_rows: the rows that both passed and failed.
    """

    conjunctions: tuple[Conjunction, ...]
    max_size_ruled_out: int
    suspected_conjunctions: tuple[Conjunction, ...]
    unexplained_reason: str
    run_count: int
    flaky_rows: tuple[Row, ...] = ()

    @property
    def is_decided(self) -> bool:
        """Whether the conjunctions that were found explain all failing rows."""
        return not self.unexplained_reason

    @property
    def open_question(self) -> str:
        """A sentence about what the search has not ruled out, to be shown with the result."""
        return f"whether other sets of {self.max_size_ruled_out + 1} or more flag values make it fail, too"

    def __str__(self) -> str:
        parts = ["fails when " + ", or when ".join(map(str, self.conjunctions))] if self.conjunctions else []
        if self.conjunctions == (Conjunction(()),):
            parts = ["always fails"]
        if self.unexplained_reason:
            suspects = (
                f" (suspects: {', '.join(map(str, self.suspected_conjunctions))})"
                if self.suspected_conjunctions
                else ""
            )
            parts.append(f"undecided: {self.unexplained_reason}{suspects}")
        return "; ".join(parts) or "never fails"


class CauseSearch:
    """Searches for the conjunctions (conditions on flags) that make a test fail, step by step.

    The caller runs the test under the rows from `next_rows()`, passes the outcomes to `add_outcomes`, and repeats both
    until there are no more rows. `runs` are runs from before; they count towards `budget`, the most runs. At least
    `min_runs` are made. The same seed gives the same rows. With `repeat`, passing rows that are part of a proof always
    run twice; otherwise only if some row was flaky or failing rows contradict them.
    """

    def __init__(
        self,
        space: FlagSpace,
        runs: Iterable[tuple[Row, bool]] = (),
        *,
        budget: int = DEFAULT_RUN_BUDGET,
        min_runs: int = DEFAULT_MIN_RUNS,
        repeat: bool = False,
        seed: int = 0,
    ) -> None:
        self._space = space
        self._budget = budget
        self._min_runs = min(min_runs, budget)
        self._evidence = RowEvidence(space, repeat=repeat)
        self._encoding = self._evidence.encoding
        self._random = Random(seed)
        self._named: list[int] = []
        self._given_up: dict[int, list[int]] = {}
        self._search: ConjunctionSearch | None = None
        self._reason = ""
        self.add_outcomes(runs)

    def add_outcomes(self, results: Iterable[tuple[Row, bool | None]]) -> None:
        """Add the outcomes of rows, each as (row, whether the test passed).

        None means that the row could not be run.
        """
        for row, passed in results:
            bits = self._encoding.encode_row(row)
            if passed is None:
                self._evidence.add_unrunnable_row(bits)
                continue
            is_first = self._evidence.is_untried(bits)
            self._evidence.add_run(bits, passed)
            if not is_first:
                self._search = None
            elif self._search is not None:
                self._search.update_weights(bits, passed)

    def next_rows(self) -> tuple[Row, ...]:
        """Return the rows to run next, or an empty tuple if the search is over."""
        self._reason = ""
        bits = self._next_row()
        if bits is None:
            return ()
        if self._evidence.runs >= self._budget:
            self._reason = f"the budget of {self._budget} runs is spent"
            return ()
        if bits in self._evidence.blocked:
            self._reason = "a combination that failed could not be run again"
            return ()
        if len(self._evidence.blocked) >= self._budget:
            self._reason = f"{len(self._evidence.blocked)} rows could not be run"
            return ()
        return (self._encoding.decode_row(bits),)

    def result(self) -> CauseSearchResult:
        """Return the result of the search up to now."""
        suspects = [excluded for found in self._given_up.values() for excluded in found]
        if self._reason and self._search is not None:
            suspects = [*self._search.likeliest_candidates(MAX_SUSPECTS), *suspects]
        named = self._named
        if len(named) > 1 and self._reason and self._evidence.failing_rows_without_cause(named):
            named, suspects = [], [*named, *suspects]
        return CauseSearchResult(
            tuple(self._encoding.make_conjunction(excluded) for excluded in named),
            self._evidence.max_size_ruled_out(named),
            tuple(self._encoding.make_conjunction(excluded) for excluded in suspects[:MAX_SUSPECTS]),
            self._reason,
            self._evidence.runs,
            self._evidence.flaky_rows,
        )

    def _next_row(self) -> int | None:
        """Return the next row to run as a bit mask, or None if no run is needed.

        If the search gives up, the reason is stored.
        """
        if not self._evidence.failing_rows:
            return self._row_with_unseen_triples()
        while unexplained := self._evidence.failing_rows_without_cause(self._named):
            left = [row for row in unexplained if row not in self._given_up]
            if not left:
                self._reason = "no conjunction of up to four literals could be proven for the other failing rows"
                return None
            row = left[0]
            if self._named and self._evidence.count_runs_of_row(row) < 2 and row not in self._evidence.blocked:
                return row
            if len(self._named) == 2:
                self._reason = "more than two conjunctions make it fail"
                return None
            step = self._next_search_row(row)
            if step is not None:
                return step
        return self._row_with_unseen_pairs()

    def _next_search_row(self, failing_row: int) -> int | None:
        """Return the next row to run to find out why the row `failing_row` fails, or None if that search is over."""
        if self._search is None or self._search.row != failing_row:
            self._search = ConjunctionSearch(self._evidence, failing_row, self._named, self._random)
        step = self._search.choose_next_row()
        if step is not None:
            return step
        if self._search.proven_conjunction is not None:
            self._named.append(self._search.proven_conjunction)
        elif self._evidence.count_runs_of_row(failing_row) < 2:
            return failing_row
        else:
            self._given_up[failing_row] = self._search.likeliest_candidates(MAX_SUSPECTS)
        self._search = None
        return None

    def _row_with_unseen_pairs(self) -> int | None:
        """Return a row with pairs of values that no passing row has, to rule them out as causes.

        Return None after `min_runs` runs, or if there is no such row.
        """
        if self._evidence.runs >= self._min_runs:
            return None
        search = ConjunctionSearch(
            self._evidence, self._evidence.failing_rows[0], self._named, self._random, sizes=range(0)
        )
        return search.row_with_untried_pairs(0, self._evidence.passing_rows)[0]

    def _row_with_unseen_triples(self) -> int | None:
        """Return a random row that has many triples of values that no passing row has.

        Return None if there is no such triple, or if every row that was tried has run before.
        """
        rows = [self._encoding.decode_row(bits) for bits in self._evidence.passing_rows]
        gap = next(find_uncovered_tuples(self._space, rows, min(3, len(self._space.flags))), None)
        if gap is None:
            return None
        beside = self._values_seen_with_each_pair()
        drawn = [
            self._space.complete_row(fixed, self._random) for fixed in [gap] * 4 + [{}] * RANDOM_ROWS_TO_COVER_TRIPLES
        ]
        candidates = [self._encoding.encode_row(row) for row in drawn if row is not None]
        candidates = [bits for bits in candidates if self._evidence.is_untried(bits)]
        return max(candidates, key=lambda bits: _count_new_triples(bits, beside), default=None)

    def _values_seen_with_each_pair(self) -> dict[int, int]:
        """Return, for each pair of values (as a mask of two bits), the mask of all values that a passing row has
        together with it.
        """
        beside: dict[int, int] = {}
        for row in self._evidence.passing_rows:
            for pair in _value_pair_ids(row):
                beside[pair] = beside.get(pair, 0) | row
        return beside


def find_failure_causes(
    space: FlagSpace,
    run_test: RunTestUnderRow,
    runs: Iterable[tuple[Row, bool]] = (),
    *,
    budget: int = DEFAULT_RUN_BUDGET,
    min_runs: int = DEFAULT_MIN_RUNS,
    repeat: bool = False,
    seed: int = 0,
) -> CauseSearchResult:
    """Run a test under more rows until the causes of its failures are found or the budget of runs is spent.

    `run_test` runs the test under a row. For the other parameters see `CauseSearch`.
    """
    locator = CauseSearch(space, runs, budget=budget, min_runs=min_runs, repeat=repeat, seed=seed)
    while rows := locator.next_rows():
        locator.add_outcomes([(row, run_test(row)) for row in rows])
    return locator.result()


def _count_new_triples(row: int, beside: dict[int, int]) -> int:
    """Return how many triples of values a row has that no passing row has.

    `beside` has, for each pair of values, the mask of the values that a passing row has together with this pair.
    """
    return sum((row & ~beside.get(pair, 0)).bit_count() for pair in _value_pair_ids(row))


def _value_pair_ids(row: int) -> list[int]:
    """Return each pair of a row's values, as a bit mask with two bits."""
    bits = list(split_into_bits(row))
    return [first | second for number, first in enumerate(bits) for second in bits[number + 1 :]]
