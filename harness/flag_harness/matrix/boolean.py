"""Build covering arrays of the best known sizes, for up to 20 boolean flags without constraints.

A covering array of strength 2 (or 3) is a list of rows that contains every choice of values for any two (or three)
flags.
"""

from itertools import combinations, product
from math import comb

BitRows = tuple[tuple[int, ...], ...]
"""The rows of a covering array, each a tuple with 0 or 1 for each flag. The first row is all 0."""

_PLACKETT_BURMAN_ROW = "11011100010"
"""A row of the Plackett-Burman design of 12 rows (1946).

Its rotations contain all triples of values of any 3 of 11 columns.
"""

_ROWS_FOR_FIVE_COLUMNS = ("00001", "01111")
"""Two rows whose rotations contain all triples of values of any 3 of 5 columns. Every choice of columns was checked."""


def boolean_covering_array(columns: int, strength: int) -> BitRows | None:
    """Return rows of 0 and 1 that contain every choice of values for any `strength` of the columns. The first row is
    all 0.

    Return None if no construction is known for this number of columns and this strength.
    """
    if columns <= strength:
        return tuple(product((0, 1), repeat=columns))
    if columns == strength + 1:
        return tuple((*row, sum(row) % 2) for row in product((0, 1), repeat=strength))
    if strength == 2:
        return _covering_array_of_strength_two(columns)
    return _covering_array_of_strength_three(columns) if strength == 3 else None


def _covering_array_of_strength_two(columns: int) -> BitRows:
    """Build the fewest rows that contain all pairs of values of any two columns (Kleitman and Spencer, Katona 1973).

    Each column is described by the set of rows in which it is 1. All these sets have the same size and hold more than
    half of the rows after the first. So any two sets overlap, and neither contains the other.
    """
    size = next(size for size in range(4, columns + 4) if comb(size - 1, (size + 1) // 2) >= columns)
    subsets = combinations(range(1, size), (size + 1) // 2)
    chosen = [set(subset) for subset, _ in zip(subsets, range(columns), strict=False)]
    return tuple(tuple(int(row in subset) for subset in chosen) for row in range(size))


def _covering_array_of_strength_three(columns: int) -> BitRows:
    """Build rows that contain all triples of values of any three columns, by the best construction for this number of
    columns.
    """
    if columns == 5:
        generators = [(row, shift) for row in _ROWS_FOR_FIVE_COLUMNS for shift in range(5)]
        return _make_first_row_zero(
            [[int(row[(shift + column) % 5]) for column in range(5)] for row, shift in generators]
        )
    if columns <= 11:
        rotations = [
            [int(_PLACKETT_BURMAN_ROW[(shift + column) % 11]) for column in range(columns)] for shift in range(11)
        ]
        return _make_first_row_zero([[0] * columns, *rotations])
    return _combine_half_size_arrays(columns)


def _combine_half_size_arrays(columns: int) -> BitRows:
    """Build rows that contain all triples of values of any three columns, from two arrays with half as many columns
    (Roux 1987).

    First come the rows of the array of strength 3, each written twice side by side. Then come the rows of the array of
    strength 2, each beside its complement.
    """
    half = (columns + 1) // 2
    pairs = boolean_covering_array(half, 2) or ()
    rows = [row + row for row in _covering_array_of_strength_three(half)]
    rows += [row + tuple(1 - bit for bit in row) for row in pairs]
    return tuple(row[:columns] for row in rows)


def _make_first_row_zero(rows: list[list[int]]) -> BitRows:
    """Swap 0 and 1 in each column that starts with 1.

    The rows still contain every choice of values that they contained before.
    """
    return tuple(tuple(bit ^ first for bit, first in zip(row, rows[0], strict=True)) for row in rows)
