"""`flag-harness upgrade` on projects of older releases."""

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.file import blobs
from flag_harness.cli import main
from flag_harness.cli.upgrade import command
from flag_harness.config import read_config
from flag_harness.record import RunHeader, start_record_file
from flag_harness.wire.timeline import Chunk, End, Head, Request

OLD_SETTINGS = """# ours
[ tool.harness ]   # the agent
recordings = "tests/recordings"
[tool.harness.sweep]
told = ["notes.send"]   # told, not asked
assertions = true
[tool.other]
told = 1
"""
NEW_SETTINGS = """# ours
[ tool.flag-harness ]   # the agent
recordings = "tests/recordings"
[tool.flag-harness.sweep]
reported = ["notes.send"]   # told, not asked
assertions = true
[tool.other]
told = 1
"""
TEST = "tests/test_it.py::test_it"
FOLDER = Path("tests/recordings/test_it")


def _save(combination: str, case: str, *, has_parts: bool = False, folder: Path = FOLDER, words: int = 400) -> Path:
    body: dict[str, Any] = {"model": "m", "system": "You help. " * words, "messages": [], "top_k": len(combination)}
    request = Request("POST", "/v1/messages", (), msgspec.json.encode(body))
    response = (Head(0.0, 200, ()), Chunk(0.1, b'{"usage":{"input_tokens":7}}'), End(0.2))
    metadata = CassetteMetadata("simulator", "2026-01-02T03:04:05Z", case=case, combination=combination)
    path = folder / f"test_it[{combination}].json"
    Cassette(metadata, (Interaction(request, response),), has_parts=has_parts).save(path, folder.parent / "blobs")
    return path


def _files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with old names, the recordings of a matrix in one file each, and a file that is no recording."""
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(OLD_SETTINGS)
    for combination in ("off", "streaming", "no-cache"):
        _save(combination, f"{TEST}[{combination}-short]")
    (FOLDER / "notes.json").write_text('{"mine": 1}')


def test_a_project_is_upgraded_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Names and formats change, comments and answers do not; a second time, nothing does."""
    before = {path: Cassette.load(path).interactions for path in FOLDER.glob("test_it*")}
    assert 0 == main(["upgrade"])
    assert [
        "pyproject.toml: rename [tool.harness] to [tool.flag-harness]",
        "pyproject.toml: rename sweep.told to sweep.reported",
        "tests/recordings/test_it/test_it[no-cache].json: format 1 to 2",
        "tests/recordings/test_it/test_it[streaming].json: format 1 to 2",
        "3 files upgraded, 1 file up to date",
    ] == capsys.readouterr().out.splitlines()
    assert NEW_SETTINGS == Path("pyproject.toml").read_text()
    assert ("notes.send",) == read_config(Path("pyproject.toml")).sweep.reported_exceptions
    assert before == {path: Cassette.load(path).interactions for path in before}
    files = _files()
    assert 0 == main(["upgrade", "--json"])
    assert {"changes": [], "written": False, "unchanged": 4} == json.loads(capsys.readouterr().out)
    assert files == _files()


def test_the_files_are_those_that_a_recording_writes() -> None:
    """Byte by byte, the shared ones included."""
    main(["upgrade"])
    upgraded = {path.name: path.read_bytes() for path in Path("tests").rglob("*") if path.is_file()}
    for combination in ("streaming", "no-cache"):
        _save(combination, f"{TEST}[{combination}-short]", has_parts=True, folder=Path("new/test_it"))
    recorded = {path.name: path.read_bytes() for path in Path("new").rglob("*") if path.is_file()}
    assert recorded == {name: data for name, data in upgraded.items() if name in recorded}
    assert {*upgraded} - {*recorded} == {"test_it[off].json", "notes.json"}


def test_a_dry_run_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """And says by its exit code that there is something to do."""
    files = _files()
    assert 1 == main(["upgrade", "--dry-run"])
    assert "3 files would be upgraded, 1 file up to date" == capsys.readouterr().out.splitlines()[-1]
    assert files == _files()


@pytest.mark.parametrize(
    ("case", "words"),
    [(f"{TEST}", 400), (f"{TEST}[streaming+memory]", 400), (f"{TEST}[streaming]", 1)],
    ids=["pinned by a mark", "another combination", "nothing large to share"],
)
def test_what_is_no_large_recording_of_a_matrix_stays(case: str, words: int) -> None:
    """A test that is recorded again would write these in format 1, too."""
    path = _save("streaming", case, folder=Path("alone"), words=words)
    before = path.read_bytes()
    assert 0 == main(["upgrade", str(path)])
    assert before == path.read_bytes()


def test_all_files_stay_if_one_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that were written before it are restored."""
    files, write = _files(), command.write_atomically

    def refuse_settings(path: Path, data: bytes) -> None:
        if data == NEW_SETTINGS.encode():
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(command, "write_atomically", refuse_settings)
    assert 2 == main(["upgrade"])
    assert "pyproject.toml: cannot be written (No space left on device), so nothing was changed" in (
        capsys.readouterr().err
    )
    assert files == _files()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (b"[tool.harness]\n[tool.flag-harness]\n", "rename this by hand: [tool.harness] to [tool.flag-harness]"),
        (b"[tool]\nharness = {}\n", "rename this by hand: [tool.harness] to [tool.flag-harness]"),
        (b"[tool.harness]\nmodle = 'x'\n", "modle"),
        (b"[tool", "pyproject.toml: "),
        (b"\xff", "pyproject.toml: "),
    ],
    ids=["both names", "unusual form", "unknown key", "no TOML", "no UTF-8"],
)
def test_settings_that_cannot_be_upgraded_change_nothing(
    settings: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the file, and what to do by hand."""
    Path("pyproject.toml").write_bytes(settings)
    files = _files()
    assert 2 == main(["upgrade"])
    assert message in capsys.readouterr().err
    assert files == _files()


@pytest.mark.parametrize("settings", ["", "tool = 1\n", "[tool]\nflag-harness = {}\n", None])
def test_a_project_without_old_names_is_up_to_date(settings: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether or not it has settings; folders that do not exist hold nothing to upgrade."""
    Path("pyproject.toml").unlink()
    if settings is not None:
        Path("pyproject.toml").write_text(settings)
    assert 0 == main(["upgrade"])
    assert capsys.readouterr().out.startswith("0 files upgraded, ")


def test_records_are_checked_and_broken_files_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A record of this format is up to date; one broken recording keeps all others from being changed."""
    start_record_file(Path("run.jsonl"), RunHeader())
    assert 0 == main(["upgrade", "run.jsonl", str(FOLDER)])
    assert "3 files upgraded, 2 files up to date" == capsys.readouterr().out.splitlines()[-1]
    Path("future.jsonl").write_text('{"flag_harness_record": 99}\n')
    _save("streaming", f"{TEST}[streaming]", folder=Path("other"))
    broken = Path("other/broken.json")
    broken.write_text('{"envelope": {"format": 99, "upstream": "live", "recorded_at": ""}, "interactions": []}')
    files = _files()
    for path, message in (("future.jsonl", "format 99"), ("other", "format 99"), ("nowhere", "no such file")):
        assert 2 == main(["upgrade", path])
        assert message in capsys.readouterr().err
    assert files == _files()
    assert tomllib.loads(NEW_SETTINGS) == tomllib.loads(Path("pyproject.toml").read_text())


def test_a_matrix_keeps_the_large_files_that_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    """In the folder in which they are, next to what it shares from now on."""
    body = msgspec.json.encode({"system": "You help. " * 400, "image": "QUJD" * (blobs.MIN_BLOB_CHARACTERS // 4)})
    interaction = Interaction(Request("POST", "/v1/messages", (), body), (Head(0.0, 200, ()), End(0.1)))
    path = Path("elsewhere/a.json")
    metadata = CassetteMetadata("live", "2026-01-02T03:04:05Z", case=f"{TEST}[streaming]", combination="streaming")
    Cassette(metadata, (interaction,)).save(path, Path("large"))
    (large,) = Path("large").iterdir()
    assert 0 == main(["upgrade", str(path)])
    assert (interaction,) == Cassette.load(path).interactions
    assert large in Path("large").iterdir()
    assert 2 == len([*Path("large").iterdir()])
