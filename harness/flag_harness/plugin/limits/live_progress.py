"""Say every half minute of a live run what it has spent so far, on a terminal."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.limits.spending import spending_lines
from flag_harness.plugin.test.rows import attached_row

if TYPE_CHECKING:
    from flag_harness.record import RunRow

SECONDS_BETWEEN_LINES = 30.0


class LiveProgress:
    """Prints what the finished tests have spent at the live API. It is silent with `-q`, and without a terminal."""

    def __init__(self, config: pytest.Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = config, clock
        self._printed_at = clock()
        self._rows: dict[str, RunRow] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the row of the run record in a test's report. Print a line if the previous line is at least half a
        minute old.
        """
        if (row := attached_row(report)) is not None:
            self._rows[report.nodeid] = row
        terminal: Any = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is None or not terminal.isatty() or self._config.get_verbosity() < 0:
            return
        if report.when != "teardown" or self._clock() - self._printed_at < SECONDS_BETWEEN_LINES:
            return
        self._printed_at = self._clock()
        for line in spending_lines(self._rows.values()):
            terminal.ensure_newline()
            terminal.write_line(f"so far, {line}")
