"""The commands of `flag-harness cassette` on cassettes that share what they have in common."""

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cli import main
from flag_harness.wire.timeline import Chunk, End, Head, Request

TOOLS = [{"name": f"find_{number}", "description": "Finds what the customer asks for. " * 9} for number in range(4)]
OFF, ON = "recordings/off.json", "recordings/concise.json"


def _save(path: str, max_tokens: int, *, has_parts: bool) -> Cassette:
    """A simulated conversation with tools that all cassettes send."""
    body = {"model": "claude-haiku-4-5", "max_tokens": max_tokens, "tools": TOOLS, "messages": [_said("Where is it?")]}
    answer = {"model": "claude-haiku-4-5", "content": [{"type": "text", "text": "It was shipped on Monday. " * 50}]}
    request = Request("POST", "/v1/messages", (), msgspec.json.encode(body))
    response = (Head(0.0, 200, ()), Chunk(0.1, msgspec.json.encode({**answer, "usage": {"input_tokens": 7}})), End(0.2))
    metadata = CassetteMetadata("simulator", "2026-01-02T03:04:05Z", combination=Path(path).stem)
    cassette = Cassette(metadata, (Interaction(request, response),), has_parts=has_parts)
    cassette.save(path)
    return cassette


def _said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two combinations: the first in one file, the other in parts."""
    monkeypatch.chdir(tmp_path)
    _save(OFF, 200, has_parts=False)
    _save(ON, 100, has_parts=True)


def test_a_cassette_in_parts_reads_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Its conversation, its difference from another combination, its sizes, its secrets, and its export."""
    assert ["$json"] == list(json.loads(Path(ON).read_bytes())["interactions"][0])
    assert 0 == main(["cassette", "show", ON, "--no-color"])
    shown = capsys.readouterr().out
    assert "Where is it?" in shown
    assert "It was shipped on Monday." in shown
    assert 1 == main(["cassette", "diff", OFF, ON, "--json"])
    (pair,) = json.loads(capsys.readouterr().out)["interactions"]
    assert ["max_tokens"] == [one["path"] for one in pair["request"]]
    assert 0 == main(["cassette", "check"])
    assert "4 files checked: 0 look like a key, 0 cannot be read" in capsys.readouterr().out
    assert 0 == main(["cassette", "export", ON, "--format", "vcrpy", "--to", "exported"])
    assert "find_3" in Path("exported/concise.yaml").read_text()


def test_stat_counts_what_cassettes_share_once(capsys: pytest.CaptureFixture[str]) -> None:
    """In a line of its own, and in the number of bytes for scripts."""
    _save("recordings/other.json", 100, has_parts=True)
    shared = [file.stat().st_size for file in Path("recordings/blobs").iterdir()]
    assert 0 == main(["cassette", "stat", "--no-color"])
    assert f"shared: 2 files, {sum(shared) / 1024:,.1f} KiB" in capsys.readouterr().out.splitlines()
    assert 0 == main(["cassette", "stat", "--json"])
    assert {"files": 2, "bytes": sum(shared)} == json.loads(capsys.readouterr().out)["shared"]


def test_an_earlier_revision_is_compared_with_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Even if nobody needs its parts any more, so that they were removed."""
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "A"],
    ):
        subprocess.run(["git", *command], check=True)
    for file in Path("recordings/blobs").iterdir():
        file.unlink()
    _save(ON, 300, has_parts=True)
    for before in (f"HEAD:{ON}", f"HEAD:./{ON}"):
        assert 1 == main(["cassette", "diff", before, ON, "--json"])
        (pair,) = json.loads(capsys.readouterr().out)["interactions"]
        assert [("max_tokens", 100, 300)] == [(one["path"], one["before"], one["after"]) for one in pair["request"]]
    assert 2 == main(["cassette", "diff", "HEAD:recordings/no.json", ON])
    assert (
        "HEAD:recordings/no.json: cannot be read as a cassette: git does not find HEAD:recordings/no.json"
    ) in capsys.readouterr().err


def test_an_altered_part_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a revision too, and so is a machine without git."""
    real, data = subprocess.run, Path(ON).read_bytes()

    def run(command: list[str], **options: Any) -> Any:
        return replace_output(data if command[-1] == f"HEAD:{ON}" else b"{}")

    def replace_output(output: bytes) -> Any:
        return real(["cat"], input=output, capture_output=True, check=True)

    monkeypatch.setattr(subprocess, "run", run)
    assert 2 == main(["cassette", "diff", f"HEAD:{ON}", ON])
    assert "was altered" in capsys.readouterr().err

    def fail(command: list[str], **options: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", fail)
    assert 2 == main(["cassette", "diff", f"HEAD:{ON}", ON])
    assert "git is not installed" in capsys.readouterr().err
