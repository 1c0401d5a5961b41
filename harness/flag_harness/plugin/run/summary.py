"""The closing table in the terminal, made from the reports of this process or of its workers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from flag_harness.plugin.run.age import MaxAge, old_lines
from flag_harness.report.table import summary_lines


class Summary:
    """Collects the rows of the run's record and prints the table; a run without any prints nothing."""

    def __init__(self, limit: MaxAge | None = None) -> None:
        self._limit = limit
        self.rows: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the row that came with the report; what was torn down in vain has failed after all."""
        if (row := getattr(report, "flag_harness", None)) is not None:
            self.rows.append(row)
        if report.when == "teardown" and report.failed:
            for row in (row for row in self.rows if row["case"] == report.nodeid):
                row["outcome"] = "failed"

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the table."""
        if not self.rows:
            return
        terminalreporter.section("flag harness")
        now = datetime.now(UTC)
        for line in summary_lines(sorted(self.rows, key=lambda row: str(row["case"])), now):
            terminalreporter.write_line(line)
        for line in old_lines(self._limit, self.rows, now) if self._limit else ():
            terminalreporter.write_line(line)
