"""Covering arrays of boolean flags without constraints, in the best known sizes for up to 20 flags."""

from itertools import combinations, product
from math import comb

BitRows = tuple[tuple[int, ...], ...]
"""The rows of an array of 0 and 1. The first row is all 0."""

_PALEY_ROW = "11011100010"
"""The generator of the Plackett-Burman design of 12 rows (1946). Its rotations cover all triples of 11 columns."""

_FIVE_COLUMNS = ("00001", "01111")
"""Two rows whose rotations cover all triples of 5 columns; every triple of columns was checked."""


def boolean_array(columns: int, strength: int) -> BitRows | None:
    """Return a covering array whose first row is all 0, or None if no construction is known for this size."""
    if columns <= strength:
        return tuple(product((0, 1), repeat=columns))
    if columns == strength + 1:
        return tuple((*row, sum(row) % 2) for row in product((0, 1), repeat=strength))
    if strength == 2:
        return _strength_two_array(columns)
    return _strength_three_array(columns) if strength == 3 else None


def _strength_two_array(columns: int) -> BitRows:
    """Strength 2, smallest possible (Kleitman and Spencer 1973, Katona 1973).

    A column is a set of rows; sets of more than half of all rows but the first meet, and none contains another.
    """
    size = next(size for size in range(4, columns + 4) if comb(size - 1, (size + 1) // 2) >= columns)
    subsets = combinations(range(1, size), (size + 1) // 2)
    chosen = [set(subset) for subset, _ in zip(subsets, range(columns), strict=False)]
    return tuple(tuple(int(row in subset) for subset in chosen) for row in range(size))


def _strength_three_array(columns: int) -> BitRows:
    if columns == 5:
        generators = [(row, shift) for row in _FIVE_COLUMNS for shift in range(5)]
        return _make_first_row_zero(
            [[int(row[(shift + column) % 5]) for column in range(5)] for row, shift in generators]
        )
    if columns <= 11:
        rotations = [[int(_PALEY_ROW[(shift + column) % 11]) for column in range(columns)] for shift in range(11)]
        return _make_first_row_zero([[0] * columns, *rotations])
    return _double_columns(columns)


def _double_columns(columns: int) -> BitRows:
    """Build an array of strength 3 from one with half the columns (Roux 1987).

    Its rows are those of the half array written twice, then those of a strength 2 array beside their complements.
    """
    half = (columns + 1) // 2
    pairs = boolean_array(half, 2) or ()
    rows = [row + row for row in _strength_three_array(half)]
    rows += [row + tuple(1 - bit for bit in row) for row in pairs]
    return tuple(row[:columns] for row in rows)


def _make_first_row_zero(rows: list[list[int]]) -> BitRows:
    """Swap 0 and 1 in the columns in which the first row has 1; the array covers the same."""
    return tuple(tuple(bit ^ first for bit, first in zip(row, rows[0], strict=True)) for row in rows)
