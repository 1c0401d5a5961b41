"""`flag-harness report logs`: what the code under test logged in a run."""

import json
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.record import LogCount, RunHeader, RunRow, encode_record


def _write(path: Path, *rows: RunRow) -> str:
    path.write_bytes(encode_record(RunHeader(exit_status=0), rows))
    return str(path)


def _row(name: str, *logs: LogCount, betas: tuple[str, ...] = ()) -> RunRow:
    return RunRow(case=f"test_a.py::{name}", combination="off", outcome="passed", log_counts=logs, dropped_betas=betas)


def test_messages_are_grouped_with_the_tests_that_logged_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors come before warnings, and tests that logged a message most often come first."""
    broken, slow = ("ERROR", "agent", "broke off: %s"), ("WARNING", "agent", "slow")
    path = _write(
        tmp_path / "run.jsonl",
        _row("test_one", LogCount(*slow, 9), LogCount(*broken, 1)),
        _row("test_other", LogCount(*broken, 2), betas=("old-beta",)),
        _row("test_quiet"),
    )
    assert 0 == main(["report", "logs", path])
    expected = [
        "2 messages, logged 12 times in 2 of 3 runs",
        "",
        "ERROR agent: broke off: %s",
        "       2  test_a.py::test_other",
        "       1  test_a.py::test_one",
        "",
        "WARNING agent: slow",
        "       9  test_a.py::test_one",
        "",
        "beta old-beta: refused by the API and then dropped, in 1 run",
        "          test_a.py::test_other",
    ]
    assert expected == capsys.readouterr().out.splitlines()
    assert 0 == main(["report", "logs", path, "--json"])
    values = json.loads(capsys.readouterr().out)
    assert {"test_a.py::test_other": 2, "test_a.py::test_one": 1} == values["logs"][0]["tests"]
    assert {"old-beta": ["test_a.py::test_other"]} == values["dropped_betas"]


def test_a_quiet_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the number of runs."""
    assert 0 == main(["report", "logs", _write(tmp_path / "run.jsonl", _row("test_one"))])
    assert "No warning and no error was logged in 1 run.\n" == capsys.readouterr().out


def test_beyond_ten_tests_only_their_number_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of those that logged the same message."""
    path = _write(
        tmp_path / "run.jsonl", *(_row(f"test_{n}", LogCount("ERROR", "agent", "down", 1)) for n in range(13))
    )
    assert 0 == main(["report", "logs", path])
    assert "  and 3 more runs; --json has all" in capsys.readouterr().out.splitlines()
