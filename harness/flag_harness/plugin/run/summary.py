"""Print the table at the end of a run, from the rows of the run record that this process and its workers made."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.limits.age import MaxRecordingAge, recording_age_lines
from flag_harness.plugin.limits.spending import NOTHING_SPENT_NOTICE, spending_lines
from flag_harness.plugin.marks import all_flags
from flag_harness.plugin.options.run_options import FAIL_ON_CACHE_BREAK, FAIL_ON_LOG_ERROR
from flag_harness.plugin.run.recorded_files import RecordedFiles
from flag_harness.plugin.test.rows import attached_row
from flag_harness.report.table import has_log_error, logged_error_lines, summary_lines

if TYPE_CHECKING:
    from flag_harness.record import RunRow

NO_DETECTORS_WARNING = (
    "privacy: no detectors of personal data are declared, so live recordings keep what people wrote; declare some in "
    "[tool.flag-harness.privacy], or leave that table empty if there are none to find (docs/privacy.md)"
)


class RunSummary:
    """Collects the rows of the run record and prints the table. It prints nothing if there are no rows."""

    def __init__(self, max_age: MaxRecordingAge | None = None, *, has_detectors: bool = True) -> None:
        self._max_recording_age, self._has_detectors = max_age, has_detectors
        self.rows: list[RunRow] = []
        self._files = RecordedFiles()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the row of the run record and the recorded files in a report.

        If the teardown failed, the row in its report replaces the earlier row of the test.
        """
        self._files.collect_files_in_report(report)
        if (row := attached_row(report)) is None:
            return
        if row.phase == "teardown":
            self.rows = [other for other in self.rows if _row_sort_key(other) != _row_sort_key(row)]
        self.rows.append(row)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """With `--harness-fail-on`, fail the run if a test logged an error, or if a changed block made a cached prefix
        useless.
        """
        if hasattr(session.config, "workerinput") or session.exitstatus != pytest.ExitCode.OK:
            return
        chosen = session.config.getoption("--harness-fail-on")
        has_error = FAIL_ON_LOG_ERROR in chosen and any(has_log_error(row) for row in self.rows)
        has_break = FAIL_ON_CACHE_BREAK in chosen and any(row.cache_use and row.cache_use.breaks for row in self.rows)
        if has_error or has_break:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the table, and lines about recorded files, logged errors and old recordings."""
        verbosity = terminalreporter.config.get_verbosity()
        files = [*self._files.summary_lines(verbosity)]
        rows = sorted((row for row in self.rows if row.sweep is None), key=lambda row: row.case)
        if not rows and not files:
            return
        from flag_harness.analysis.verdict.reliability import reliability_lines  # imported here: few runs need it

        terminalreporter.section("flag harness")
        now = datetime.now(UTC)
        for line in (
            *summary_lines(rows, now, verbosity < 0),
            *logged_error_lines(rows),
            *_prompt_cache_lines(rows),
            *files,
        ):
            terminalreporter.write_line(line)
        for line in reliability_lines(rows) if any(row.repetition for row in rows) else ():
            terminalreporter.write_line(line)
        for line in spending_lines(rows):
            terminalreporter.write_line(line)
        if terminalreporter.config.getoption("--harness-max-cost") and not any(
            row.answered_by == "live" for row in rows
        ):
            terminalreporter.write_line(NOTHING_SPENT_NOTICE)
        for line in recording_age_lines(self._max_recording_age, self.rows, now) if self._max_recording_age else ():
            terminalreporter.write_line(line)
        if not self._has_detectors and any(row.answered_by == "live" for row in self.rows):
            terminalreporter.write_line(NO_DETECTORS_WARNING)
        if verbosity >= 0 and len({row.combination for row in rows}) > 1:
            _write_flag_costs(terminalreporter, rows)


def _write_flag_costs(terminalreporter: "pytest.TerminalReporter", rows: "Sequence[RunRow]") -> None:
    """Print what each flag costs or saves, if a test ran with it and without it."""
    from flag_harness.report.flags.cost_lines import flag_cost_lines  # imported here: only runs of a matrix need it

    if lines := [*flag_cost_lines(rows, all_flags(terminalreporter.config))]:
        terminalreporter.section("what each flag costs (+) or saves (-)", sep="-")
        for line in lines:
            terminalreporter.write_line(line)


def _row_sort_key(row: "RunRow") -> tuple[str, int]:
    return row.case, row.repetition


def _prompt_cache_lines(rows: "Sequence[RunRow]") -> "Iterator[str]":
    if all(row.cache_use is None for row in rows):
        return
    from flag_harness.report.cache_map import cache_lines  # imported here: a run without cache marks does not need it

    yield from cache_lines(rows)
