"""Refusals that pytest treats as failures of the test.

After a failure or an `Exception`, pytest tears down the fixtures; after any other `BaseException` it leaves them open
for all tests that follow. These classes are failures, but not `Exception`s, so that agents cannot swallow them.
"""

import pytest

from flag_harness.errors import CassetteMiss, NetworkRefused, Refusal


class _Failure(pytest.fail.Exception):  # type: ignore[misc,name-defined]
    """A failure that is reported without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


class MissFailure(CassetteMiss, _Failure):
    """A request of the test was not in its cassette."""


class NetworkFailure(NetworkRefused, _Failure):
    """The test tried to reach the network."""


class CostFailure(Refusal, _Failure):
    """A request of the test would have exceeded `--harness-max-cost`."""
