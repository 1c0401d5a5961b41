"""Prints the closing table from the rows of the run record, of this process or of its workers."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.run.age import MaxAge, age_lines
from flag_harness.plugin.test.rows import attached_row
from flag_harness.report.table import summary_lines

if TYPE_CHECKING:
    from flag_harness.record import RunRow


class RunSummary:
    """Collects the rows of the run record and prints the table. It prints nothing if there are no rows."""

    def __init__(self, limit: MaxAge | None = None) -> None:
        self._limit = limit
        self.rows: list[RunRow] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the row of a report. The row of a teardown that failed replaces the one of the test's call."""
        if (row := attached_row(report)) is None:
            return
        if row.phase == "teardown":
            self.rows = [other for other in self.rows if other.case != row.case]
        self.rows.append(row)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the table."""
        if not self.rows:
            return
        terminalreporter.section("flag harness")
        now = datetime.now(UTC)
        rows = sorted(self.rows, key=lambda row: row.case)
        is_quiet = terminalreporter.config.get_verbosity() < 0
        for line in summary_lines(rows, now, is_quiet):
            terminalreporter.write_line(line)
        for line in age_lines(self._limit, self.rows, now) if self._limit else ():
            terminalreporter.write_line(line)
