"""Refusals that pytest takes for failures: raised in a fixture, they leave its own order whole.

pytest goes on tearing down after a failure and after an `Exception`; after any other `BaseException` it leaves the
fixtures that are still open as they are, for all tests that follow. Neither class is an `Exception`: see `Refusal`.
"""

import pytest

from flag_harness.errors import CassetteMiss, NetworkRefused


class _Failed(pytest.fail.Exception):  # type: ignore[misc,name-defined]
    """A failure that is told without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


class FailedMiss(CassetteMiss, _Failed):
    """A miss in a test's own traffic."""


class FailedNetwork(NetworkRefused, _Failed):
    """An attempt of a test to reach the network."""
