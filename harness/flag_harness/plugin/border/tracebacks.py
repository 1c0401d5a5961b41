"""Shorten what pytest prints about failed tests.

The frames of the SDK are left out of an error with which the harness answered a request. An error that several
combinations of a test share is printed once, and so is a message without a traceback that several tests share.
"""

import re
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

from flag_harness.wording import count_with_noun, join_names

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic

_SDK_PACKAGE = "anthropic"
_HTTP_LIBRARIES = frozenset({_SDK_PACKAGE, "httpx", "httpx2", "flag_harness"})
_MESSAGE_ONLY_STYLE = "value"
_VARYING_TEXT_PATTERN = re.compile(r"\breq_\w+|\b0x[0-9a-f]+|<Combination [^>]*>")
"""Matches ids of requests, addresses of objects and combinations, which differ between runs."""


def remove_sdk_frames(item: pytest.Item, call: pytest.CallInfo[None], traffic: "CassetteTraffic | None") -> None:
    """Cut the frames of the SDK off the traceback of its error for an HTTP status.

    The last frame is then the line of the user's code that sent the request. Other errors keep their frames, and so do
    errors in a live run and errors with `--full-trace`.
    """
    if call.excinfo is None or traffic is None or traffic.plan.can_reach_live_api or item.config.getoption("fulltrace"):
        return
    error = call.excinfo.value
    if _top_level_package(type(error).__module__) != _SDK_PACKAGE or not hasattr(error, "status_code"):
        return
    entries = _traceback_entries(error.__traceback__)
    own = [
        one for one in entries if _top_level_package(one.tb_frame.f_globals.get("__name__", "")) not in _HTTP_LIBRARIES
    ]
    own[-1].tb_next = None  # there are always frames of pytest


def _traceback_entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _top_level_package(module: str) -> str:
    return module.partition(".")[0]


class RepeatedErrorHider:
    """Prints an error with which several combinations or tests fail only once, with the names of the others.

    With `-v`, the error of each test is printed.
    """

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hide the failures that repeat an error, before pytest prints them. pytest's short summary still lists
        them.
        """
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None or session.config.get_verbosity() > 0:
            return
        for outcome in ("failed", "error"):
            groups: dict[tuple[str, ...], list[pytest.TestReport]] = {}
            for report in terminal.stats.get(outcome, ()):
                if isinstance(report, pytest.TestReport) and (error := _error_key(report)):
                    groups.setdefault(error, []).append(report)
            for first, *others in groups.values():
                _merge_repeated_reports(first, others)


def _error_key(report: pytest.TestReport) -> tuple[str, ...]:
    """Return a key that is equal for reports of the same error, or an empty tuple if the report must be printed anyway.

    The key has the phase and the message, without what differs in each run. If the error has a traceback, the key also
    has its location and the test, and is empty for a test without combinations.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ()
    message = _VARYING_TEXT_PATTERN.sub("", crash.message)
    if getattr(getattr(report.longrepr, "reprtraceback", None), "style", "") == _MESSAGE_ONLY_STYLE:
        return str(report.when), message
    if "flag_matrix" not in report.keywords:
        return ()
    return str(report.when), f"{crash.path}:{crash.lineno}", message, report.nodeid.partition("[")[0]


def _merge_repeated_reports(first: pytest.TestReport, others: list[pytest.TestReport]) -> None:
    """Add the tests of `others` to the report `first`, which has the same error, and shorten the others.

    pytest then prints nothing for a failed call in `others`, and one line for a failed setup or teardown.
    """
    if not others:
        return
    names = join_names(report.nodeid for report in others)
    title = f"the same error in {count_with_noun(len(others), 'other test')}"
    first.sections.append((title, f"{names}; pytest -v prints each of them"))
    for report in others:
        if report.when == "call":
            report._pdbshown = True  # type: ignore[attr-defined]  # pytest takes it for printed by its debugger
        else:
            report.longrepr = f"the same error as in {first.nodeid}"
