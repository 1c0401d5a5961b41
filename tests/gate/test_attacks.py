"""What somebody may try who wants other files in PROD than were tested and approved."""

import json
import os
import py_compile
import sys
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.gate.declared.bytecode import has_bytecode_of_other_source
from flag_harness.gate.prod import journalled_change
from flag_harness.record import find_record_problem
from tests.gate.conftest import Project, row


def _approve(project: Project, text: str = "two") -> Path:
    """Change the prompt in TEST, and approve it; return the approval's file."""
    project.write("test/prompts/support.md", text)
    printed = project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    return project.root / printed.partition(":")[0]


def test_no_field_of_a_record_can_be_edited(project: Project) -> None:
    """Neither in the header nor in a row, and no line can be added, removed or moved."""
    project.record(row(), row("tests/test_agent.py::test_b"))
    data = (project.root / "run.jsonl").read_bytes()
    assert "" == find_record_problem(data)
    lines = data.splitlines()
    edited = [[*lines, lines[-1]], lines[:-1], [lines[0], lines[2], lines[1]]]
    for number, line in enumerate(lines):
        for key in (fields := json.loads(line)):
            changed = json.dumps({**fields, key: "edited"}).encode()
            edited.append([*lines[:number], changed, *lines[number + 1 :]])
    assert len(edited) > 60
    assert [] == [one for one in edited if not find_record_problem(b"\n".join(one) + b"\n")]


@pytest.mark.parametrize("is_digest_removed", [False, True])
def test_merging_does_not_hide_that_a_record_was_edited(project: Project, is_digest_removed: bool) -> None:
    """The merged record has a digest of its own, so it says that one of its parts is not as its run wrote it."""
    path = project.root / project.record(row(outcome="failed"))
    header, rest = path.read_bytes().replace(b'"failed"', b'"passed"').split(b"\n", 1)
    fields = json.loads(header)
    kept = {name: value for name, value in fields.items() if name != "digest" or not is_digest_removed}
    path.write_bytes(json.dumps(kept).encode() + b"\n" + rest)
    assert 1 == main(["report", "merge", "run.jsonl", "-o", "merged.jsonl"])
    reason = "it has no digest" if is_digest_removed else "it was changed after it was written"
    assert f"run.jsonl: {reason}" in project.capsys.readouterr().out
    assert "fail" == project.rule("evidence", "merged.jsonl")[0]


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems cannot hold both names")
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["prompts/Support.md"], "'prompts/Support.md' and 'prompts/support.md' are the same file on some systems"),
        (["prompts/e\u0301.md", "prompts/\xe9.md"], "differ only in case or in their Unicode form; rename one"),
        (["prompts/\udcff.md"], "the name 'prompts/\\udcff.md' is not Unicode; rename that file"),
    ],
)
def test_names_that_some_systems_take_for_one_are_refused(project: Project, names: list[str], words: str) -> None:
    """One of the two files would replace the other in PROD, or the approval could not name it."""
    for name in names:
        project.write(f"test/{name}", "x")
    assert words in project.run("check", "run.jsonl", code=2)


def test_an_approval_that_can_be_read_in_two_ways_is_refused(project: Project) -> None:
    """A reviewer may see the first of two values, and a parser takes the last one."""
    path = _approve(project)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("{", '{"name": "Eve",', 1), encoding="utf-8")
    assert "is not an approval: it has the key 'name' twice" in project.run("promote", code=2)


def test_an_approval_that_is_a_link_is_refused(project: Project) -> None:
    """Git knows the link, and not what is in the file behind it."""
    path = _approve(project)
    path.rename(project.root / "elsewhere.json")
    path.symlink_to(project.root / "elsewhere.json")
    assert "is a symbolic link; put the approval itself there" in project.run("promote", code=2)


@pytest.mark.parametrize("time", ["2999-01-01T00:00:00+00:00", "tomorrow"])
def test_an_approval_from_the_future_covers_nothing(project: Project, time: str) -> None:
    """Somebody set the clock back, so that old evidence looks young."""
    path = _approve(project)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "time": time}), encoding="utf-8")
    assert f"was made at {time}, which is in the future; set the clock" in project.run("promote", code=1)


def test_an_edit_that_git_does_not_look_at_is_no_commit(repository: Project) -> None:
    """Ann committed another approval than the one that is there, and git was told to assume that it is the same."""
    repository.commit("approvals", person="ann")
    (path,) = repository.gate.approvals_folder.iterdir()
    repository.git("update-index", "--assume-unchanged", str(path))
    assert "promotion 1 would change" in repository.run("promote", "--dry-run")
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    assert "is not committed; commit it" in repository.run("promote", code=1)


def test_a_mailmap_makes_nobody_another_person(repository: Project) -> None:
    """Neither does a replacement of the commit that only this clone has."""
    repository.write(".mailmap", "Ann <ann@example.com> Bob <bo@example.com>\n")
    repository.git("add", "approvals")
    repository.git("-c", "user.name=Bob", "commit", "-q", "-m", "Approve")
    assert "bo@example.com wrote the change" in repository.run("promote", code=1)
    repository.git("commit", "-q", "--amend", "--reset-author", "-m", "x", person="ann")
    forged = repository.git("rev-parse", "HEAD").strip()
    repository.git("commit", "-q", "--amend", "--reset-author", "-m", "x", person="bo")
    repository.git("replace", "HEAD", forged)
    assert "bo@example.com wrote the change" in repository.run("promote", code=1)


@pytest.mark.parametrize("suffix", [".pyc", ".so"])
def test_a_module_without_source_must_be_declared_too(project: Project, suffix: str) -> None:
    """PROD would lack it."""
    project.write("test/agent.py", "import tools, helper\n")
    project.write(f"test/helper{suffix}", "")
    project.record()
    assert "fail" == project.rule("imports")[0]
    assert f"helper{suffix} (imported by agent.py)" in project.rule("imports")[1]


def test_a_folder_in_the_way_of_a_file_stops_the_promotion_before_it_begins(project: Project) -> None:
    """PROD has a folder where TEST has a file."""
    project.write("test/prompts/new.md", "new")
    _approve(project)
    project.write("prod/prompts/new.md/data", "")
    before = project.tree()
    assert "prod/prompts/new.md: cannot be read: is not a regular file" in project.run("promote", code=2)
    assert before == project.tree()
    assert not (project.root / "prod.gate" / "journal.json").exists()


def test_a_file_of_prod_that_changes_before_its_turn_stops_the_promotion(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is in neither the old nor the new files, so nothing would bring it back."""
    _approve(project)
    real = journalled_change.read_file_state
    monkeypatch.setattr(journalled_change, "read_file_state", lambda folder, path: real(folder, "agent.py"))
    assert "prod/prompts/support.md changed while PROD was read" in project.run("promote", code=1)


@pytest.mark.parametrize("mode", [*py_compile.PycInvalidationMode])
@pytest.mark.parametrize("code", ["X = 1\n", "X = 2\n", "X = 22\n", "X = (\n"])
def test_bytecode_of_another_source_is_found_if_python_would_run_it(
    tmp_path: Path, mode: py_compile.PycInvalidationMode, code: str
) -> None:
    """Python runs it if its time and size match, or if it says that it needs no check."""
    source = tmp_path / "agent.py"
    source.write_text("X = 1\n", encoding="utf-8")
    assert not has_bytecode_of_other_source(source)
    py_compile.compile(str(source), invalidation_mode=mode)
    assert not has_bytecode_of_other_source(source)
    before = source.stat()
    source.write_text(code, encoding="utf-8")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    is_trusted = {"TIMESTAMP": len(code) == 6, "CHECKED_HASH": False, "UNCHECKED_HASH": True}[mode.name]
    assert (is_trusted and code != "X = 1\n") == has_bytecode_of_other_source(source)


def test_a_run_names_a_file_whose_bytecode_it_ran_in_place_of_the_source(project: Project) -> None:
    """The source that was hashed is not what was tested."""
    from flag_harness.gate.declared.tested_files import DeclaredFiles

    source = project.test / "agent.py"
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    source.write_text("import tools  # and nothing else\nX = 1\n", encoding="utf-8")
    found = DeclaredFiles(project.root).make_gate_files([("imported", "agent.py"), ("imported", "tools.py")])
    assert found
    assert ("agent.py",) == found.changed_paths
    project.record(gate_files=found)
    assert "with the code of another source: agent.py" in project.rule("tested files")[1]
