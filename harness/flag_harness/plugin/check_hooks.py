"""The hooks that call `test/checks.py`, which is imported once a test needs it.

This module is registered before the conftest files are loaded. So the hooks of conftest files see reports that already
contain the results of the checks.
"""

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Free the traffic of a test after its last report, so that a long run does not keep the traffic of all tests."""
    result = yield
    from flag_harness.plugin.stash import free_traffic

    free_traffic(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Run `check_setup` around the setup of a test."""
    from flag_harness.plugin.test.checks import check_setup

    yield from check_setup(item)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: "pytest.FixtureDef[Any]", request: pytest.FixtureRequest) -> None:
    """Make sure that a fixture is finished even if another fixture of the test raises a `BaseException`."""
    from flag_harness.plugin.test.checks import finish_fixture_later

    finish_fixture_later(fixturedef, request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Run `check_call` around the test function."""
    from flag_harness.plugin.test.checks import check_call

    yield from check_call(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Run `check_teardown` around the teardown of a test, which also saves its recording."""
    from flag_harness.plugin.test.checks import check_teardown

    yield from check_teardown(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Run `complete_report`, which adds the results of the checks to the report."""
    from flag_harness.plugin.test.checks import complete_report

    return (yield from complete_report(item, call))
