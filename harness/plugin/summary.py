"""The closing table in the terminal, made from the reports of this process or of its workers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from harness.report.table import closing_lines


class Summary:
    """Collects the rows of the run's record and prints the table; a run without any prints nothing."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the row that came with the report."""
        if (row := getattr(report, "harness", None)) is not None:
            self.rows.append(row)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        if not self.rows:
            return
        terminalreporter.section("flag harness")
        for line in closing_lines(sorted(self.rows, key=lambda row: str(row["case"])), datetime.now(UTC)):
            terminalreporter.write_line(line)
