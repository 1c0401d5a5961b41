"""Pipes and devices in place of files: no command opens one, since reading it may never end."""

import json
import os
from pathlib import Path

import pytest

from flag_harness.cassette.file.blobs import write_blobs
from flag_harness.cli import main

COMMANDS = (
    ("cassette", "show", "PIPE"),
    ("cassette", "stat", "PIPE"),
    ("cassette", "check", "PIPE"),
    ("cassette", "diff", "PIPE", "PIPE"),
    ("cassette", "effects", "PIPE"),
    ("cassette", "export", "PIPE", "--format", "vcrpy", "--to", "out"),
    ("cassette", "import", "PIPE", "--to", "out"),
    ("cassette", "rebase", "--from", "PIPE"),
    ("context", "verify", "PIPE"),
    ("context", "restore", "PIPE"),
    ("context", "save", "saved.json", "--messages", "PIPE"),
    ("serve", "replay", "PIPE"),
    ("serve", "simulator", "--scenario", "PIPE"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_no_command_opens_a_pipe_or_a_device(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    kind: str,
) -> None:
    """It names the file and says why, in one line, with the exit code of wrong usage or of a finding."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.json")
    path = "pipe.json" if kind == "pipe" else "/dev/zero"
    assert main([path if word == "PIPE" else word for word in command]) in (1, 2)
    out, err = capsys.readouterr()
    assert any(path in line and "is not a regular file" in line for line in (out + err).splitlines()), out + err
    assert ["pipe.json"] == os.listdir()


def test_a_pipe_in_place_of_the_configuration_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not taken for a project without configuration."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pyproject.toml")
    assert 2 == main(["matrix"])
    assert (
        "pyproject.toml: is not a regular file; put the configuration in one of this name\n" == capsys.readouterr().err
    )


def test_a_pipe_among_the_blobs_is_replaced(tmp_path: Path) -> None:
    """A recording never waits for what writes to it."""
    os.mkfifo(tmp_path / "a")
    write_blobs(tmp_path, {"a": b"block"})
    assert b"block" == (tmp_path / "a").read_bytes()


def test_a_directory_with_a_pipe_is_checked_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only files are searched for keys."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.json")
    Path("notes.txt").write_text(json.dumps({"fine": True}))
    assert 0 == main(["cassette", "check", "."])
    assert "1 files checked: 0 look like a key, 0 cannot be read\n" == capsys.readouterr().out


@pytest.mark.parametrize("name", ["gate.toml", "approvals/a.json", "prod.gate/entries/000000.json"])
def test_a_pipe_among_the_files_of_the_gate_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings, approvals and history; a promotion never waits for what writes to a pipe."""
    monkeypatch.chdir(tmp_path)
    for path, text in (("prod/a.py", "1"), ("test/a.py", "2")):
        Path(path).parent.mkdir()
        Path(path).write_text(text)
    Path("gate.toml").write_text('files = ["*.py"]\ntest = "test"\nprod = "prod"\n[policy]\ntests = ["*"]\n')
    Path(name).unlink(missing_ok=True)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(name)
    assert main(["gate", "promote"]) in (1, 2)
    err = capsys.readouterr().err
    assert name in err
    assert "is not a regular file" in err
