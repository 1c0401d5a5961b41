"""Conjunctions of literals, such as `extended_output and not streaming`. A literal is a condition on one flag.

Internally each value of each flag is one bit. A row (one value for each flag) is the bit mask of its values. A
conjunction is the bit mask of the values that it excludes, so it holds in a row if the two masks have no bit in common.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from flag_harness.matrix import FlagSpace, Row
from flag_harness.matrix.matrix_flag import FlagLike


@dataclass(frozen=True, slots=True)
class FlagLiteral:
    """The condition that a flag has one of `values`, such as `not streaming`. `other_values` are the flag's remaining
    values.

    Values are True and False, or the short texts (labels) of values.
    """

    flag: str
    values: tuple[object, ...]
    other_values: tuple[object, ...]

    def __str__(self) -> str:
        if all(isinstance(value, bool) for value in (*self.values, *self.other_values)):
            return self.flag if self.values == (True,) else f"not {self.flag}"
        if len(self.other_values) == 1 < len(self.values):
            return f"not {self.flag}={self.other_values[0]}"
        return f"{self.flag}={'|'.join(str(value) for value in self.values)}"


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Conditions on flags that must all hold, such as `streaming and model=haiku`. Without any, it always holds."""

    literals: tuple[FlagLiteral, ...]

    def holds(self, values: Mapping[str, object]) -> bool:
        """Return whether the conjunction holds if flags have these values (True and False, or labels), given by flag
        name.
        """
        return all(values[literal.flag] in literal.values for literal in self.literals)

    def __str__(self) -> str:
        return " and ".join(str(literal) for literal in self.literals) or "always"


def values_in_literals(flag: FlagLike) -> tuple[object, ...]:
    """Return the values of a flag in the form that literals use: True and False, or the short texts
    (labels) of values.
    """
    is_boolean = all(isinstance(value, bool) for value in flag.values)
    return flag.values if is_boolean else flag.labels


class FlagEncoding:
    """Converts rows and conjunctions of a flag space to bit masks and back."""

    def __init__(self, space: FlagSpace) -> None:
        self.space = space
        self.offsets = (0, *accumulate(space.value_counts))
        self.flag_masks = tuple(
            ((1 << size) - 1) << offset for size, offset in zip(space.value_counts, self.offsets, strict=False)
        )
        self.all_bits = (1 << self.offsets[-1]) - 1
        self._rows: dict[Row, int] = {}

    def encode_row(self, row: Row) -> int:
        """Return the bit mask of a row (one value for each flag)."""
        bits = self._rows.get(row)
        if bits is None:
            bits = sum(1 << offset + value for offset, value in zip(self.offsets, row, strict=False))
            self._rows[row] = bits
        return bits

    def decode_row(self, bits: int) -> Row:
        """Return the row (one value for each flag) that a bit mask stands for."""
        return tuple(
            ((bits & mask) >> offset).bit_length() - 1
            for mask, offset in zip(self.flag_masks, self.offsets, strict=False)
        )

    def flag_index(self, bit: int) -> int:
        """Return the index of the flag to which a bit belongs. Each value of each flag is one bit."""
        return bisect_right(self.offsets, bit.bit_length() - 1) - 1

    def allowed_values_by_flag(self, excluded: int) -> dict[int, int]:
        """Return the values that a conjunction allows, for each flag on which it has a condition.

        The keys are indices of flags, and the values are bit masks of the indices of flag values. `excluded` is the bit
        mask of the values that the conjunction excludes.
        """
        return {
            index: (mask & ~excluded) >> self.offsets[index]
            for index, mask in enumerate(self.flag_masks)
            if mask & excluded
        }

    def count_literals(self, excluded: int) -> int:
        """Return the number of flags on which a conjunction has a condition.

        `excluded` is the mask of the values it excludes.
        """
        return sum(1 for mask in self.flag_masks if mask & excluded)

    def make_conjunction(self, excluded: int) -> Conjunction:
        """Return the `Conjunction` that excludes the values in a bit mask."""
        literals = []
        for index, allowed in self.allowed_values_by_flag(excluded).items():
            flag = self.space.flags[index]
            names = values_in_literals(flag)
            kept = tuple(name for position, name in enumerate(names) if allowed >> position & 1)
            others = tuple(name for position, name in enumerate(names) if not allowed >> position & 1)
            literals.append(FlagLiteral(flag.name, kept, others))
        return Conjunction(tuple(literals))

    def literals_in_row(self, row_bits: int) -> Iterator[tuple[int, int]]:
        """Yield each literal that holds in a row, as (index of its flag, bit mask of the values that it excludes).

        For each flag there is one literal that allows only the row's value; and for each other value of the flag, one
        that excludes only this value.
        """
        for index, mask in enumerate(self.flag_masks):
            others = mask & ~row_bits
            yield index, others
            if others & (others - 1):
                for bit in split_into_bits(others):
                    yield index, bit


def split_into_bits(bits: int) -> Iterator[int]:
    """Yield each bit of a mask as a mask of its own, lowest bit first: 1 and 4 for 5."""
    while bits:
        low = bits & -bits
        yield low
        bits ^= low


def find_minimal_hitting_sets(sets: Iterable[int], limit: int) -> tuple[list[int], bool]:
    """Return the minimal bit masks that have a bit in common with every mask in `sets`, the smallest first.

    The second result is False if some may be missing, because the search keeps at most `limit` masks at a time (Berge's
    algorithm).
    """
    found, complete = [0], True
    for bits in _remove_supersets(sets):
        hitting = [mask for mask in found if mask & bits]
        extended = []
        for mask in found:
            if not mask & bits:
                for bit in split_into_bits(bits):
                    candidate = mask | bit
                    if not any(other & candidate == other for other in hitting):
                        extended.append(candidate)
        found = hitting + extended
        if len(found) > limit:
            found = sorted(found, key=int.bit_count)[:limit]
            complete = False
    return sorted(found, key=lambda mask: (mask.bit_count(), mask)), complete


def _remove_supersets(sets: Iterable[int]) -> list[int]:
    """Return the bit masks that do not contain another of the masks, those with the fewest bits first."""
    kept: list[int] = []
    for bits in sorted(set(sets), key=int.bit_count):
        if not any(other & bits == other for other in kept):
            kept.append(bits)
    return kept
