"""The combinations of flags that a test runs under."""

from flag_harness.matrix.combination import Combination, matrix, name_of_test, parse_combination, pinned
from flag_harness.matrix.covering import (
    covering_array,
    full_matrix,
    random_sample,
    single_changes,
    uncovered_tuples,
)
from flag_harness.matrix.space import FlagSpace, MatrixFlag, Row

__all__ = [
    "Combination",
    "FlagSpace",
    "MatrixFlag",
    "Row",
    "covering_array",
    "full_matrix",
    "matrix",
    "name_of_test",
    "parse_combination",
    "pinned",
    "random_sample",
    "single_changes",
    "uncovered_tuples",
]
