"""The end of a test: what it swallowed or left undone fails it; what it recorded is written, if it passed.

A refusal that escapes or was swallowed is told with the phase in which it came: setup, call or teardown. What a test
recorded is written when its fixtures have been torn down, for they may send, too.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.errors import CassetteError, Refusal
from flag_harness.plugin.redact.secrets import hide_in_report
from flag_harness.plugin.run.age import too_old
from flag_harness.plugin.run.claims import LIFE
from flag_harness.plugin.run.misses import miss_rows
from flag_harness.plugin.stash import REFUSALS, SESSION
from flag_harness.plugin.test.rows import run_row

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import Session

_USING = frozenset({"harness_cassette", "vcr"})
"""The fixtures that answer what a test sends."""
_PHASES = pytest.StashKey[dict[str, str]]()
"""What came of the phases that the test item has been through."""
_UNFINISHED = pytest.StashKey[ExitStack]()
"""Finishes those fixtures of the test item that pytest has not."""
_RUNNING = pytest.StashKey[bool]()
"""Whether the test's own code runs: a report that is made meanwhile is that of a subtest."""
_PART_FAILED = pytest.StashKey[bool]()
"""Whether a subtest of the test item has failed: pytest says so of the test where it prints its report."""
_TOLD = pytest.StashKey[int]()
"""How many misses the reports of earlier phases have told."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Begin anew, also where the item has run before; tell of refusals with a failure."""
    keys: tuple[pytest.StashKey[Any], ...] = (SESSION, REFUSALS, _UNFINISHED, _RUNNING, _PART_FAILED, _TOLD)
    for key in keys:
        if key in item.stash:
            del item.stash[key]
    item.stash[_PHASES] = {}
    if not _USING.isdisjoint(getattr(item, "fixturenames", ())):
        item.stash[_UNFINISHED] = ExitStack()
    with _telling(item):
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """See to it that a test's fixtures are finished, whatever one of them raises.

    pytest goes on after an `Exception` only. After an `asyncio.CancelledError` the next test would be given the
    fixtures of this one: its recording, its environment.
    """
    if fixturedef.scope == "function" and (unfinished := request.node.stash.get(_UNFINISHED, None)) is not None:
        unfinished.callback(fixturedef.finish, request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test whose traffic is not in order when its own code has ended."""
    item.stash[_RUNNING] = True
    try:
        with _telling(item):
            yield
    finally:
        item.stash[_RUNNING] = False
    _complain(item, item.stash.get(SESSION, None))
    if (session := item.stash.get(SESSION, None)) is not None:
        session.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Finish all fixtures; then judge what came since, and write what a test recorded that has passed."""
    try:
        with _telling(item):
            yield
    finally:
        item.stash.get(_UNFINISHED, ExitStack()).close()
    if not _failed(item):
        passed = _phases(item).get("call") in ("passed", "xpassed")
        session = item.stash.get(SESSION, None) if passed else None
        _complain(item, session)
        _save(item, session)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the row of the run's record into the report, from which the closing table is made on any worker's behalf."""
    report = yield
    session = item.stash.get(SESSION, None)
    if item.stash.get(_RUNNING, False):
        item.stash[_PART_FAILED] = report.failed or item.stash.get(_PART_FAILED, False)
    else:
        _judge_excuse(item, report)
        outcome = "failed" if item.stash.get(_PART_FAILED, False) else _outcome(report)
        _phases(item)[str(report.when)] = outcome
        if report.when == "call" and (row := run_row(item, outcome)) is not None:
            report.flag_harness = row  # type: ignore[attr-defined]
        if session is not None:
            failure = str(call.excinfo.value) if call.excinfo else ""
            told = item.stash.get(_TOLD, 0)
            report.flag_harness_misses = miss_rows(item, session, failure, told)  # type: ignore[attr-defined]
            item.stash[_TOLD] = len(session.missed)
    if session is not None:
        hide_in_report(report, session.shown)
    return report


@contextmanager
def _telling(item: pytest.Item) -> Iterator[None]:
    """Turn a refusal that escapes into a failure; with another failure, show those that were swallowed on the way."""
    try:
        yield
    except Refusal as refusal:
        raise pytest.fail.Exception(str(refusal), pytrace=False) from None
    except BaseExceptionGroup as group:
        refused, others = group.split(Refusal)
        if refused is None:
            _note(group, _refused(item))
            raise
        if others is None:
            raise pytest.fail.Exception(_together(_leaves(refused)), pytrace=False) from None
        _note(others, [*_leaves(refused), *_refused(item)])
        raise others from None
    except (Exception, pytest.fail.Exception) as error:
        if not (swallowed := _refused(item)):
            raise
        if not getattr(error, "pytrace", True):  # pytest shows its message alone, without notes
            raise pytest.fail.Exception(f"{error}\n\n{_together(swallowed)}", pytrace=False) from None
        _note(error, swallowed)
        raise


def _note(error: BaseException, refusals: list[BaseException]) -> None:
    if refusals:
        error.add_note(f"\n{_together(refusals)}")


def _together(refusals: list[BaseException]) -> str:
    return "\n\n".join(dict.fromkeys(map(str, refusals)))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [error]


def _refused(item: pytest.Item) -> list[BaseException]:
    """What was refused to the test, unless a phase has failed, which told it."""
    return [] if REFUSALS not in item.stash or _failed(item) else [*item.stash[REFUSALS]()]


def _failed(item: pytest.Item) -> bool:
    return "failed" in _phases(item).values()


def _phases(item: pytest.Item) -> dict[str, str]:
    return item.stash.setdefault(_PHASES, {})


def _complain(item: pytest.Item, session: "Session | None") -> None:
    """Fail the test where something was refused to it, or where what `session` has seen is not in order."""
    complaints = list(map(str, _refused(item)))
    if session is not None:
        complaints += [*session.complaints(), *too_old(item.config, session)]
    if complaints:
        pytest.fail("\n\n".join(dict.fromkeys(complaints)), pytrace=False)


def _judge_excuse(item: pytest.Item, report: pytest.TestReport) -> None:
    """Neither a skip nor an expected failure excuses a refusal: what the test was to show was not seen."""
    if not report.skipped or not (refused := _refused(item)):
        return
    excuse = "an expected failure" if hasattr(report, "wasxfail") else "a skip"
    report.outcome = "failed"
    report.longrepr = f"{_together(refused)}\n\nWhat came after it, {excuse}, is no excuse for that."
    if hasattr(report, "wasxfail"):
        del report.wasxfail


def _outcome(report: pytest.TestReport) -> str:
    """The outcome as pytest counts it."""
    return f"x{report.outcome.replace('skipped', 'failed')}" if hasattr(report, "wasxfail") else report.outcome


def _save(item: pytest.Item, session: "Session | None") -> None:
    """Write what a test recorded that has passed."""
    if session is None:
        return
    try:
        broken = session.save()
    except CassetteError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    item.config.stash[LIFE].note_recorded(item, session.plan.path if broken else None)
