"""Conjunctions of literals over the flags of a matrix: `extended_output and not streaming`.

Inside, a value of a flag is one bit. A row is the bits of its values; a conjunction is the bits of the values that it
excludes, so it holds in a row if they share no bit.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from flag_harness.matrix.space import FlagSpace, Row


@dataclass(frozen=True, slots=True)
class Literal:
    """That a flag has one of `values`, which are not all that it has: True or False, or the labels of its values."""

    flag: str
    values: tuple[object, ...]
    others: tuple[object, ...]

    def __str__(self) -> str:
        if all(isinstance(value, bool) for value in (*self.values, *self.others)):
            return self.flag if self.values == (True,) else f"not {self.flag}"
        if len(self.others) == 1 < len(self.values):
            return f"not {self.flag}={self.others[0]}"
        return f"{self.flag}={'|'.join(str(value) for value in self.values)}"


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Literals that hold together; without any, it always holds."""

    literals: tuple[Literal, ...]

    def __str__(self) -> str:
        return " and ".join(str(literal) for literal in self.literals) or "always"


class Encoding:
    """The bits of the values of a space's flags."""

    def __init__(self, space: FlagSpace) -> None:
        self.space = space
        self.offsets = (0, *accumulate(space.sizes))
        self.flag_masks = tuple(
            ((1 << size) - 1) << offset for size, offset in zip(space.sizes, self.offsets, strict=False)
        )
        self.all_bits = (1 << self.offsets[-1]) - 1
        self._rows: dict[Row, int] = {}

    def encode(self, row: Row) -> int:
        """Return the bits of a row."""
        bits = self._rows.get(row)
        if bits is None:
            bits = sum(1 << offset + value for offset, value in zip(self.offsets, row, strict=False))
            self._rows[row] = bits
        return bits

    def decode(self, bits: int) -> Row:
        """Return the row of some bits."""
        return tuple(
            ((bits & mask) >> offset).bit_length() - 1
            for mask, offset in zip(self.flag_masks, self.offsets, strict=False)
        )

    def flag_index(self, bit: int) -> int:
        """Return the index of the flag that a bit is a value of."""
        return bisect_right(self.offsets, bit.bit_length() - 1) - 1

    def allowed_values(self, excluded: int) -> dict[int, int]:
        """Return the values that a conjunction leaves to each of its flags, as bit masks by index of the flag."""
        return {
            index: (mask & ~excluded) >> self.offsets[index]
            for index, mask in enumerate(self.flag_masks)
            if mask & excluded
        }

    def literal_count(self, excluded: int) -> int:
        """Return the number of literals of a conjunction."""
        return sum(1 for mask in self.flag_masks if mask & excluded)

    def conjunction(self, excluded: int) -> Conjunction:
        """Return the conjunction that excludes these bits."""
        literals = []
        for index, allowed in self.allowed_values(excluded).items():
            flag = self.space.flags[index]
            is_boolean = all(isinstance(value, bool) for value in flag.values)
            names: tuple[object, ...] = flag.values if is_boolean else flag.labels
            kept = tuple(name for position, name in enumerate(names) if allowed >> position & 1)
            others = tuple(name for position, name in enumerate(names) if not allowed >> position & 1)
            literals.append(Literal(flag.name, kept, others))
        return Conjunction(tuple(literals))

    def literals(self, row_bits: int) -> Iterator[tuple[int, int]]:
        """Yield (index of a flag, excluded bits) for the literals that hold in a row: one value, or all but one."""
        for index, mask in enumerate(self.flag_masks):
            others = mask & ~row_bits
            yield index, others
            if others & (others - 1):
                for bit in single_bits(others):
                    yield index, bit


def single_bits(bits: int) -> Iterator[int]:
    """Yield each set bit of a mask as a mask of its own, lowest first: 1 and 4 for 5."""
    while bits:
        low = bits & -bits
        yield low
        bits ^= low


def minimal_hitting_sets(sets: Iterable[int], limit: int) -> tuple[list[int], bool]:
    """Return the minimal masks that share a bit with every set, smallest first, and whether these are all.

    No more than `limit` are kept at a time, the smallest ones (Berge's algorithm).
    """
    found, complete = [0], True
    for bits in _without_supersets(sets):
        hitting = [mask for mask in found if mask & bits]
        extended = []
        for mask in found:
            if not mask & bits:
                for bit in single_bits(bits):
                    candidate = mask | bit
                    if not any(other & candidate == other for other in hitting):
                        extended.append(candidate)
        found = hitting + extended
        if len(found) > limit:
            found = sorted(found, key=int.bit_count)[:limit]
            complete = False
    return sorted(found, key=lambda mask: (mask.bit_count(), mask)), complete


def _without_supersets(sets: Iterable[int]) -> list[int]:
    kept: list[int] = []
    for bits in sorted(set(sets), key=int.bit_count):
        if not any(other & bits == other for other in kept):
            kept.append(bits)
    return kept
