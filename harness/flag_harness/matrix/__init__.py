"""Choose the combinations of feature-flag values under which a test runs."""

from flag_harness.matrix.combination import (
    Combination,
    add_missing_flags,
    all_combinations,
    flag_and_value_by_id_part,
    flag_space,
    node_id_without_combination,
    parse_combination,
    pin_flags,
    read_combination,
)
from flag_harness.matrix.constraints import Row
from flag_harness.matrix.covering import (
    covering_array,
    find_uncovered_tuples,
    full_matrix,
    random_rows,
    rows_with_single_changes,
)
from flag_harness.matrix.matrix_flag import MatrixFlag
from flag_harness.matrix.pins import parse_pins, pin_unnamed_flags
from flag_harness.matrix.selection import select_combinations
from flag_harness.matrix.space import FlagSpace

__all__ = [
    "Combination",
    "FlagSpace",
    "MatrixFlag",
    "Row",
    "add_missing_flags",
    "all_combinations",
    "covering_array",
    "find_uncovered_tuples",
    "flag_and_value_by_id_part",
    "flag_space",
    "full_matrix",
    "node_id_without_combination",
    "parse_combination",
    "parse_pins",
    "pin_flags",
    "pin_unnamed_flags",
    "random_rows",
    "read_combination",
    "rows_with_single_changes",
    "select_combinations",
]
