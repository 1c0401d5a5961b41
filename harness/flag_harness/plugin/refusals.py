"""Errors for refused requests, which pytest reports as failures of the test.

They derive from pytest's failure and not from `Exception`, so that agents cannot swallow them. After any other
`BaseException`, pytest would leave the fixtures open for all tests that follow.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from flag_harness.errors import CassetteMiss, LateRequest, NetworkRefused, Refusal


class _FailureWithoutTraceback(pytest.fail.Exception):  # type: ignore[misc,name-defined]
    """A failure that pytest reports without a traceback, and under the name of its class without the module."""

    def __init_subclass__(cls) -> None:
        cls.__module__ = "builtins"

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the process of a pool send the failure to the test. Its class cannot be found under its bare name."""
        return _make_failure, (type(self).__qualname__, str(self))


def _make_failure(name: str, message: str) -> Any:
    """Return a failure of this module, given the name of its class."""
    return globals()[name](message)


class MissFailure(CassetteMiss, _FailureWithoutTraceback):
    """A request of the test was not in its cassette."""


class NetworkFailure(NetworkRefused, _FailureWithoutTraceback):
    """The test tried to reach the network."""


class CostLimitFailure(Refusal, _FailureWithoutTraceback):
    """A request of the test would have exceeded `--harness-max-cost`."""


class FlagSetupFailure(_FailureWithoutTraceback):
    """The flags of the test could not be set, so that the test did not run."""


class ScenarioFailure(_FailureWithoutTraceback):
    """The scenario of the test does not exist or cannot be read, so that the test did not run."""


class VcrFailure(_FailureWithoutTraceback):
    """The cassette of vcrpy that a test names cannot be used in this run, so that the test did not run."""


class MissingExtraFailure(_FailureWithoutTraceback):
    """A library that the test needs is not installed."""


class FixtureFailure(Refusal, _FailureWithoutTraceback):
    """The requests of a wide-scope fixture have problems, which its setup or teardown reports."""


class LateNetworkFailure(NetworkFailure, LateRequest):
    """A thread or task tried to reach the network after the test or fixture that started it had ended."""


@contextmanager
def hide_refusals_in_threads() -> Iterator[None]:
    """Inside the context, do not warn about a thread that ended because its request was refused.

    The failure of the test reports the refusal already.
    """
    report_thread = threading.excepthook

    def report_other_thread(arguments: "threading.ExceptHookArgs") -> None:
        if not issubclass(arguments.exc_type, Refusal) or issubclass(arguments.exc_type, LateRequest):
            report_thread(arguments)

    from flag_harness.transports.patch import replace_attribute  # imported here: it needs asyncio

    with replace_attribute(threading, "excepthook", report_other_thread):
        yield


def refusals_of_running_test(refusals: Sequence[Refusal]) -> list[Refusal]:
    """Return `refusals` without the late ones, which are reported as errors of the ended test that caused them."""
    return [one for one in refusals if not isinstance(one, LateRequest)]
