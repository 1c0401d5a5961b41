"""What the runs so far prove about the flag values that make a test fail.

A row is one value for each flag, as a bit mask. A conjunction is a condition on several flags, represented by the bit
mask of the values that it excludes (`excluded`): it holds in a row that has none of these values. A literal is the part
of it that is about one flag. See `conjunctions.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from random import Random

from flag_harness.analysis.conjunctions import FlagEncoding, split_into_bits
from flag_harness.matrix import FlagSpace, Row
from flag_harness.matrix.covering import find_uncovered_tuples

MIN_ROWS_FOR_PROOF = 3
"""The number of passing rows that prove that a literal (a part of a conjunction) is necessary.

In these rows all other literals hold, but not this one.
"""

MAX_CONTRADICTING_ROWS = 6
"""If more rows than this fail although one literal of a conjunction does not hold in them, at least half as many must
pass.
"""


class RowEvidence:
    """The outcomes of all rows (combinations) that have run. A row that both passed and failed is flaky and proves
    nothing.

    With `repeat`, a row whose outcome supports a conclusion has to run a second time.
    """

    def __init__(self, space: FlagSpace, *, repeat: bool = False) -> None:
        self.space = space
        self.repeat = repeat
        self.encoding = FlagEncoding(space)
        self.runs = 0
        self.blocked: set[int] = set()
        self._outcomes: dict[int, int] = {}
        self._run_counts: dict[int, int] = {}

    def add_run(self, bits: int, passed: bool) -> None:
        """Count one run of a row, given as a bit mask, and whether the test passed."""
        self.runs += 1
        self._run_counts[bits] = self._run_counts.get(bits, 0) + 1
        self._outcomes[bits] = self._outcomes.get(bits, 0) | (2 if passed else 1)

    def add_unrunnable_row(self, bits: int) -> None:
        """Remember that a row, given as a bit mask, cannot be run."""
        self.blocked.add(bits)

    @property
    def failing_rows(self) -> list[int]:
        """The rows that failed in all of their runs, as bit masks."""
        return [bits for bits, outcome in self._outcomes.items() if outcome == 1]

    @property
    def passing_rows(self) -> list[int]:
        """The rows that passed in all of their runs, as bit masks."""
        return [bits for bits, outcome in self._outcomes.items() if outcome == 2]

    @property
    def flaky_rows(self) -> tuple[Row, ...]:
        """The rows that both passed and failed."""
        return tuple(self.encoding.decode_row(bits) for bits, outcome in self._outcomes.items() if outcome == 3)

    def failing_rows_without_cause(self, known_conjunctions: Sequence[int]) -> list[int]:
        """Return the failing rows in which none of the conjunctions in `known_conjunctions` holds."""
        return [row for row in self.failing_rows if all(row & excluded for excluded in known_conjunctions)]

    def count_runs_of_row(self, bits: int) -> int:
        """Return how many times a row has run."""
        return self._run_counts.get(bits, 0)

    def is_untried(self, bits: int) -> bool:
        """Return whether a row has not run yet, and is not known to be impossible to run."""
        return bits not in self._outcomes and bits not in self.blocked

    def unproven_values(self, excluded: int, unexplained: Sequence[int]) -> Iterator[int]:
        """Yield each value (as a bit) that a conjunction excludes without proof that it must.

        A value is proven by `MIN_ROWS_FOR_PROOF` passing rows that have it and no other excluded value. Every two rows
        of `unexplained` (failing rows without a known cause) of the same kind require one more passing row.
        """
        for bit in split_into_bits(excluded):
            passing, failing = self.rows_that_break_one_literal(excluded, bit, unexplained)
            needed = MIN_ROWS_FOR_PROOF + len(failing) // 2
            is_proven = len(passing) >= needed and not any(self.must_run_again(row, failing) for row in passing)
            if not is_proven and self._is_any_row_allowed(excluded & ~bit, bit):
                yield bit

    def drop_implied_literals(self, excluded: int) -> int:
        """Return a conjunction without the literals that follow from its other literals and the constraints of the
        flags.

        `excluded` and the result are bit masks of excluded values.
        """
        for mask in self.encoding.flag_masks:
            shorter = excluded & ~mask
            if self.space.clauses and shorter != excluded and not self._is_any_row_allowed(shorter, excluded & mask):
                excluded = shorter
        return excluded

    def _is_any_row_allowed(self, excluded: int, required: int) -> bool:
        """Return whether the constraints allow a row that has the required values and no excluded one."""
        return (
            self.find_row_within_limits(
                self.allowed_values_of_restricted_flags(excluded, required), self.space.default_row
            )
            is not None
        )

    def rows_that_break_one_literal(
        self, excluded: int, bit: int, unexplained: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """Return two lists of the rows in which a conjunction does not hold because of the value `bit` alone.

        The first has passing rows, and the second has rows of `unexplained`. `excluded` is the mask of the values that
        the conjunction excludes.
        """
        passing = [row for row in self.passing_rows if row & excluded == bit]
        return passing, [row for row in unexplained if row & excluded == bit]

    def must_run_again(self, row: int, contradictions: Sequence[int] = ()) -> bool:
        """Return whether a row that has passed once should run again.

        It should if rows in `contradictions` failed although they should have passed, if any row is flaky, or if
        `repeat` is set.
        """
        return self.count_runs_of_row(row) < 2 and (self.repeat or bool(contradictions) or self.has_flaky_rows)

    @property
    def has_flaky_rows(self) -> bool:
        """Return whether any row both passed and failed."""
        return 3 in self._outcomes.values()

    def allowed_values_of_restricted_flags(self, excluded: int, required: int = 0) -> dict[int, int]:
        """Return, for each flag whose values are restricted, the bit mask of the values that it may still have, by flag
        index.

        A row that keeps to them has all values in `required` and none in `excluded`.
        """
        limits = self.encoding.allowed_values_by_flag(excluded)
        for index, (mask, offset) in enumerate(zip(self.encoding.flag_masks, self.encoding.offsets, strict=False)):
            if mask & required:
                limits[index] = (mask & required) >> offset
        return limits

    def find_row_within_limits(
        self, limits: dict[int, int], preferred: Row, avoided: Sequence[int] = (), random: Random | None = None
    ) -> int | None:
        """Return an allowed row that keeps to `limits` and in which no conjunction of `avoided` holds, or None.

        `limits` has bit masks of permitted values by flag index. The row is as similar to `preferred` as possible. With
        `random`, its values are random instead.
        """
        row = self.space.complete_row_within(limits, preferred, random)
        if row is None:
            return None
        bits = self.encoding.encode_row(row)
        broken = next((excluded for excluded in avoided if not bits & excluded), None)
        if broken is None:
            return bits
        for bit in split_into_bits(broken):
            index = self.encoding.flag_index(bit)
            narrowed = limits.get(index, -1) & bit >> self.encoding.offsets[index]
            if narrowed:
                found = self.find_row_within_limits(limits | {index: narrowed}, preferred, avoided, random)
                if found is not None:
                    return found
        return None

    def max_size_ruled_out(self, known_conjunctions: Sequence[int]) -> int:
        """Return the largest size, at most 3, such that no unknown conjunction of up to this many literals can cause
        failures.

        Every choice of that many values passed in some row, is impossible, or contains one of the conjunctions in
        `known_conjunctions`.
        """
        rows = [self.encoding.decode_row(bits) for bits in self.passing_rows]
        for size in range(1, min(3, len(self.space.flags)) + 1):
            for fixed in find_uncovered_tuples(self.space, rows, size):
                bits = sum(1 << self.encoding.offsets[index] + value for index, value in fixed.items())
                if not any(self._is_conjunction_implied_by(bits, excluded) for excluded in known_conjunctions):
                    return size - 1
        return min(3, len(self.space.flags))

    def _is_conjunction_implied_by(self, bits: int, excluded: int) -> bool:
        """Return whether a conjunction (mask of excluded values) holds in every row that has the values in `bits`."""
        return not bits & excluded and all(bits & mask for mask in self.encoding.flag_masks if mask & excluded)


def find_uncovered_pairs(encoding: FlagEncoding, rows: Iterable[int], excluded: int) -> dict[int, int]:
    """Return the pairs of values that occur together in none of the rows. Values in `excluded` are left out.

    The result maps each value to the bit mask of the values that it never occurs with.
    """
    allowed = encoding.all_bits & ~excluded
    beside: dict[int, int] = dict.fromkeys(split_into_bits(allowed), 0)
    for row in rows:
        for bit in split_into_bits(row):
            beside[bit] |= row
    gaps = {}
    for mask in encoding.flag_masks:
        for bit in split_into_bits(mask & allowed):
            if gap := allowed & ~beside[bit] & ~mask:
                gaps[bit] = gap
    return gaps


def candidate_conjunctions(
    encoding: FlagEncoding, row: int, passing: Iterable[int], sizes: range
) -> Iterator[tuple[int, int]]:
    """Yield `(excluded, size)` for each conjunction that holds in `row` and in no passing row.

    `excluded` is the mask of the values that the conjunction excludes, and `size` its number of literals, which is in
    `sizes`.
    """
    rows = list(passing)
    everything = (1 << len(rows)) - 1
    literals = [
        (index, excluded, sum(1 << number for number, other in enumerate(rows) if other & excluded))
        for index, excluded in encoding.literals_in_row(row)
    ]
    for size in sizes:
        for chosen in combinations(literals, size):
            refuted = excluded = 0
            for _, bits, rows_refuted in chosen:
                refuted |= rows_refuted
                excluded |= bits
            if refuted == everything and len({index for index, _, _ in chosen}) == size:
                yield excluded, size
