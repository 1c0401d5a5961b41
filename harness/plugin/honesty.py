"""The end of a test: what it swallowed or left undone fails it; what it recorded is written, if it passed."""

from collections.abc import Generator

import pytest

from harness.errors import CassetteError, Refusal
from harness.plugin.age import too_old
from harness.plugin.misses import miss_rows
from harness.plugin.record import run_row
from harness.plugin.secrets import hide_in_report
from harness.plugin.stash import SESSION


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test whose traffic is not in order, with the refusal itself where there was one."""
    try:
        yield
    except Refusal as refusal:
        raise pytest.fail.Exception(str(refusal), pytrace=False) from None
    except Exception as error:
        _blame_refusals(item, error)
        raise
    session = item.stash.get(SESSION, None)
    if session is None:
        return
    if complaints := [*session.complaints(), *too_old(item.config, session)]:
        pytest.fail("\n\n".join(complaints), pytrace=False)
    try:
        session.save()
    except CassetteError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the row of the run's record into the report, from which the closing table is made on any worker's behalf."""
    report = yield
    if (session := item.stash.get(SESSION, None)) is not None:
        hide_in_report(report, session.shown)
    if report.when == "call" and (row := run_row(item, report.outcome)) is not None:
        report.harness = row  # type: ignore[attr-defined]
    if report.when == "call" and session is not None:
        failure = str(call.excinfo.value) if call.excinfo else ""
        report.harness_misses = miss_rows(item, session, failure)  # type: ignore[attr-defined]
    return report


def _blame_refusals(item: pytest.Item, error: Exception) -> None:
    """Where the test failed because a refusal was swallowed on the way, show the refusal with the failure."""
    session = item.stash.get(SESSION, None)
    for refusal in session.refusals() if session else []:
        error.add_note(f"\n{refusal}")
