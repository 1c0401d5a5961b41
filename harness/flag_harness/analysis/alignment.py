"""Pair the items of two sequences that have some items in common."""

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

AlignedIndices = tuple[tuple[int | None, int | None], ...]
"""Pairs of an index in one sequence and an index in another. One of the two is None if the item has no counterpart."""


def align_sequences(left: Sequence[Hashable], right: Sequence[Hashable]) -> AlignedIndices:
    """Return pairs of indices: first equal items of the two sequences are paired in order.

    Items that stand between two such pairs are then paired with each other by position.
    """
    if left == right:
        return tuple((index, index) for index in range(len(left)))
    pairs: list[tuple[int | None, int | None]] = []
    for _, start, end, other_start, other_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        pairs += zip_longest(range(start, end), range(other_start, other_end))
    return tuple(pairs)
