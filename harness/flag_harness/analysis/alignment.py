"""Pair the items of two sequences that have some items in common."""

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

AlignedIndices = tuple[tuple[int | None, int | None], ...]
"""Pairs of indices in two sequences. One of a pair is None if the item has no counterpart."""


def align_sequences(left: Sequence[Hashable], right: Sequence[Hashable]) -> AlignedIndices:
    """Pair equal items of two sequences in order, and pair the items between them by position."""
    if left == right:
        return tuple((index, index) for index in range(len(left)))
    pairs: list[tuple[int | None, int | None]] = []
    for _, start, end, other_start, other_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        pairs += zip_longest(range(start, end), range(other_start, other_end))
    return tuple(pairs)
