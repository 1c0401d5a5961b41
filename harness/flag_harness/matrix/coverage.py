"""Measure which pairs, triples or quadruples of flag values the combinations of a matrix contain."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from flag_harness.matrix.constraints import Row
from flag_harness.matrix.covering import find_uncovered_tuples
from flag_harness.matrix.space import FlagSpace

FlagValueTexts = tuple[str, ...]
"""One value for each of several flags, as texts: `("streaming=true", "model=haiku")`."""


@dataclass(frozen=True, slots=True)
class MatrixCoverage:
    """Which pairs, triples or quadruples of flag values a selection of combinations contains.

    Attributes:
        strength: 2 for pairs of values, 3 for triples, 4 for quadruples.
        new_tuples_by_row: for each combination, the pairs (or triples, quadruples) that no earlier combination
            contains.
        missing_tuples: the pairs (or triples, quadruples) that some allowed combination contains, but no selected one.
    """

    strength: int
    new_tuples_by_row: tuple[tuple[FlagValueTexts, ...], ...]
    missing_tuples: tuple[FlagValueTexts, ...]

    @property
    def covered_tuple_count(self) -> int:
        """The number of different pairs, triples or quadruples that the combinations contain."""
        return sum(map(len, self.new_tuples_by_row))

    @property
    def tuple_word(self) -> str:
        """The word for what is counted: `pairs`, `triples` or `quadruples`."""
        return {1: "values", 2: "pairs", 3: "triples"}.get(self.strength, "quadruples")


def measure_coverage(space: FlagSpace, rows: Sequence[Row], strength: int) -> MatrixCoverage:
    """Return which pairs (for strength 2), triples (3) or quadruples (4) of flag values these rows contain.

    Values that constraints do not allow together are not counted.
    """
    strength = min(strength, len(space.flags))
    seen: set[tuple[tuple[int, int], ...]] = set()
    first_covered = []
    for row in rows:
        new = [chosen for chosen in combinations(enumerate(row), strength) if chosen not in seen]
        seen.update(new)
        first_covered.append(tuple(_format_flag_values(space, chosen) for chosen in new))
    missing = tuple(
        _format_flag_values(space, tuple(fixed.items())) for fixed in find_uncovered_tuples(space, rows, strength)
    )
    return MatrixCoverage(strength, tuple(first_covered), missing)


def impossible_values(space: FlagSpace) -> tuple[str, ...]:
    """Return the flag values that no allowed combination has, because constraints exclude them, such as
    `model=opus`.
    """
    return tuple(
        _format_flag_values(space, ((index, value),))[0]
        for index, size in enumerate(space.value_counts)
        for value in range(size)
        if not space.is_possible({index: value})
    )


def _format_flag_values(space: FlagSpace, chosen: tuple[tuple[int, int], ...]) -> FlagValueTexts:
    """Return texts such as `model=haiku`. `chosen` has pairs of the index of a flag and the index of its value."""
    flags = ((space.flags[index], value) for index, value in chosen)
    return tuple(f"{flag.name}={flag.labels[value]}" for flag, value in flags)
