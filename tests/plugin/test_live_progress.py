"""What a live run says of its spending while it runs."""

from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.plugin.limits import live_progress
from flag_harness.plugin.limits.live_progress import LiveProgress
from flag_harness.record import RequestRecord, RunRow

ROW = RunRow(
    case="test_a.py::test_a",
    combination="",
    outcome="passed",
    answered_by="live",
    cost=0.25,
    requests=(RequestRecord("POST", "/v1/messages", 200, ""),),
)


@pytest.mark.parametrize(
    ("is_terminal", "verbosity", "expected"),
    [
        (True, 0, ["so far, spent at the live API: $0.2500 at list price, by 1 test with 1 request"]),
        (True, -1, []),
        (False, 0, []),
    ],
    ids=["a terminal", "a quiet run", "a file"],
)
def test_a_live_run_says_every_half_minute_what_it_has_spent(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, verbosity: int, expected: list[str]
) -> None:
    """On a terminal only, and not before a test has ended; the next half minute begins with the line."""
    lines: list[str] = []
    terminal = SimpleNamespace(isatty=lambda: is_terminal, write_line=lines.append, ensure_newline=lambda: None)
    manager = SimpleNamespace(getplugin=lambda name: terminal)
    config: Any = SimpleNamespace(pluginmanager=manager, get_verbosity=lambda: verbosity)
    monkeypatch.setattr(live_progress, "attached_row", lambda report: report.row)
    times = iter([0.0, 29.0, 31.0, 31.0, 40.0])
    progress = LiveProgress(config, lambda: next(times))
    for when, row in (("teardown", ROW), ("call", ROW), ("teardown", None), ("teardown", ROW)):
        progress.pytest_runtest_logreport(SimpleNamespace(when=when, row=row, nodeid="test_a.py::test_a"))  # type: ignore[arg-type]
    assert expected == lines
