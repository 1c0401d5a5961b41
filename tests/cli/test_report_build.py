"""`flag-harness report build`: from records to a file for people."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.config import read_config
from flag_harness.record import (
    RunHeader,
    RunRow,
    append_row_to_file,
    encode_record,
    flag_declaration,
    load_record,
    start_record_file,
)
from flag_harness.report.failures.causes import flags_in_header

ROW = RunRow(case="test_a.py::test_a", combination="off", outcome="passed")

FLAGS = """
[tool.flag-harness.flags]
variable = "VARIABLE"
on_by_default = { env = "ON", default = true }
off_by_text = { env = "TEXT", default = true, off = "true" }
empty_text = { env = "EMPTY", on = "1", off = "" }
key = { openfeature = "deep", margin = 0.1, expect = { cost = "lower" } }
target = { set = "settings:override", requires = ["variable"] }
fixture = { set = "harness_set_flags", excludes = ["key"] }
model = { env = "MODEL", values = { small = "claude-haiku-4-5", large = "claude-opus-4-5" } }
limit = { openfeature = "limit", values = [1, 2.5, [3]] }
bm25 = { env = "BM25", default = true, off = "false" }
vectors = { openfeature = "vectors" }
[tool.flag-harness.groups]
search = ["bm25", "vectors"]
"""


def _write(path: Path, *cases: str) -> str:
    rows = [RunRow(case=case, combination="off", outcome="passed") for case in cases]
    path.write_bytes(encode_record(RunHeader(started_at=datetime.now(UTC).isoformat()), rows))
    return str(path)


def test_shards_are_reported_as_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several records are merged before they are reported."""
    shards = [_write(tmp_path / f"{name}.jsonl", f"test_{name}.py::test_it") for name in "ab"]
    output = tmp_path / "out.md"
    assert 0 == main(["report", "build", *shards, "-o", str(output)])
    assert f"{output}: a report of 2 rows\n" == capsys.readouterr().out
    assert "## ✅ No run failed: 2 of 2 passed" == output.read_text("utf-8").splitlines()[0]


def test_the_last_run_is_reported_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As pytest's cache keeps it; without one, the error says to run pytest."""
    monkeypatch.chdir(tmp_path)
    assert 2 == main(["report", "build", "-o", "out.html"])
    assert "there is no last run; run pytest first, or name a record" in capsys.readouterr().err
    folder = tmp_path / ".pytest_cache" / "d" / "flag-harness"
    folder.mkdir(parents=True)
    _write(folder / "last-run.jsonl", "test_a.py::test_a")
    assert 0 == main(["report", "build", "-o", "out.html"])
    assert "No run failed: 1 of 1 passed" in (tmp_path / "out.html").read_text("utf-8")


def test_a_torn_record_is_reported_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and the rows before the torn line are in the report."""
    path = tmp_path / "run.jsonl"
    start_record_file(path, RunHeader())
    append_row_to_file(path, ROW)
    with path.open("ab") as file:
        file.write(b'{"case":')
    assert 1 == main(["report", "build", str(path), "-o", str(tmp_path / "out.md")])
    assert "the last line is incomplete" in capsys.readouterr().out
    assert "**Incomplete:**" in (tmp_path / "out.md").read_text("utf-8")


def test_an_unknown_format_is_refused_before_records_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the formats."""
    assert 2 == main(["report", "build", str(tmp_path / "none.jsonl"), "-o", "out.pdf"])
    assert ".html, .md, .json" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["html", "md", "json"])
def test_flags_of_every_source_are_reported_as_declared(tmp_path: Path, suffix: str) -> None:
    """A report can be made of a record whose flags have variables, OpenFeature keys, targets, values and groups."""
    project = tmp_path / "pyproject.toml"
    project.write_text(FLAGS, encoding="utf-8")
    flags = read_config(project).flags
    header = RunHeader(flags={flag.name: flag_declaration(flag) for flag in flags})
    values = {flag.name: flag.default for flag in flags}
    rows = [
        RunRow(case="test_a.py::test_a[off]", combination="off", outcome="passed", values=values),
        RunRow(
            case="test_a.py::test_a[key]",
            combination="key",
            outcome="failed",
            values={**values, "key": True},
            reason="assert False",
        ),
    ]
    record, output = tmp_path / "run.jsonl", tmp_path / f"out.{suffix}"
    record.write_bytes(encode_record(header, rows))
    assert 0 == main(["report", "build", str(record), "-o", str(output)])
    assert "fails when key is on" in output.read_text("utf-8")
    expected = sorted(flags, key=lambda flag: flag.name)
    assert expected == sorted(flags_in_header(load_record(record).header), key=lambda flag: flag.name)
