"""Shorten what pytest prints about failed tests.

The SDK's frames say nothing about an error of the API that the harness answered, and an error that several combinations
of a test share is printed once.
"""

import re
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic

_SDK_PACKAGE = "anthropic"
_HTTP_LIBRARIES = frozenset({_SDK_PACKAGE, "httpx", "httpx2", "flag_harness"})
_VARYING_TEXT = re.compile(r"\breq_\w+|\b0x[0-9a-f]+|<Combination [^>]*>")
"""Ids of requests, addresses of objects and combinations, which differ in each run."""


def remove_sdk_frames(item: pytest.Item, call: pytest.CallInfo[None], traffic: "CassetteTraffic | None") -> None:
    """End the traceback of the SDK's error for an HTTP status at the user's last frame, which sent the request.

    Other errors keep their frames. So do those of the live API, and all with `--full-trace`.
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


class RepeatedErrors:
    """Prints an error that several combinations of a test share once, and names the others there. `-v` prints each."""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hide the failures that repeat an error, before pytest prints them. They stay in its short summary."""
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None or session.config.get_verbosity() > 0:
            return
        for outcome in ("failed", "error"):
            groups: dict[tuple[str, ...], list[pytest.TestReport]] = {}
            for report in terminal.stats.get(outcome, ()):
                if isinstance(report, pytest.TestReport) and "flag_matrix" in report.keywords:
                    groups.setdefault(_test_and_error_of_report(report), []).append(report)
            for first, *others in groups.values():
                _hide_reports(first, others)


def _test_and_error_of_report(report: pytest.TestReport) -> tuple[str, ...]:
    """Return the test, the phase, the place and the message of a failure, without what differs in each run."""
    crash = getattr(report.longrepr, "reprcrash", None)
    place = f"{crash.path}:{crash.lineno}" if crash else ""
    message = _VARYING_TEXT.sub("", crash.message if crash else str(report.longrepr))
    return report.nodeid.partition("[")[0], str(report.when), place, message


def _hide_reports(first: pytest.TestReport, others: list[pytest.TestReport]) -> None:
    """Print the first report only, and name the combinations of the others after it.

    Of an error in a setup or teardown pytest prints each report, so that those of the others become one line.
    """
    if not others:
        return
    names = [report.nodeid.partition("[")[2].removesuffix("]") for report in others]
    first.sections.append((f"the same error under {', '.join(names)}", "pytest -v prints each of them."))
    for report in others:
        if report.when == "call":
            report._pdbshown = True  # type: ignore[attr-defined]  # pytest takes it for printed by its debugger
        else:
            report.longrepr = f"the same error as under {first.nodeid.partition('[')[2].removesuffix(']')}"
