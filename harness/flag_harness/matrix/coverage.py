"""What the rows of a matrix cover: pairs, triples or quadruples of values."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from flag_harness.matrix.covering import uncovered_tuples
from flag_harness.matrix.space import FlagSpace, Row

Settings = tuple[str, ...]
"""Values of different flags: `("streaming=true", "model=haiku")`."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What rows cover.

    Attributes:
        strength: 2 for pairs of values, 3 for triples, 4 for quadruples.
        first_covered: for each row, what it covers and no earlier row does.
        missing: what some combination has, but none of the rows.
    """

    strength: int
    first_covered: tuple[tuple[Settings, ...], ...]
    missing: tuple[Settings, ...]

    @property
    def covered(self) -> int:
        """The number of pairs, triples or quadruples that occur in a row."""
        return sum(map(len, self.first_covered))

    @property
    def noun(self) -> str:
        """What is counted: `pairs`."""
        return {1: "values", 2: "pairs", 3: "triples"}.get(self.strength, "quadruples")


def measure_coverage(space: FlagSpace, rows: Sequence[Row], strength: int) -> Coverage:
    """Return what the rows cover; values that no combination has together are not counted."""
    strength = min(strength, len(space.flags))
    seen: set[tuple[tuple[int, int], ...]] = set()
    first_covered = []
    for row in rows:
        new = [chosen for chosen in combinations(enumerate(row), strength) if chosen not in seen]
        seen.update(new)
        first_covered.append(tuple(_format_settings(space, chosen) for chosen in new))
    missing = tuple(_format_settings(space, tuple(fixed.items())) for fixed in uncovered_tuples(space, rows, strength))
    return Coverage(strength, tuple(first_covered), missing)


def impossible_values(space: FlagSpace) -> tuple[str, ...]:
    """Return the values that no combination has, because of the constraints: `model=opus`."""
    return tuple(
        _format_settings(space, ((index, value),))[0]
        for index, size in enumerate(space.sizes)
        for value in range(size)
        if not space.is_possible({index: value})
    )


def _format_settings(space: FlagSpace, chosen: tuple[tuple[int, int], ...]) -> Settings:
    flags = ((space.flags[index], value) for index, value in chosen)
    return tuple(f"{flag.name}={flag.labels[value]}" for flag, value in flags)
