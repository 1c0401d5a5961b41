"""`--harness-provider-retries`: repeat a run of a test that failed because of the provider of the live API."""

import time
from collections.abc import Sequence

import pytest
from _pytest.runner import runtestprotocol

from flag_harness.plugin.modes import is_recording_disabled, record_mode_of_run
from flag_harness.plugin.options.run_options import DEFAULT_PROVIDER_RETRIES
from flag_harness.plugin.stash import refusals_of_item
from flag_harness.plugin.test.rows import attach_row, attached_row

_MAX_WAIT_SECONDS = 60.0


def register_provider_failure_repeater(config: pytest.Config) -> None:
    """Register the plugin that runs a test again if the provider failed. Raise `pytest.UsageError` for a negative
    number of retries.
    """
    chosen = config.getoption("--harness-provider-retries")
    retries = DEFAULT_PROVIDER_RETRIES if chosen is None else chosen
    if retries < 0:
        raise pytest.UsageError(f"--harness-provider-retries={retries}: give a number of retries from 0")
    is_sending = is_recording_disabled(config) or record_mode_of_run(config) != "none"
    is_live = is_sending and config.getoption("--harness-upstream") == "live"
    if is_live and retries and config.getoption("--harness-repeat") is not None:
        config.pluginmanager.register(ProviderFailureRepeater(retries), "flag-harness-provider-retries")


class ProviderFailureRepeater:
    """Repeats a test while the provider breaks it, and reports only its last run, with the number of broken runs before
    it.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a test, and run it again as long as the provider breaks it and retries are left."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        failures = 0
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        while failures < self._retries and _is_broken_by_provider(item, reports):
            time.sleep(min(2.0**failures, _MAX_WAIT_SECONDS))
            failures += 1
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
        for report in reports:
            _store_provider_failure_count(report, failures)
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


def _is_broken_by_provider(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> bool:
    """Return True if the provider broke a run. Return False if a request was refused, since it would be refused
    again.
    """
    if refusals_of_item(item):
        return False
    from flag_harness.analysis.verdict.evidence import is_provider_failure

    rows = map(attached_row, reports)
    return any(row is not None and is_provider_failure(row) for row in rows)


def _store_provider_failure_count(report: pytest.TestReport, failures: int) -> None:
    """Store in a report's row how many earlier runs of the same test failed because of the provider."""
    if failures and (row := attached_row(report)) is not None:
        import msgspec

        attach_row(report, msgspec.structs.replace(row, provider_failure_count=failures))
