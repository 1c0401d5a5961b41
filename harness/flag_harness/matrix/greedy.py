"""Build covering arrays for flags with any values and constraints, by Lei and Tai's algorithm IPO.

A covering array is a list of rows that contains every allowed choice of values for any `strength` flags; such a choice
is called a tuple here. Flags are added one at a time. A row under construction holds, for each flag, the index of a
value, or `UNDECIDED_VALUE` if none has been chosen yet. Its chosen values can always be completed to an allowed
combination.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations, product
from math import comb
from random import Random

from flag_harness.matrix.constraints import Row
from flag_harness.matrix.space import FlagSpace

UNDECIDED_VALUE = -1
"""The value of a flag in a `PartialRow` if none has been chosen yet."""
MAX_FLAG_ORDERS_TO_TRY = 6
"""In how many different orders the flags are added, to find the array with the fewest rows."""
MAX_TUPLES_TO_COVER = 50_000
"""Fewer orders are tried if all of them together would cover more choices of values than this."""
PartialRow = list[int]
"""A row under construction: the index of each flag's value, or `UNDECIDED_VALUE`."""


def greedy_covering_array(space: FlagSpace, strength: int) -> tuple[Row, ...]:
    """Return rows that contain every allowed choice of values for any `strength` flags. The first row has all defaults.

    Several orders of the flags are tried, and the array with the fewest rows is returned.
    """
    tuples = comb(len(space.flags), strength) * max(space.value_counts, default=1) ** strength
    attempts = max(1, min(MAX_FLAG_ORDERS_TO_TRY, MAX_TUPLES_TO_COVER // tuples))
    arrays = (_build_covering_array(space, strength, Random(seed)) for seed in range(attempts))
    return min(arrays, key=len)


def _build_covering_array(space: FlagSpace, strength: int, random: Random) -> tuple[Row, ...]:
    """Build a covering array of this strength flag by flag. `random` chooses the order of the flags."""
    order = list(range(len(space.flags)))
    random.shuffle(order)
    order.sort(key=lambda index: -space.value_counts[index])
    head, tail = order[:strength], order[strength:]
    rows: list[PartialRow] = [list(space.default_row)]
    for values in product(*(range(space.value_counts[index]) for index in head)):
        fixed = dict(zip(head, values, strict=True))
        if fixed != {index: space.default_row[index] for index in head} and space.is_possible(fixed):
            rows.append([fixed.get(index, UNDECIDED_VALUE) for index in range(len(order))])
    for position, index in enumerate(tail):
        earlier = order[: strength + position]
        missing = _UncoveredTuples(space, index, earlier, strength)
        _extend_rows_by_flag(space, rows, index, missing)
        _add_rows_for_missing_tuples(space, rows, missing)
    return _drop_redundant_rows([_complete_row(space, row) for row in rows], strength)


def _drop_redundant_rows(rows: list[Row], strength: int) -> tuple[Row, ...]:
    """Return the rows without those whose choices of `strength` values all occur in other rows.

    Rows are tried from the last to the second; the first row is always kept.
    """
    tuples = [list(combinations(enumerate(row), strength)) for row in rows]
    times = Counter(chosen for row in tuples for chosen in row)
    kept = list(range(len(rows)))
    for number in range(len(rows) - 1, 0, -1):
        if all(times[chosen] > 1 for chosen in tuples[number]):
            times.subtract(tuples[number])
            kept.remove(number)
    return tuple(rows[number] for number in kept)


class _UncoveredTuples:
    """The choices of values for a new flag and `strength - 1` earlier flags that no row contains yet."""

    def __init__(self, space: FlagSpace, new_flag_index: int, earlier_flag_indices: list[int], strength: int) -> None:
        self.new_flag = new_flag_index
        self.earlier_flag_sets = [tuple(sorted(chosen)) for chosen in combinations(earlier_flag_indices, strength - 1)]
        self.uncovered_by_value: list[dict[tuple[int, ...], set[tuple[int, ...]]]] = [
            {
                chosen: set(product(*(range(space.value_counts[flag]) for flag in chosen)))
                for chosen in self.earlier_flag_sets
            }
            for _ in range(space.value_counts[new_flag_index])
        ]

    def count_newly_covered(self, row: PartialRow, value_index: int) -> int:
        """Return how many uncovered choices of values `row` would cover if the new flag had the value with the index
        `value_index`.
        """
        missing = self.uncovered_by_value[value_index]
        return sum(tuple([row[flag] for flag in chosen]) in missing[chosen] for chosen in self.earlier_flag_sets)

    def remove_tuples_covered_by(self, row: PartialRow) -> None:
        """Remove the choices of values that this row covers."""
        missing = self.uncovered_by_value[row[self.new_flag]]
        for chosen in self.earlier_flag_sets:
            missing[chosen].discard(tuple([row[flag] for flag in chosen]))

    def __iter__(self) -> Iterator[dict[int, int]]:
        for value, missing in enumerate(self.uncovered_by_value):
            for chosen, tuples in missing.items():
                for values in sorted(tuples):
                    yield {self.new_flag: value, **dict(zip(chosen, values, strict=True))}


def _extend_rows_by_flag(space: FlagSpace, rows: list[PartialRow], index: int, missing: _UncoveredTuples) -> None:
    """In every row, give the flag at `index` the allowed value with which the row covers most of the missing tuples."""
    missing.remove_tuples_covered_by(rows[0])
    uses: dict[int, int] = defaultdict(int)
    for row in rows[1:]:
        gains = {value: missing.count_newly_covered(row, value) for value in range(space.value_counts[index])}
        best_first = sorted(gains, key=lambda value: (-gains[value], uses[value]))
        row[index] = next(value for value in best_first if _can_complete_row(space, row, {index: value}))
        uses[row[index]] += 1
        missing.remove_tuples_covered_by(row)


def _add_rows_for_missing_tuples(space: FlagSpace, rows: list[PartialRow], missing: _UncoveredTuples) -> None:
    """Cover each missing tuple that is possible: in an existing row, if its undecided values permit, or else in a new
    row.
    """
    added = [row for row in rows if UNDECIDED_VALUE in row]
    for fixed in missing:
        if any(all(row[index] == value for index, value in fixed.items()) for row in added):
            continue
        for row in added:
            if all(row[index] in (UNDECIDED_VALUE, value) for index, value in fixed.items()) and _can_complete_row(
                space, row, fixed
            ):
                break
        else:
            if not space.is_possible(fixed):
                continue
            row = [UNDECIDED_VALUE] * len(space.flags)
            rows.append(row)
            added.append(row)
        for index, value in fixed.items():
            row[index] = value


def _can_complete_row(space: FlagSpace, row: PartialRow, fixed: dict[int, int]) -> bool:
    """Return whether some allowed row has the decided values of `row` and those in `fixed` ({flag index:
    value index}).
    """
    if not any(space.has_constraint(index) for index in fixed):
        return True
    return space.is_possible({index: value for index, value in enumerate(row) if value != UNDECIDED_VALUE} | fixed)


def _complete_row(space: FlagSpace, row: PartialRow) -> Row:
    """Return an allowed row that has the decided values of a row under construction."""
    completed = space.complete_row({index: value for index, value in enumerate(row) if value != UNDECIDED_VALUE})
    assert completed is not None, "a row can be completed at any time"
    return completed
