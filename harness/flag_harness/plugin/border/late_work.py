"""Report the threads and tasks that tests left running, and the requests that these sent too late."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.owner import SubmittedWork
from flag_harness.plugin.test.rows import attach_row, attached_row, has_record_row

if TYPE_CHECKING:
    from flag_harness.plugin.border.border import NetworkBorder

_REFUSED_REQUESTS_ATTRIBUTE, _WORK_LEFT_ATTRIBUTE = "flag_harness_late_requests", "flag_harness_left_running"
"""The attributes of a report that hold late requests and work left running, as pairs of a test and a message.

A worker of pytest-xdist sends what it has no report for under the same names, as keys of its output.
"""


def make_late_request_message(owner: str, attempt: str, sender: str) -> str:
    """Return the message for a request that was refused because its test or fixture had ended.

    `owner` names the test or fixture, `attempt` the request, and `sender` the thread or task that sent it.
    """
    return (
        f"{attempt} was refused: {sender} sent it after {owner}, which started it, had ended.\n"
        "Let the test wait for it: join the thread, await the task, or shut the pool down. If it works for many tests, "
        "start it in a fixture of a wider scope."
    )


def make_running_work_message(owner: str, remaining_work: Sequence[SubmittedWork]) -> str:
    """Return a line that names the threads, tasks and jobs which a test or fixture, `owner`, left running."""
    return f"{owner} was recorded, and left running: {', '.join(work.description for work in remaining_work)}"


class LateWorkMessages:
    """Collects messages about refused late requests and about work left running, until they are moved to a report."""

    def __init__(self) -> None:
        self.refused_requests: list[tuple[str, str]] = []
        self.work_left_running: list[tuple[str, str]] = []

    def move_to_report(self, report: Any) -> None:
        """Move all collected messages to a report."""
        for name, found in (
            (_REFUSED_REQUESTS_ATTRIBUTE, self.refused_requests),
            (_WORK_LEFT_ATTRIBUTE, self.work_left_running),
        ):
            if found:
                setattr(report, name, [list(pair) for pair in found])
                found.clear()


class LateWorkReporter:
    """Reports an error for each test whose threads or tasks sent a late request, and prints work left running."""

    def __init__(self, config: pytest.Config, border: "NetworkBorder") -> None:
        self._config, self._border, self._late_work = config, border, border.late_work
        self._left_running_messages: list[str] = []
        self._reported: set[tuple[str, str]] = set()
        self._row_reports: dict[str, pytest.TestReport] = {}
        """By node id, that report of each test which contains the test's row of the run record."""

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the late-work messages of a test, which the report carries.

        Reports of workers arrive in the main process.
        """
        if not hasattr(self._config, "workerinput"):
            if has_record_row(report):
                self._row_reports[report.nodeid] = report
            self._collect_messages(
                getattr(report, _REFUSED_REQUESTS_ATTRIBUTE, ()), getattr(report, _WORK_LEFT_ATTRIBUTE, ())
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect the messages that a worker of pytest-xdist added after its last report."""
        output = getattr(node, "workeroutput", {})
        self._collect_messages(output.get(_REFUSED_REQUESTS_ATTRIBUTE, ()), output.get(_WORK_LEFT_ATTRIBUTE, ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Report the messages that were collected after the last report. A worker sends them to the main process."""
        self._border.wait_for_work_that_delays_exit()
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_REFUSED_REQUESTS_ATTRIBUTE], output[_WORK_LEFT_ATTRIBUTE] = (
                self._late_work.refused_requests,
                self._late_work.work_left_running,
            )
            return
        failed = session.testsfailed
        self._collect_messages(self._late_work.refused_requests, self._late_work.work_left_running)
        if session.testsfailed > failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _collect_messages(self, refused: Sequence[Sequence[str]], left_running: Sequence[Sequence[str]]) -> None:
        self._left_running_messages += [text for _, text in left_running]
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
        """Print the threads, tasks and jobs that recorded tests left running."""
        if not self._left_running_messages:
            return
        terminalreporter.section("left running")
        for line in dict.fromkeys(self._left_running_messages):
            terminalreporter.write_line(line)
        terminalreporter.write_line("What it sends now is refused. Let the test wait for it before it ends.")
