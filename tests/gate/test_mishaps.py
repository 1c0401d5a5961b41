"""What cannot be read or written, and what changes at the wrong moment."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.gate.declared.manifest import read_declared_file
from flag_harness.gate.prod import folder, stage
from tests.gate.conftest import Project


def _approve(project: Project) -> Path:
    project.write("test/prompts/support.md", "two")
    printed = project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    return project.root / printed.partition(":")[0]


def test_a_file_that_changes_while_it_is_copied_is_not_promoted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that are copied are those that were judged."""
    _approve(project)
    project.write("prod/prompts/support.md", "one")
    before = project.tree()

    def read_late(folder: Path, path: str) -> bytes:
        return read_declared_file(folder, path) + (b"!" if folder.name == "test" and path == "agent.py" else b"")

    monkeypatch.setattr(folder, "read_declared_file", read_late)
    assert "test/agent.py: changed while it was copied" in project.run("promote", code=1)
    assert before == project.tree()
    assert "PROD prod: found 0" in project.run("status")


def test_stage_notices_that_prod_changes_meanwhile(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else TEST would be a mixture."""
    project.write("test/agent.py", "# old\n")
    monkeypatch.setattr(stage, "read_declared_file", lambda folder, path: b"newer")
    assert "PROD changed while it was read; try again" in project.run("stage", "--overwrite", code=1)


def _block(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file where a folder must be", encoding="utf-8")


@pytest.mark.parametrize(
    ("blocked", "command", "words"),
    [
        ("approvals", ("approve", "run.jsonl", "--name", "Ann", "--reason", "x"), "set `approvals` to a folder in git"),
        ("prod.gate", ("promote",), "prod.gate: cannot be written"),
        ("prod.gate/blobs", ("promote",), "cannot be written"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named(
    project: Project, blocked: str, command: tuple[str, ...], words: str
) -> None:
    """And PROD stays as it is."""
    if command == ("promote",):
        _approve(project)
    _block(project.root / blocked)
    before = project.tree()
    assert words in project.run(*command, code=2)
    assert before == project.tree()


def test_test_that_cannot_be_written_is_named(project: Project) -> None:
    """As on a read-only file system."""
    for path in sorted((project.test).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    _block(project.test / "prompts")
    assert "cannot be written" in project.run("stage", code=2)


def test_missing_content_of_the_history_is_named(project: Project) -> None:
    """Before PROD changes."""
    project.promote("two")
    digest = json.loads((project.root / "prod.gate/entries/000000.json").read_text())["files"]["prompts/support.md"]
    (project.root / "prod.gate/blobs" / digest["digest"][:2] / digest["digest"]).unlink()
    before = project.tree()
    assert "No such file or directory; restore it from a backup" in project.run("rollback", "--name", "Ann", code=2)
    assert before == project.tree()


def test_an_approval_without_evidence_covers_nothing(project: Project) -> None:
    """Somebody took the records out of it."""
    path = _approve(project)
    path.write_text(json.dumps({**json.loads(path.read_text()), "evidence": {}}), encoding="utf-8")
    assert "no evidence was given" in project.run("promote", code=2)


def test_folders_and_files_that_cannot_be_read_are_named(project: Project) -> None:
    """A missing TEST, an approval that is a folder, settings that are not text, evidence that is none."""
    assert "nowhere: is not a folder" in project.run("check", "run.jsonl", "--source", "nowhere", code=2)
    assert "missing.jsonl: cannot be read" in project.run("check", "missing.jsonl", code=2)
    (project.gate.approvals_folder / "x.json").mkdir(parents=True)
    project.write("test/prompts/support.md", "two")
    assert "x.json: is not an approval: is not a regular file; remove it" in project.run("promote", "--dry-run", code=2)
    (project.root / "gate.toml").write_bytes(b"\xff")
    assert "gate.toml: cannot be read" in project.run("status", code=2)
    project.write("gate.toml", f"files = {'[' * 3000}{']' * 3000}")
    assert "gate.toml: its values are nested too deeply" in project.run("status", code=2)


def test_a_declared_file_that_is_too_large_or_hidden_in_a_folder_that_cannot_be_read_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is left out in silence."""
    project.write("test/deep/x.py", "")
    monkeypatch.setattr("flag_harness.gate.declared.manifest.MAX_FILE_BYTES", 8)
    assert "agent.py: cannot be read: has 13 bytes" in project.run("check", "run.jsonl", code=2)
    real = os.scandir

    def scandir(path: Path) -> Any:
        if path.name == "deep":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("flag_harness.gate.declared.manifest.os.scandir", scandir)
    assert "test/deep: cannot be read: Permission denied" in project.run("check", "run.jsonl", code=2)


def test_a_link_to_a_folder_without_declared_files_is_no_matter(project: Project) -> None:
    """Only what would be copied must not be a link."""
    (project.root / "data" / "deep").mkdir(parents=True)
    project.write("data/deep/x.bin", "")
    (project.test / "data").symlink_to(project.root / "data")
    assert "all 12 rules pass" in project.run("check", "run.jsonl")
    project.write("data/x.py", "")
    project.configure(files=["data/*.py", "*.py", "prompts/*.md"])
    assert "test/data: is a link to a folder with declared files" in project.run("check", "run.jsonl", code=2)


@pytest.mark.parametrize(
    ("patterns", "paths"),
    [
        (["**/*.md"], ["deep/er/c.md", "prompts/support.md", "top.md"]),
        (["deep/**"], ["deep/er/c.md", "deep/x.bin"]),
        (["?op.md", "deep/er/[c].md"], ["top.md"]),
        ([".hidden/*.md"], [".hidden/d.md"]),
        (["*"], ["agent.py", "data.db", "tools.py", "top.md"]),
    ],
)
def test_patterns_match_paths_and_nothing_hidden_by_chance(
    project: Project, patterns: list[str], paths: list[str]
) -> None:
    """Brackets are plain characters, and caches are never declared."""
    for path in ("deep/er/c.md", "deep/x.bin", "top.md", ".hidden/d.md", ".hidden.md", "__pycache__/e.md"):
        project.write(f"prod/{path}", "")
    project.configure(files=patterns)
    project.run("stage", "--overwrite")
    found = sorted(path.relative_to(project.test).as_posix() for path in project.test.rglob("*") if path.is_file())
    assert paths == [path for path in found if path in paths]
    staged_before = {"agent.py", "tools.py", "data.db", "prompts/support.md"}
    assert set(found) <= {*paths, *staged_before}


def test_without_git_the_commands_say_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a rule needs it, or a name."""
    monkeypatch.setenv("PATH", str(project.root))
    assert "git cannot be run" in project.run("approve", "run.jsonl", "--reason", "x", code=2)


def test_without_locks_nothing_is_promoted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    _approve(project)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert "promote and rollback need a POSIX system" in project.run("promote", code=2)


def test_a_file_of_prod_that_changes_under_a_running_promotion_is_not_lost(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found at the last moment before it would be replaced."""
    _approve(project)
    project.write("test/tools.py", "import sys\n")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    from flag_harness.gate.prod.history import ProductionHistory

    write_journal: Callable[..., Any] = ProductionHistory.write_journal

    def write_journal_late(history: ProductionHistory, journal: Any) -> None:
        write_journal(history, journal)
        project.write("prod/tools.py", "by hand")

    monkeypatch.setattr(ProductionHistory, "write_journal", write_journal_late)
    printed = project.run("promote", code=1)
    assert "tools.py changed while promotion 1 was interrupted" in printed
    assert "by hand" == (project.prod / "tools.py").read_text(encoding="utf-8")
