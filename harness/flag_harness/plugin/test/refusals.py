"""Refusals that pytest treats as failures of the test.

After a failure or an `Exception`, pytest tears down the fixtures; after any other `BaseException` it leaves them open
for all tests that follow. These classes are failures, but not `Exception`s, so that agents cannot swallow them.
"""

from collections.abc import Sequence

import pytest

from flag_harness.errors import CassetteMiss, LateRequest, NetworkRefused, Refusal


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


class FixtureFailure(Refusal, _Failure):
    """The requests of a fixture of wide scope have problems, which its teardown reports."""


class LateNetworkFailure(NetworkFailure, LateRequest):
    """A thread or task tried to reach the network after the test that started it had ended."""


def own_refusals(refusals: Sequence[Refusal]) -> list[Refusal]:
    """Return the refusals without those that are reported against a test that has ended."""
    return [one for one in refusals if not isinstance(one, LateRequest)]
