"""`flag-harness cassette stat`: what is recorded, by file and in all."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cassette import CassetteMetadata, Interaction
from flag_harness.cassette.file.format import encode_cassette_in_one_file
from flag_harness.cli import main
from flag_harness.wire.timeline import Chunk, End, Head, Request

MODEL = "claude-haiku-4-5"
"""$1 in and $5 out for a million tokens."""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(path: str, *statuses: int, upstream: Any = "live", days: float = 0, model: str = MODEL) -> int:
    """A cassette with a plain answer a status; its size in bytes."""
    body = json.dumps({"model": model}).encode() if model else b""
    data = json.dumps({"usage": {"input_tokens": 1000, "output_tokens": 100, "cache_read_input_tokens": 500}}).encode()
    request = Request("POST", "/v1/messages", (), body)
    answers = [(Head(0.1, status, ()), Chunk(0.2, data if status == 200 else b"{}"), End(0.3)) for status in statuses]
    moment = (datetime.now(UTC) - timedelta(days=days, minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ") if days >= 0 else ""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(
        encode_cassette_in_one_file(
            CassetteMetadata(upstream, moment), [Interaction(request, answer) for answer in answers]
        )
    )
    return file.stat().st_size


def _stat(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = main(["cassette", "stat", *arguments])
    return code, [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_each_file_and_all_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the configured directory; the age in all is that of the oldest."""
    Path("pyproject.toml").write_text('[tool.flag-harness]\nrecordings = "kept"\n', encoding="utf-8")
    sizes = [_write("kept/a.json", 200, 529, days=2), _write("kept/b/c.json", 200, upstream="simulator")]
    kib = [f"{size / 1024:.1f} KiB" for size in (*sizes, sum(sizes))]
    assert (
        0,
        [
            "cassette requests errors streams input cached output cost size days upstream",
            f"kept/a.json 2 1 0 1,500 500 100 $0.0015 {kib[0]} 2 live",
            f"kept/b/c.json 1 0 0 1,500 500 100 $0.0015 {kib[1]} 0 simulator",
            f"2 cassettes 3 1 0 3,000 1,000 200 $0.0031 {kib[2]} 2 1 live, 1 simulator",
            f"models: {MODEL} (3)",
        ],
    ) == _stat(capsys)


def test_without_recordings_there_is_nothing_to_sum_up(capsys: pytest.CaptureFixture[str]) -> None:
    """A project may have none yet."""
    assert (0, ["0 cassettes 0 0 0 0 0 0 $0.0000 0.0 KiB - -", "models: none"]) == (
        (result := _stat(capsys))[0],
        result[1][1:],
    )


def test_what_is_not_known_is_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    """The price of a model, the moment of a recording, a request's model."""
    _write("a.json", 200, model="claude-unheard-of", days=-1)
    _write("b.json", 200, model="")
    code, lines = _stat(capsys, "a.json", "b.json")
    cells = [line.split() for line in lines]
    assert (0, ["-", "-"], "-", "-") == (code, [cells[1][7], cells[1][10]], cells[2][7], cells[3][8])
    assert "models: claude-unheard-of (1)" == lines[-1]


def test_streams_are_told_from_plain_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts, all of it as one JSON object."""
    shipped = Path(__file__).parents[2] / "recordings" / "matrix"
    code, lines = _stat(capsys, str(shipped / "streaming.json"), str(shipped / "off.json"), "--json")
    report = json.loads("\n".join(lines))
    assert (0, [(2, 0), (0, 2)]) == (code, [(one["streams"], one["plain"]) for one in report["cassettes"]])
    total = report["total"]
    assert ({"simulator": 2}, {"claude-sonnet-5-5": 4}, 4, 0) == tuple(
        total[name] for name in ("upstreams", "models", "interactions", "errors")
    )
    assert total["usage"]["input_tokens"] == sum(one["usage"]["input_tokens"] for one in report["cassettes"])
    assert total["cost"] == pytest.approx(sum(one["cost"] for one in report["cassettes"]))
    assert [] == report["unreadable"]


def test_files_that_cannot_be_read_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are summed up."""
    _write("kept/a.json", 200)
    Path("kept/b.json").write_text("{}")
    code, lines = _stat(capsys, "kept")
    assert 1 == code
    assert lines[2].startswith("1 cassette 1 0 0 ")
    assert lines[-1].startswith("kept/b.json: cannot be read as a cassette: ")
    code, lines = _stat(capsys, "kept", "--json")
    assert (1, ["kept/b.json"]) == (code, [one["path"] for one in json.loads("\n".join(lines))["unreadable"]])


def test_a_path_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """With what to type."""
    assert 2 == main(["cassette", "stat", "nowhere"])
    expected = "nowhere: there is no such file or directory; name cassettes, or a directory of them\n"
    assert expected == capsys.readouterr().err
