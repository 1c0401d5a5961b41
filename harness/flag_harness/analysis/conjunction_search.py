"""Find the conjunction (condition on the values of some flags) that makes one row (combination of all flags) fail.

Candidates are the conjunctions that hold in this row and in no passing row. Each has a weight: how likely it is the
cause.
"""

from collections.abc import Iterator, Sequence
from math import comb
from random import Random

from flag_harness.analysis.conjunctions import split_into_bits
from flag_harness.analysis.evidence import (
    MAX_CONTRADICTING_ROWS,
    RowEvidence,
    candidate_conjunctions,
    find_uncovered_pairs,
)

FIRST_CANDIDATE_SIZES = range(4)
"""The numbers of literals (conditions on one flag) of the candidates that are tried first."""
MAX_CANDIDATE_SIZE = 4
MAX_CANDIDATES_OF_MAX_SIZE = 300_000
"""The most candidates of four literals (conditions on one flag).

If no smaller candidate fits, those of four literals are tried, unless there are more than this.
"""

MIN_WEIGHT_SHARE_TO_PROVE = 0.5
"""If the likeliest candidate has this share of all weight, the search tries to prove it.

Otherwise it runs a row that divides the candidates into two halves of about the same weight.
"""

OTHER_CAUSE_PROBABILITY = 0.1
"""The assumed probability that a failing row fails for another reason than a given candidate."""

RANDOM_ROWS_TO_SPLIT_CANDIDATES = 16
RANDOM_ROWS_TO_COVER_PAIRS = 6
"""The numbers of random rows that are compared to choose the next row: to split the candidates, or to cover pairs of
values.
"""


class ConjunctionSearch:
    """Finds the conjunction (condition on flag values) that makes one row (combination) fail.

    A conjunction is represented by the bit mask of the values that it excludes: it holds in a row that has none of
    these values. `known_conjunctions` are already known to make other rows fail; the search runs no row in which one of
    them holds.

    `proven_conjunction` is the cause, or None until it is proven. `unproven_candidates` lists likely causes that no
    further row could prove.
    """

    def __init__(
        self,
        evidence: RowEvidence,
        row: int,
        known_conjunctions: Sequence[int],
        random: Random,
        sizes: range = FIRST_CANDIDATE_SIZES,
    ) -> None:
        self.row = row
        self.proven_conjunction: int | None = None
        self.unproven_candidates: list[int] = []
        self._evidence = evidence
        self._encoding = evidence.encoding
        self._known_conjunctions = tuple(known_conjunctions)
        self._random = random
        self._candidate_weights: dict[int, float] = {}
        self._has_larger_candidates = False
        self._weigh_candidates(sizes)

    def update_weights(self, row: int, passed: bool) -> None:
        """Make each candidate more or less likely, given the outcome of a row that has just run for the first time."""
        if passed:
            self._candidate_weights = {
                excluded: weight for excluded, weight in self._candidate_weights.items() if row & excluded
            }
        else:
            for excluded in self._candidate_weights:
                if row & excluded:
                    self._candidate_weights[excluded] *= OTHER_CAUSE_PROBABILITY

    def likeliest_candidates(self, count: int) -> list[int]:
        """Return at most `count` conjunctions that may be the cause, likeliest first, as bit masks of
        excluded values.
        """
        order = sorted(self._candidate_weights, key=lambda excluded: -self._candidate_weights[excluded])
        return [*self.unproven_candidates, *order][:count]

    def choose_next_row(self) -> int | None:
        """Return the row to run next, or None if the search is over.

        The search is over if a conjunction is proven, or if no candidates are left.
        """
        while self._candidate_weights or self._add_larger_candidates():
            best = max(self._candidate_weights, key=lambda excluded: self._candidate_weights[excluded])
            if self._candidate_weights[best] < MIN_WEIGHT_SHARE_TO_PROVE * sum(self._candidate_weights.values()) and (
                row := self._row_that_splits_candidates()
            ):
                return row
            row, can_prove = self._row_to_prove_candidate(best)
            if row is not None:
                return row
            if can_prove:
                self.proven_conjunction = self._evidence.drop_implied_literals(best)
                return None
            self.unproven_candidates.append(best)
            del self._candidate_weights[best]
        return None

    def _weigh_candidates(self, sizes: range) -> None:
        """Store the weight of each candidate whose number of literals is in `sizes`: how likely it makes
        the row fail.
        """
        flags = len(self._encoding.flag_masks)
        failing = self._evidence.failing_rows_without_cause(self._known_conjunctions)
        for excluded, size in candidate_conjunctions(self._encoding, self.row, self._evidence.passing_rows, sizes):
            others = sum(1 for row in failing if row & excluded)
            self._candidate_weights[excluded] = OTHER_CAUSE_PROBABILITY**others / comb(flags, size)

    def _add_larger_candidates(self) -> bool:
        """Add the candidates of the largest size, unless this was done before or they are too many.

        Return whether there is any candidate now.
        """
        literals = sum(1 for _ in self._encoding.literals_in_row(self.row))
        if (
            not self._has_larger_candidates
            and not self.unproven_candidates
            and comb(literals, MAX_CANDIDATE_SIZE) <= MAX_CANDIDATES_OF_MAX_SIZE
        ):
            self._weigh_candidates(range(MAX_CANDIDATE_SIZE, MAX_CANDIDATE_SIZE + 1))
        self._has_larger_candidates = True
        return bool(self._candidate_weights)

    def _row_to_prove_candidate(self, excluded: int) -> tuple[int | None, bool]:
        """Return `(row, is_proven)`: a row to run next to prove or refute a conjunction, or None; and whether it is
        proven already.

        A proof needs failing rows in which the conjunction holds and which together have all pairs of other values;
        otherwise two other conjunctions could explain them. For each literal it also needs passing rows in which only
        this literal does not hold. `excluded` is the bit mask of the values that the conjunction excludes.
        """
        rows = [
            row for row in self._evidence.failing_rows_without_cause(self._known_conjunctions) if not row & excluded
        ]
        row, is_complete = self.row_with_untried_pairs(excluded, rows)
        if row is not None or not is_complete:
            return row, False
        for bit in self._evidence.unproven_values(
            excluded, self._evidence.failing_rows_without_cause(self._known_conjunctions)
        ):
            row, is_enough = self._row_that_breaks_one_literal(excluded, bit)
            if row is not None or not is_enough:
                return row, False
        return None, True

    def row_with_untried_pairs(self, excluded: int, rows: Sequence[int]) -> tuple[int | None, bool]:
        """Return `(row, is_complete)`: a row to run next, or None; and whether `rows` have all pairs of values that are
        possible.

        The row has not run yet, has no value in the bit mask `excluded`, and no known conjunction holds in it. A few
        random rows are tried, and the one with the most pairs of values that none of `rows` has is returned.
        """
        gaps = find_uncovered_pairs(self._encoding, rows, excluded)
        best, best_gain = None, 0
        for _ in range(RANDOM_ROWS_TO_COVER_PAIRS if gaps else 0):
            row = self._nearest_row(self._row_with_many_missing_pairs(gaps, excluded), excluded)
            if row is not None and self._evidence.is_untried(row):
                gain = sum((gap & row).bit_count() for bit, gap in gaps.items() if bit & row)
                best, best_gain = (row, gain) if gain > best_gain else (best, best_gain)
        if best is not None:
            return best, False
        is_complete = True
        for pair in _missing_pairs_of_values(gaps):
            for row in self._random_rows(excluded, pair):
                if self._evidence.is_untried(row):
                    return row, False
                is_complete = False
        return None, is_complete

    def _row_that_breaks_one_literal(self, excluded: int, bit: int) -> tuple[int | None, bool]:
        """Return `(row, is_enough)`: a row to run in which all literals of a conjunction hold but one, or None.

        The row has the value `bit`, and no other value of the bit mask `excluded`. It may be new, or have passed once.
        If there is no such row, `is_enough` says whether the rows that have run are enough for a proof.
        """
        passing, failing = self._evidence.rows_that_break_one_literal(
            excluded, bit, self._evidence.failing_rows_without_cause(self._known_conjunctions)
        )
        if len(failing) > max(MAX_CONTRADICTING_ROWS, 2 * len(passing)):
            return None, False
        if (again := next((row for row in passing if self._evidence.must_run_again(row, failing)), None)) is not None:
            return again, False
        for _ in range(RANDOM_ROWS_TO_COVER_PAIRS):
            row = self._nearest_row(self._change_failing_row_at_random(self._random.random()), excluded & ~bit, bit)
            if row is not None and self._evidence.is_untried(row):
                return row, False
        for found in self._random_rows(excluded & ~bit, bit):
            if self._evidence.is_untried(found):
                return found, False
        return next((row for row in passing if self._evidence.count_runs_of_row(row) < 2), None), bool(passing)

    def _random_rows(self, excluded: int, required: int) -> Iterator[int]:
        """Yield a few random rows that have the values in `required` and none in `excluded`. A row may occur twice."""
        limits = self._evidence.allowed_values_of_restricted_flags(excluded, required)
        for _ in range(RANDOM_ROWS_TO_COVER_PAIRS):
            row = self._evidence.find_row_within_limits(
                limits, self._evidence.space.default_row, self._known_conjunctions, self._random
            )
            if row is None:
                return
            yield row

    def _row_with_many_missing_pairs(self, gaps: dict[int, int], excluded: int) -> int:
        """Return a row without the values in `excluded` that has many of the missing pairs of values.

        `gaps` maps each value to the bit mask of the values that no row has together with it.
        """
        masks = list(self._encoding.flag_masks)
        self._random.shuffle(masks)
        row = 0
        for mask in masks:
            values = list(split_into_bits(mask & ~excluded))
            self._random.shuffle(values)
            row |= max(values, key=lambda bit: ((gaps.get(bit, 0) & row).bit_count(), gaps.get(bit, 0).bit_count()))
        return row

    def _change_failing_row_at_random(self, kept_share: float) -> int:
        """Return the failing row with some values changed at random.

        Each value is kept with the probability `kept_share`.
        """
        row = 0
        for mask in self._encoding.flag_masks:
            others = list(split_into_bits(mask & ~self.row))
            row |= mask & self.row if self._random.random() < kept_share or not others else self._random.choice(others)
        return row

    def _row_that_splits_candidates(self) -> int | None:
        """Return a row that has not run and in which candidates with about half of the total weight hold, or None."""
        total = sum(self._candidate_weights.values())
        best, best_distance = None, 0.5
        for turn in range(RANDOM_ROWS_TO_SPLIT_CANDIDATES):
            row = self._nearest_row(
                self._change_failing_row_at_random(0.4 + 0.55 * turn / RANDOM_ROWS_TO_SPLIT_CANDIDATES), 0
            )
            if row is None or not self._evidence.is_untried(row):
                continue
            share = sum(weight for excluded, weight in self._candidate_weights.items() if not row & excluded) / total
            if abs(share - 0.5) < best_distance:
                best, best_distance = row, abs(share - 0.5)
        return best

    def _nearest_row(self, target: int, excluded_values: int, required_values: int = 0) -> int | None:
        """Return the most similar row to `target` that is allowed, or None if no row is. All arguments are bit masks.

        The row has all required values and no excluded value, and no known conjunction holds in it.
        """
        limits = self._evidence.allowed_values_of_restricted_flags(excluded_values, required_values)
        preferred = list(self._encoding.decode_row(target))
        for index, mask in limits.items():
            if not mask >> preferred[index] & 1:
                preferred[index] = self._random.choice([v for v in range(mask.bit_length()) if mask >> v & 1])
        for named in self._known_conjunctions:
            self._change_row_to_avoid_conjunction(named, preferred, limits)
        return self._evidence.find_row_within_limits(limits, tuple(preferred), self._known_conjunctions)

    def _change_row_to_avoid_conjunction(self, conjunction: int, preferred: list[int], limits: dict[int, int]) -> None:
        """Change one random value of the row `preferred`, in place, so that a conjunction does not hold in it.

        The new value is one that `limits` permits. Nothing is changed if the conjunction does not hold, or no value can
        be changed.
        """
        offsets = self._encoding.offsets
        if conjunction & sum(1 << offsets[index] + value for index, value in enumerate(preferred)):
            return
        changes = [(self._encoding.flag_index(bit), bit) for bit in split_into_bits(conjunction)]
        changes = [(index, bit >> offsets[index]) for index, bit in changes]
        if options := [(index, bit) for index, bit in changes if limits.get(index, -1) & bit]:
            index, bit = self._random.choice(options)
            preferred[index] = bit.bit_length() - 1


def _missing_pairs_of_values(gaps: dict[int, int]) -> Iterator[int]:
    """Yield each missing pair of values once, as a bit mask of two bits.

    For `gaps` see `_row_with_many_missing_pairs`.
    """
    for first, others in gaps.items():
        for second in split_into_bits(others):
            if first < second:
                yield first | second
