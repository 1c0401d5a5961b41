"""`flag-harness cassette check`: keys and unreadable files are found, in files and in every commit."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cassette import CassetteMetadata, Interaction
from flag_harness.cassette.file.format import encode_cassette_in_one_file
from flag_harness.cli import main
from flag_harness.cli.cassette import check
from flag_harness.wire.timeline import Chunk, End, Head, Request

KEY = "sk-ant-api03-Zm9vYmFyMTIzNDU2Nzg5"


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty git repository, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    _git("init", "-q", "-b", "main")
    return tmp_path


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def _commit(message: str) -> str:
    _git("add", "-A")
    _git("commit", "-q", "-m", message)
    return _git("rev-parse", "HEAD")


def _write(path: str, text: str = "Hello.") -> None:
    request = Request("POST", "/v1/messages", (), json.dumps({"messages": [{"content": text}]}).encode())
    interaction = Interaction(request, (Head(0.1, 200, ()), Chunk(0.2, b"{}"), End(0.3)))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(encode_cassette_in_one_file(CassetteMetadata("live", "2026-11-01T00:00:00Z"), [interaction]))


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = main(["cassette", "check", *arguments])
    return code, capsys.readouterr().out.splitlines()


def test_without_recordings_there_is_nothing_to_find(capsys: pytest.CaptureFixture[str]) -> None:
    """A project may have none yet."""
    assert (0, ["0 files checked: 0 look like a key, 0 cannot be read"]) == _run(capsys)


def test_keys_and_unreadable_files_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """In the configured directory, cassettes and other files."""
    Path("pyproject.toml").write_text('[tool.flag-harness]\nrecordings = "kept"\n', encoding="utf-8")
    _write("kept/a.json", KEY)
    _write("kept/b.json")
    Path("kept/c.json").write_text("{", encoding="utf-8")
    Path("kept/notes.txt").write_text(f"one\n{KEY}\n", encoding="utf-8")
    found = "an Anthropic key (sk-ant…)"
    assert (
        1,
        [
            f"kept/a.json: interaction 0, request messages[0].content: {found}",
            "kept/c.json: cannot be read as a cassette: Input data was truncated",
            f"kept/notes.txt: line 2: {found}",
            "4 files checked: 2 look like a key, 1 cannot be read",
            "Withdraw those keys if they are real; name them in [tool.flag-harness.filters], and record again.",
        ],
    ) == _run(capsys)
    assert (0, ["1 files checked: 0 look like a key, 0 cannot be read"]) == _run(capsys, "kept/b.json")
    assert 1 == _run(capsys, "kept/c.json")[0]


def test_a_key_stays_in_the_history(capsys: pytest.CaptureFixture[str]) -> None:
    """Mended, deleted, on another branch, in a stash, merged, in a folder with a strange name."""
    _write("recordings/a.json", KEY)
    first = _commit("one")
    _write("recordings/a.json")
    Path("recordings/old.yaml").write_text(f"body: {KEY}\n", encoding="utf-8")
    second = _commit("two")
    Path("recordings/old.yaml").unlink()
    _commit("three")
    _git("switch", "-q", "-c", "other")
    _write("recordings/ü \n.json", KEY + "x")
    fourth = _commit("four")
    _git("switch", "-q", "main")
    _write("recordings/b.json")
    _commit("five")
    _git("merge", "-q", "--no-edit", "other")
    Path("recordings/ü \n.json").unlink()
    _commit("six")
    assert (0, 1) == (_run(capsys)[0], _run(capsys, "--history")[0])
    code, lines = _run(capsys, "--history", "--json")
    report: Any = json.loads("\n".join(lines))
    assert 1 == code
    key = {"kind": "an Anthropic key", "excerpt": "sk-ant…"}
    place = {"location": "request messages[0].content", **key, "interaction": 0}
    assert [
        {"path": "recordings/a.json", "commit": first, **place},
        {"path": "recordings/old.yaml", "commit": second, **place, "location": "line 1", "interaction": None},
        {"path": "recordings/ü \n.json", "commit": fourth, **place},
    ] == report["findings"]
    assert (7, []) == (report["checked"], report["unreadable"])
    assert [
        f"{first[:10]} recordings/a.json: interaction 0, request messages[0].content: an Anthropic key (sk-ant…)",
        "1 files and 2 versions of the history checked: 1 look like a key, 0 cannot be read",
        "What a commit holds stays there when the file is fixed: withdraw those keys.",
    ] == _run(capsys, "recordings/a.json", "--history")[1]
    assert 1 == _run(capsys, "recordings/old.yaml", "--history")[0]


def test_a_submodule_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Its commit stands in the history, and is not here."""
    _write("recordings/a.json")
    commit = _commit("one")
    missing = commit[::-1]
    _git("update-index", "--add", "--cacheinfo", f"160000,{missing},recordings/module")
    _git("update-index", "--add", "--cacheinfo", f"160000,{commit},recordings/self")
    _git("commit", "-q", "-m", "two")
    lines = ["1 files and 1 versions of the history checked: 0 look like a key, 0 cannot be read"]
    assert (0, lines) == _run(capsys, "--history")


def test_a_path_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what to name."""
    assert 2 == main(["cassette", "check", "nothing"])
    expected = "nothing: there is no such file or directory; name cassettes, or a directory of them\n"
    assert expected == capsys.readouterr().err


def test_what_cannot_be_read_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is passed over in silence."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.json")
        assert 2 == main(["cassette", "check", "a.json"])
    assert "a.json: cannot be read: is not a regular file\n" == capsys.readouterr().err


def test_a_history_that_cannot_be_read_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Outside of a repository, and without git."""
    (tmp_path / ".git").rename(tmp_path / "gone")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert 2 == main(["cassette", "check", "--history"])
    expected = "--history: fatal: not a git repository (or any of the parent directories): .git\n"
    assert expected == capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert 2 == main(["cassette", "check", "--history"])
    expected = "--history: git is not installed; check the files alone without it\n"
    assert expected == capsys.readouterr().err


def test_what_a_filter_names_by_now_is_reported(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A filter that is declared after recording does not reach into the files; the check says in which."""
    request = Request("POST", "/v1/messages", (), b'{"metadata":{"user_id":"customer-17"}}')
    interaction = Interaction(request, (Head(0.0, 200, ()), Chunk(0.0, b"{}"), End(0.0)))
    (repository / "a.json").write_bytes(
        encode_cassette_in_one_file(CassetteMetadata("live", "2026-11-22T00:00:00Z"), [interaction])
    )
    assert 0 == main(["cassette", "check", "a.json"])
    (repository / "pyproject.toml").write_text("[tool.flag-harness.filters]\njson = ['metadata.user_id']\n")
    assert 1 == main(["cassette", "check", "a.json"])
    place = "a.json: interaction 0, request or answer: holds what [tool.flag-harness.filters] names (record it again)"
    assert place in capsys.readouterr().out


def test_what_a_detector_finds_is_not_counted_as_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    """The advice is to record again; there is no key to withdraw."""
    Path("pyproject.toml").write_text("[tool.flag-harness.privacy]\nname = 'Ada'\n", encoding="utf-8")
    _write("recordings/a.json", "I am Ada.")
    assert (
        1,
        [
            "recordings/a.json: interaction 0, request or answer: holds what [tool.flag-harness.privacy] masks "
            "(record it again)",
            "1 files checked: 0 look like a key, 1 hold what filters or detectors name, 0 cannot be read",
            "What filters or detectors name is left out when those tests are recorded again: --record-mode=rewrite",
        ],
    ) == _run(capsys)


def test_a_file_that_may_not_be_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no cassette that cannot be decoded."""

    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(check, "read_cassette_file", refuse)
    _write("recordings/x.json")
    assert 2 == main(["cassette", "check"])
    assert "x.json: cannot be read: Permission denied" in capsys.readouterr().err
