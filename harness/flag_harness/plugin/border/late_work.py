"""What tests left running, and what that sent after they had ended: from workers, too, to an error of the test."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.owner import SubmittedWork
from flag_harness.plugin.test.rows import attach_row, attached_row, has_row

if TYPE_CHECKING:
    from flag_harness.plugin.border.border import Border

_REFUSED, _LEFT = "flag_harness_late_requests", "flag_harness_left_running"
"""The attributes of a report, and the keys of a worker's output, for pairs of a test and a message."""


def late_request_message(owner: str, what: str, sender: str) -> str:
    """Return the message of a request that was refused because its owner has ended."""
    return (
        f"{what} was refused: {sender} sent it after {owner}, which started it, had ended.\n"
        "Let the test wait for it: join the thread, await the task, or shut the pool down. If it works for many tests, "
        "start it in a fixture of a wider scope."
    )


def left_running_message(owner: str, left: Sequence[SubmittedWork]) -> str:
    """Return the line that says what an owner left running."""
    return f"{owner} was recorded, and left running: {', '.join(work.description for work in left)}"


class LateWork:
    """Collects what was refused and what was left running in this process, until a report takes it."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, str]] = []
        self.left_running: list[tuple[str, str]] = []

    def attach(self, report: Any) -> None:
        """Move everything to a report."""
        for name, found in ((_REFUSED, self.refused), (_LEFT, self.left_running)):
            if found:
                setattr(report, name, [list(pair) for pair in found])
                found.clear()


class LateWorkReporter:
    """Makes an error of each test whose threads or tasks sent something late, and prints what was left running."""

    def __init__(self, config: pytest.Config, border: "Border") -> None:
        self._config, self._border, self._late_work = config, border, border.late_work
        self._left_running_messages: list[str] = []
        self._reported: set[tuple[str, str]] = set()
        self._row_reports: dict[str, pytest.TestReport] = {}
        """The reports with the rows of tests, by node id."""

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a report tells; reports of workers arrive in the main process."""
        if not hasattr(self._config, "workerinput"):
            if has_row(report):
                self._row_reports[report.nodeid] = report
            self._collect_messages(getattr(report, _REFUSED, ()), getattr(report, _LEFT, ()))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect what came after the last report of a worker."""
        output = getattr(node, "workeroutput", {})
        self._collect_messages(output.get(_REFUSED, ()), output.get(_LEFT, ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send what came after the last report to the main process; there, let it count in the exit status."""
        self._border.wait_for_work_that_delays_exit()
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_REFUSED], output[_LEFT] = self._late_work.refused, self._late_work.left_running
            return
        failed = session.testsfailed
        self._collect_messages(self._late_work.refused, self._late_work.left_running)
        if session.testsfailed > failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _collect_messages(self, refused: Sequence[Sequence[str]], left: Sequence[Sequence[str]]) -> None:
        self._left_running_messages += [text for _, text in left]
        if not refused:
            return
        import msgspec  # imported here: a run without the harness does not need it

        for test, text in refused:
            if (test, text) in self._reported:
                continue
            self._reported.add((test, text))
            file, _, name = test.partition("::")
            location = file, None, name.replace("::", ".") or file
            report = pytest.TestReport(test, location, {}, "failed", text, "teardown")
            if test in self._row_reports and (row := attached_row(self._row_reports[test])) is not None:
                attach_row(report, msgspec.structs.replace(row, outcome="failed", phase="teardown"))
            self._config.hook.pytest_runtest_logreport(report=report)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print what recorded tests left running."""
        if not self._left_running_messages:
            return
        terminalreporter.section("left running")
        for line in dict.fromkeys(self._left_running_messages):
            terminalreporter.write_line(line)
        terminalreporter.write_line("What it sends now is refused. Let the test wait for it before it ends.")
