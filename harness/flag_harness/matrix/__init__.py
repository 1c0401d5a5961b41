"""The combinations of flags that a test runs under."""

from flag_harness.matrix.combination import Combination, matrix, pinned

__all__ = ["Combination", "matrix", "pinned"]
