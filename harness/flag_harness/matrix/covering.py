"""Choose the rows (combinations) of a matrix: a covering array, single changes, a random sample, or all.

The first row has every flag at its default.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from random import Random

from flag_harness.errors import FlagError
from flag_harness.matrix.boolean import boolean_covering_array
from flag_harness.matrix.constraints import Row
from flag_harness.matrix.greedy import greedy_covering_array
from flag_harness.matrix.space import FlagSpace

STRENGTHS = (2, 3, 4)


def covering_array(space: FlagSpace, strength: int) -> tuple[Row, ...]:
    """Return rows that contain every allowed choice of values for any `strength` flags.

    For strengths 2 and 3, up to 20 boolean flags and no constraints, the number of rows is the smallest that is known.
    Raise `FlagError` for a strength other than 2, 3 and 4.
    """
    if strength not in STRENGTHS:
        raise FlagError(f"no covering array has strength {strength}; choose 2, 3 or 4, or the full matrix")
    strength = min(strength, len(space.flags))
    rows = tuple(dict.fromkeys(_smallest_known_boolean_rows(space, strength) or greedy_covering_array(space, strength)))
    gap = next(find_uncovered_tuples(space, rows, strength), None)
    assert gap is None, f"the covering array of strength {strength} lacks {gap}"
    return rows


def _smallest_known_boolean_rows(space: FlagSpace, strength: int) -> tuple[Row, ...] | None:
    """Return an array of the smallest known size, or None if a flag is not boolean, a constraint exists or no array is
    known.
    """
    free = [index for index in range(len(space.flags)) if index not in space.pins]
    array = boolean_covering_array(len(free), min(strength, len(free))) if space.is_boolean else None
    if array is None:
        return None
    rows = []
    for bits in array:
        row = list(space.default_row)
        for index, bit in zip(free, bits, strict=True):
            row[index] ^= bit
        rows.append(tuple(row))
    return tuple(rows)


def find_uncovered_tuples(space: FlagSpace, rows: Sequence[Row], strength: int) -> Iterator[dict[int, int]]:
    """Yield every allowed choice of values for `strength` flags that occurs in no row, as {index of flag: index of
    value}.
    """
    for chosen in combinations(range(len(space.flags)), strength):
        seen = {tuple([row[index] for index in chosen]) for row in rows}
        if len(seen) == _count_value_choices(space, chosen):
            continue
        for values in product(*(range(space.value_counts[index]) for index in chosen)):
            fixed = dict(zip(chosen, values, strict=True))
            if values not in seen and space.is_possible(fixed):
                yield fixed


def rows_with_single_changes(space: FlagSpace, base: Row | None = None) -> tuple[Row, ...]:
    """Return the row `base`, and one row for each other value of each flag. Without `base`, start from the default row.

    If a constraint forbids changing one flag alone, other flags change with it. A value that no allowed row has is left
    out.
    """
    base = space.default_row if base is None else base
    values = [
        (index, value) for index, size in enumerate(space.value_counts) for value in range(size) if value != base[index]
    ]
    changed = (space.nearest_row(base, {index: value}) for index, value in values)
    return tuple(dict.fromkeys([base, *(row for row in changed if row is not None)]))


def random_rows(space: FlagSpace, size: int, seed: int) -> tuple[Row, ...]:
    """Return `size` different random rows, one of them with all defaults; all rows if there are at most `size`.

    The same seed gives the same rows. Without constraints every row is equally likely.
    """
    if size < 1:
        raise FlagError(f"a random sample of {size} rows is empty; ask for at least 1")
    if space.has_at_most_rows(size):
        return full_matrix(space)
    random = Random(seed)
    rows = {space.default_row: None}
    while len(rows) < size:
        row = tuple(random.randrange(options) for options in space.value_counts)
        if not space.is_allowed(row):
            row = space.complete_row({}, random) or space.default_row
        rows[row] = None
    return tuple(rows)


def full_matrix(space: FlagSpace) -> tuple[Row, ...]:
    """Return every allowed row, those that differ least from the defaults first."""
    changes = {
        row: [index for index, value in enumerate(row) if value != space.default_row[index]] for row in space.rows()
    }
    return tuple(sorted(changes, key=lambda row: (len(changes[row]), changes[row], row)))


def _count_value_choices(space: FlagSpace, flag_indices: Sequence[int]) -> int:
    """Return the number of ways to choose one value for each of the flags at the indices `flag_indices`."""
    size = 1
    for index in flag_indices:
        size *= space.value_counts[index]
    return size
