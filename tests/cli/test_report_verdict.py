"""`flag-harness report verdict`: verdicts from the records of finished runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main
from flag_harness.flag import Flag
from flag_harness.record import RunHeader, RunRow, SweepRecord, encode_record, flag_declaration

FLAGS = {flag.name: flag_declaration(flag) for flag in (Flag("strict", env="STRICT"), Flag("fast", env="FAST"))}
NAMES = ("off", "strict", "fast")


def _write(
    path: Path,
    losses: int,
    rounds: int = 100,
    options: tuple[str, ...] = (),
    names: Sequence[str] = NAMES,
    **fields: Any,
) -> str:
    """Write the record of a run in which the first runs with the flag `strict` fail."""
    rows = [
        RunRow(
            case=f"test_it.py::test_refund[{name}]",
            combination=name,
            values={"strict": name == "strict", "fast": name == "fast"},
            outcome="failed" if name == "strict" and number < losses else "passed",
            repetition=number,
            **{"answered_by": "live", **fields},
        )
        for number in range(rounds)
        for name in names
    ]
    found = SweepRecord("s", "cut", {})
    sweep = RunRow(case="s", combination="off", outcome="failed", values={"strict": True}, sweep=found)
    path.write_bytes(encode_record(RunHeader(flags=FLAGS, options=options), [*rows, sweep]))
    return str(path)


def test_flags_that_vary_are_judged_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that fails fails the command, and a PASS of the other one is said."""
    record = _write(tmp_path / "run.jsonl", 40)
    assert 1 == main(["report", "verdict", record])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("strict: FAIL after 100 rounds: it is worse with the flag in test_it.py::test_refund[*]")
    assert lines[0].startswith(
        "fast: PASS after 100 rounds; worst: test_it.py::test_refund[*], the same with and without the flag"
    )
    assert "judged once, by 300 runs of 1 record. The error rates hold if" in lines[4]
    assert 0 == main(["report", "verdict", record, "--flags=fast", "--json"])
    [verdict] = json.loads(capsys.readouterr().out)["verdicts"]
    assert ("fast", "pass", False) == (verdict["flag"], verdict["verdict"], verdict["is_simulated"])


def test_rounds_of_several_runs_add_up_unless_they_are_copies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal seeds and equal recordings give equal answers. They are one observation, which the command says."""
    live = [_write(tmp_path / f"live-{number}.jsonl", 0, 50 + number) for number in range(2)]
    assert 0 == main(["report", "verdict", *live])
    assert "strict: PASS after 101 rounds" in capsys.readouterr().out
    for name, fields in (
        ("simulated", {"answered_by": "simulator"}),
        ("played", {"answered_by": None, "recorded_at": "2026-11-01T00:00:00Z", "recorded_from": "live"}),
    ):
        paths = [_write(tmp_path / f"{name}-{number}.jsonl", 0, 1 + number, **fields) for number in range(2)]
        assert 1 == main(["report", "verdict", *paths])
        output = capsys.readouterr().out
        assert f"strict: INCONCLUSIVE{' (simulator only)' if name == 'simulated' else ''} after" in output
        assert "left out: another record has the same recording, or the same seed" in output
    seeds = [
        _write(tmp_path / f"seed-{seed}.jsonl", 0, 60, ("--harness-seed", str(seed)), answered_by="simulator")
        for seed in (1, 2)
    ]
    assert 0 == main(["report", "verdict", *seeds])
    assert "strict: PASS (simulator only) after 120 rounds" in capsys.readouterr().out


def test_production_is_the_base_of_each_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If `strict` is on there, the change is to turn it off."""
    record, baseline = _write(tmp_path / "run.jsonl", 40, names=("off", "strict")), tmp_path / "prod.json"
    baseline.write_text('{"strict": true}')
    assert 0 == main(["report", "verdict", record, "--flags=strict", f"--baseline={baseline}"])
    assert "no-strict: PASS after 100 rounds" in capsys.readouterr().out


def test_a_flag_that_does_not_vary_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names those that do."""
    record = _write(tmp_path / "run.jsonl", 0, 1)
    assert 2 == main(["report", "verdict", record, "--flags=slow"])
    assert f"no test in {record} ran with and without 'slow', but with fast, strict" in capsys.readouterr().err
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(encode_record(RunHeader(flags=FLAGS), []))
    assert 2 == main(["report", "verdict", str(empty)])
    assert f"{empty}: no test ran with and without a flag" in capsys.readouterr().err
