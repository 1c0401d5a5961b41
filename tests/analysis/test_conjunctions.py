"""Rows as bits, and the smallest masks that meet every set."""

from itertools import product

import pytest

from flag_harness.analysis.conjunctions import FlagEncoding, find_minimal_hitting_sets
from flag_harness.errors import FlagError
from flag_harness.matrix import FlagSpace, MatrixFlag
from flag_harness.matrix.matrix_flag import value_index

MODEL = MatrixFlag("model", ("haiku", "sonnet", "opus"), "haiku")


def test_a_row_is_what_its_bits_decode_to() -> None:
    """For flags with two values and with more."""
    encoding = FlagEncoding(FlagSpace([MatrixFlag("streaming"), MODEL]))
    rows = list(product(range(2), range(3)))
    assert rows == [encoding.decode_row(encoding.encode_row(row)) for row in rows]


@pytest.mark.parametrize(
    ("limit", "masks", "is_complete"), [(9, [0b100, 0b11], True), (1, [0b11], False)], ids=["all", "one"]
)
def test_the_smallest_masks_that_meet_every_set_come_first(limit: int, masks: list[int], is_complete: bool) -> None:
    """Beyond a limit masks are dropped, and it is said that there may be more."""
    assert (masks, is_complete) == find_minimal_hitting_sets([0b101, 0b110], limit)


def test_a_value_is_found_by_its_text_and_an_unknown_one_names_the_nearest() -> None:
    """As they are written on a command line."""
    assert [1, 1] == [value_index(MODEL, "sonnet"), value_index(MatrixFlag("streaming"), "true")]
    with pytest.raises(FlagError, match=r"flag 'model' has no value 'sonet'.*'?sonnet"):
        value_index(MODEL, "sonet")
