"""`flag-harness cassette prune` on real folders; that a run notes what it needs is shown with the plugin."""

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cli import main
from flag_harness.wire.timeline import End, Head, Request

CLAIMS = Path(".pytest_cache", "v", "flag-harness", "claims")
PAST = time.time() - 3600


def _block(data: bytes) -> str:
    return base64.b64encode(data * 4096).decode()


def _save(path: str, *blocks: bytes, case: str = "test_it.py::test_it", at: float = PAST) -> None:
    body = msgspec.json.encode({"data": list(map(_block, blocks))})
    asked = Interaction(Request("POST", "/v1/messages", (), body), (Head(0.0, 200, ()), End(0.1)))
    Cassette(CassetteMetadata("live", "2026-01-01T00:00:00Z", case=case), (asked,)).save(path, Path("recordings/blobs"))
    os.utime(path, (at, at))


def _note(**changes: Any) -> None:
    """What a whole run has noted."""
    row = {
        "partial_reason": "",
        "finished": PAST + 60,
        "recordings": "recordings",
        "claimed": ["recordings/used.json"],
        "files": ["test_it.py"],
    }
    CLAIMS.parent.mkdir(parents=True, exist_ok=True)
    CLAIMS.write_text(json.dumps(row | changes))


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claimed cassette, an orphan, a blob of each and of both, a foreign file, and a part of an hour ago."""
    monkeypatch.chdir(tmp_path)
    _save("recordings/used.json", b"used", b"both")
    _save("recordings/deep/orphan.json", b"orphan", b"both")
    Path("recordings/foreign.json").write_text('{"envelope": "mine"}')
    part = Path("recordings/deep/.orphan.json.0123456789abcdef.part")
    part.write_bytes(b"half")
    os.utime(part, (PAST, PAST))
    Path("recordings/deep/.mine.part").touch()
    Path("recordings/deep/.new.json.0123456789abcdef.part").touch()
    _note()


def _left() -> set[str]:
    files = (path for path in Path("recordings").rglob("*") if path.is_file())
    return {path.read_bytes()[:4].decode() if path.parent.name == "blobs" else path.name for path in files}


ALL = {
    "used.json",
    "orphan.json",
    "foreign.json",
    ".orphan.json.0123456789abcdef.part",
    ".mine.part",
    ".new.json.0123456789abcdef.part",
    "used",
    "both",
    "orph",
}
KEPT = ALL - {"orphan.json", ".orphan.json.0123456789abcdef.part", "orph"}


def _blob_of_orphan() -> str:
    return next(str(path) for path in Path("recordings/blobs").iterdir() if path.read_bytes().startswith(b"orph"))


def test_what_nobody_needs_is_removed(capsys: pytest.CaptureFixture[str]) -> None:
    """The orphan, its own blob, and what a killed writer left; a second time there is nothing to remove."""
    blob = _blob_of_orphan()
    assert 0 == main(["cassette", "prune"])
    assert KEPT == _left()
    assert (
        f"recordings/deep/orphan.json\n{blob}\nrecordings/deep/.orphan.json.0123456789abcdef.part\n"
        "1 cassette, 1 blob, 1 half-written file removed\n"
    ) == capsys.readouterr().out
    assert 0 == main(["cassette", "prune"])
    assert "0 cassettes, 0 blobs, 0 half-written files removed\n" == capsys.readouterr().out


def test_a_dry_run_removes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would be, and its exit code tells a script."""
    assert 1 == main(["cassette", "prune", "--dry-run"])
    assert ALL == _left()
    assert capsys.readouterr().out.endswith("\n1 cassette, 1 blob, 1 half-written file would be removed\n")


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_script_reads_json(dry_run: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """What was found, by kind, and what was removed."""
    named = {
        "cassettes": ["recordings/deep/orphan.json"],
        "blobs": [_blob_of_orphan()],
        "parts": ["recordings/deep/.orphan.json.0123456789abcdef.part"],
    }
    assert int(dry_run) == main(["cassette", "prune", "--json", *(["--dry-run"] if dry_run else [])])
    removed = [] if dry_run else [path for paths in named.values() for path in paths]
    assert {**named, "removed": removed, "notes": []} == json.loads(capsys.readouterr().out)


def test_a_folder_that_is_left_empty_is_removed() -> None:
    """But not one that holds anything."""
    _save("recordings/alone/orphan.json")
    assert 0 == main(["cassette", "prune"])
    assert {"deep", "blobs"} == {path.name for path in Path("recordings").iterdir() if path.is_dir()}


def test_a_cassette_that_is_newer_than_the_run_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """It may have come with tests that the run did not know."""
    _save("recordings/new.json", at=PAST + 120)
    assert 0 == main(["cassette", "prune"])
    assert KEPT | {"new.json"} == _left()
    told = "recordings/new.json is newer than the last run, and left alone; run the whole suite first: pytest"
    assert told in capsys.readouterr().out.splitlines()


def test_a_cassette_whose_tests_file_was_not_collected_is_no_orphan() -> None:
    """The run did not ask it; once the file is gone, nobody can."""
    _save("recordings/other.json", case="other/test_that.py::test_it")
    Path("other").mkdir()
    Path("other/test_that.py").touch()
    assert 0 == main(["cassette", "prune"])
    assert KEPT | {"other.json"} == _left()
    Path("other/test_that.py").unlink()
    assert 0 == main(["cassette", "prune"])
    assert KEPT == _left()


def test_blobs_stay_where_a_cassette_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """It may need any."""
    Path("recordings/broken.json").write_text('{"envelope"')
    assert 0 == main(["cassette", "prune"])
    assert KEPT | {"broken.json", "orph"} == _left()
    assert "all blobs are left alone: " in capsys.readouterr().out


def test_without_blobs_no_cassette_is_read_for_them() -> None:
    """A file that cannot be read is then nobody's business."""
    for path in Path("recordings/blobs").iterdir():
        path.unlink()
    Path("recordings/broken.json").write_text("{")
    assert 0 == main(["cassette", "prune"])
    assert {"used.json", "broken.json"} <= _left()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            None,
            f"{CLAIMS}: no run has noted which cassettes its tests claim; run the whole suite first: pytest (with its "
            "cache, in this directory)",
        ),
        ("{}", f"{CLAIMS}: cannot be read ('claimed'); run the whole suite first: pytest"),
        (
            '{"claimed": [], "files": [], "partial_reason": "it ran with --lf", "finished": 1}',
            "the last run was not complete (it ran with --lf); run the whole suite first: pytest",
        ),
    ],
    ids=["none", "broken", "partial"],
)
def test_without_a_whole_run_nothing_is_removed(
    text: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it says what to type."""
    CLAIMS.unlink() if text is None else CLAIMS.write_text(text)
    assert 2 == main(["cassette", "prune"])
    assert ALL == _left()
    assert f"{message}\n" == capsys.readouterr().err


def test_the_cache_may_be_elsewhere() -> None:
    """As `cache_dir` says."""
    Path(".pytest_cache").rename("other_cache")
    assert 0 == main(["cassette", "prune", "--cache", "other_cache"])
    assert KEPT == _left()
