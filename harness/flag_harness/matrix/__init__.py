"""Choose the combinations of feature-flag values under which a test runs."""

from flag_harness.matrix.combination import (
    Combination,
    all_combinations,
    flag_space,
    name_of_test,
    named_changes,
    parse_combination,
    pin_flags,
    read_combination,
    with_defaults,
)
from flag_harness.matrix.constraints import Row
from flag_harness.matrix.covering import (
    covering_array,
    full_matrix,
    random_sample,
    single_changes,
    uncovered_tuples,
)
from flag_harness.matrix.matrix_flag import MatrixFlag
from flag_harness.matrix.pins import fix_unnamed, parse_pins
from flag_harness.matrix.selection import select_combinations
from flag_harness.matrix.space import FlagSpace

__all__ = [
    "Combination",
    "FlagSpace",
    "MatrixFlag",
    "Row",
    "all_combinations",
    "covering_array",
    "fix_unnamed",
    "flag_space",
    "full_matrix",
    "name_of_test",
    "named_changes",
    "parse_combination",
    "parse_pins",
    "pin_flags",
    "random_sample",
    "read_combination",
    "select_combinations",
    "single_changes",
    "uncovered_tuples",
    "with_defaults",
]
