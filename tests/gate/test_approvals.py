"""An approval covers exactly these files, this evidence and this policy; and who gave it, git says."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flag_harness.gate.declared.manifest import manifest_digest, read_manifest
from flag_harness.record import encode_record
from tests.gate.conftest import Project, row


def _approve(project: Project, text: str = "two", **header: object) -> Path:
    """Change the prompt in TEST, and approve it; return the approval's file."""
    project.write("test/prompts/support.md", text)
    printed = project.run("approve", project.record(**header), "--name", "Ann", "--reason", f"because of {text}")
    return project.root / printed.partition(":")[0]


def _edit_approval(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}), encoding="utf-8")


def test_an_approval_says_who_why_when_and_what(project: Project) -> None:
    """In a file that people can read in a diff."""
    approval = json.loads(_approve(project).read_text(encoding="utf-8"))
    assert ("Ann", "because of two") == (approval["name"], approval["reason"])
    assert approval["time"].endswith("+00:00")
    assert ["run.jsonl"] == list(approval["evidence"])
    assert ["agent.py", "prompts/support.md", "tools.py"] == sorted(approval["manifest"])
    assert manifest_digest(read_manifest(project.test, project.gate.file_patterns)) == approval["files"]


def test_nothing_is_approved_if_a_rule_does_not_pass(project: Project) -> None:
    """No file is written, and the rule is named."""
    project.record(row(outcome="failed"))
    printed = project.run("approve", "run.jsonl", "--name", "Ann", "--reason", "urgent", code=1)
    assert "not approved:" in printed
    assert "fail       required tests" in printed
    assert not project.gate.approvals_folder.exists()


def test_nobody_approves_without_a_name_and_a_reason(project: Project) -> None:
    """Git's identity is the default name."""
    project.git("init", "-q")
    arguments = ("approve", "run.jsonl", "--reason")
    assert "name yourself with --name" in project.run(*arguments, "x", code=2)
    assert "--reason is empty" in project.run(*arguments, " ", "--name", "Ann", code=2)
    project.git("config", "user.name", "Bo")
    project.git("config", "user.email", "bo@example.com")
    assert "Bo <bo@example.com> approves 3 files" in project.run(*arguments, "x")


def test_without_an_approval_nothing_is_promoted(project: Project) -> None:
    """However good the evidence is."""
    project.write("test/prompts/support.md", "two")
    project.record()
    before = project.tree()
    words = project.run("promote", code=1)
    assert 'there is no approval; to make one: flag-harness gate approve run.jsonl --reason "why"' in words
    moved = project.root / "out" / "my run.jsonl"
    moved.parent.mkdir()
    (project.root / "run.jsonl").rename(moved)
    words = project.run("promote", "--evidence", "out/my run.jsonl", code=1)
    assert "flag-harness gate approve 'out/my run.jsonl' --reason" in words
    assert "flag-harness gate approve run.jsonl --reason" in project.run("promote", code=1)
    assert before == project.tree()


@pytest.mark.parametrize("path", ["agent.py", "prompts/support.md", "prompts/new.md"])
def test_an_approval_of_other_files_covers_nothing(project: Project, path: str) -> None:
    """A change after the approval, and an old approval of what TEST had before."""
    _approve(project)
    project.write(f"test/{path}", "# changed after the approval\n")
    project.record()
    before = project.tree()
    printed = project.run("promote", "--evidence", "run.jsonl", code=1)
    assert "nobody has approved these files" in printed
    assert f"differs in {path}. If they have not been tested: pytest --harness-record=run.jsonl; then: " in printed
    assert 'flag-harness gate approve run.jsonl --reason "why"' in printed
    assert before == project.tree()


def test_a_removed_file_needs_an_approval_too(project: Project) -> None:
    """It would be removed from PROD."""
    _approve(project)
    (project.test / "prompts" / "support.md").unlink()
    assert "nobody has approved these files" in project.run("promote", code=1)


def _turn_failure_into_pass(project: Project) -> None:
    path = project.root / "run.jsonl"
    path.write_bytes(encode_record(project.header(seconds=2.0), [row()]))


def _drop_evidence(project: Project) -> None:
    project.record(row("tests/test_agent.py::test_z"))


@pytest.mark.parametrize("edit", [_turn_failure_into_pass, _drop_evidence])
def test_edited_evidence_needs_a_new_approval(project: Project, edit: Callable[[Project], None]) -> None:
    """Even if the record was written anew, with a digest that fits."""
    _approve(project)
    edit(project)
    before = project.tree()
    assert "was made on other evidence, or the evidence was edited since" in project.run("promote", code=1)
    assert before == project.tree()


def test_another_policy_needs_a_new_approval(project: Project) -> None:
    """A rule that was relaxed, a flag that was added, and a sweep's baseline that was lowered."""
    project.configure(sweep="sweep.json", log_errors=0)
    project.write("sweep.json", "{}")
    options = ("--harness-sweep", "--harness-sweep-baseline=sweep.json")
    project.write("test/prompts/support.md", "two")
    records = [project.record(), project.record(name="sweep.jsonl", options=options)]
    project.run("approve", *records, "--name", "Ann", "--reason", "x")
    project.write("sweep.json", "[]")
    assert "was made under another policy" in project.run("promote", code=1)
    project.write("sweep.json", "{}")
    project.configure(sweep="sweep.json", log_errors=3)
    assert "was made under another policy" in project.run("promote", code=1)
    project.configure(sweep="sweep.json", log_errors=0, flags=("planner", "memory"))
    assert "was made under another policy" in project.run("promote", code=1)
    project.configure(sweep="sweep.json", log_errors=0)
    assert "promotion 1" in project.run("promote")


def test_an_edited_approval_covers_nothing(project: Project) -> None:
    """Neither its digest nor its list of files can be exchanged alone, nor both."""
    path = _approve(project)
    project.write("test/prompts/support.md", "three")
    project.record()
    files = read_manifest(project.test, project.gate.file_patterns)
    approval = json.loads(path.read_text(encoding="utf-8"))
    _edit_approval(path, files=manifest_digest(files))
    assert "was edited: its list of files does not match" in project.run("promote", code=1)
    manifest = {name: {"digest": state.digest} for name, state in files.items()}
    _edit_approval(path, files=manifest_digest(files), manifest=manifest)
    assert "was made on other evidence" in project.run("promote", code=1)
    path.write_text(json.dumps({**approval, "flag_harness_approval": 9}), encoding="utf-8")
    assert "format 9; install the release that wrote it" in project.run("promote", code=2)
    path.write_text("{}", encoding="utf-8")
    assert "is not an approval" in project.run("promote", code=2)


def test_an_approval_ages_with_its_evidence(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rules are judged once more at the promotion."""
    project.configure(max_age="2d")
    project.write("test/prompts/support.md", "two")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    monkeypatch.setattr("flag_harness.gate.rules.judging.datetime", _FutureClock)
    assert "fail: age of evidence: older than 2 days" in project.run("promote", code=1)


class _FutureClock:
    """A clock that is three days ahead."""

    @staticmethod
    def now(zone: object) -> object:
        from datetime import UTC, datetime, timedelta

        return datetime.now(UTC) + timedelta(days=3)


def test_evidence_may_have_moved(project: Project, tmp_path: Path) -> None:
    """CI keeps it elsewhere; the hash says that it is the same."""
    _approve(project)
    moved = tmp_path / "artifacts" / "run.jsonl"
    moved.parent.mkdir()
    shutil.move(project.root / "run.jsonl", moved)
    words = project.run("promote", code=2)
    assert "run.jsonl: cannot be read" in words
    assert "If the record has moved: flag-harness gate promote --evidence FILE" in words
    words = project.run("promote", "--evidence", "nowhere.jsonl", code=2)
    assert "nowhere.jsonl: cannot be read" in words
    assert "has moved" not in words
    assert "promotion 1" in project.run("promote", "--evidence", str(moved))


def test_an_older_approval_of_the_same_files_still_covers_them(project: Project) -> None:
    """If the newest is about other evidence, one that passes is taken, even if both were made in the same second."""
    first = _approve(project)
    shutil.copy(project.root / "run.jsonl", project.root / "first.jsonl")
    assert first != _approve(project, seconds=2.0)
    assert "promotion 1" in project.run("promote", "--evidence", "first.jsonl")


def test_an_approval_that_is_not_committed_is_not_shown(repository: Project) -> None:
    """Its name could be anybody's; so could an edit after the commit."""
    assert "not shown: other person:" in repository.run("promote", code=1)
    repository.commit("approvals", person="ann")
    (path,) = repository.gate.approvals_folder.iterdir()
    _edit_approval(path, reason="another")
    assert "is not committed; commit it" in repository.run("promote", code=1)


def test_the_author_cannot_approve(repository: Project) -> None:
    """Whatever name stands in the file, the commit says who it was."""
    repository.commit("approvals", person="bo")
    printed = repository.run("promote", code=1)
    assert "fail: other person: bo@example.com wrote the change, so somebody else must approve it" in printed


def test_the_author_is_told_at_once(repository: Project) -> None:
    """And no file is written; without PROD at hand, only the promotion knows what changed."""
    before = [*repository.gate.approvals_folder.iterdir()]
    repository.git("config", "user.name", "Bo")
    repository.git("config", "user.email", "BO@example.com")
    words = repository.run("approve", "run.jsonl", "--reason", "mine", code=1)
    assert "git is configured for bo@example.com, who wrote the change" in words
    assert before == [*repository.gate.approvals_folder.iterdir()]
    repository.git("config", "user.email", "ann@example.com")
    assert "approves 3 files" in repository.run("approve", "run.jsonl", "--reason", "hers")
    repository.git("config", "user.email", "bo@example.com")
    repository.prod.rename(repository.root / "elsewhere")
    assert "approves 3 files" in repository.run("approve", "run.jsonl", "--reason", "mine")


def test_status_says_which_approvals_do_not_count(repository: Project) -> None:
    """Those that are not committed, the author's own, and those whose evidence is gone."""
    assert "nobody has approved these files" in repository.run("status")
    (file,) = repository.gate.approvals_folder.iterdir()
    path = file.relative_to(repository.root)
    assert f"does not count: {path}: {path} is not committed; commit it" in repository.run("status")
    repository.commit("approvals", person="bo")
    assert f"does not count: {path}: bo@example.com wrote the change" in repository.run("status")
    repository.git("commit", "-q", "--amend", "--reset-author", "-m", "x", person="ann")
    assert f"approvals of these files: {path}" in repository.run("status")
    (repository.root / "run.jsonl").unlink()
    assert f"does not count: {path}: run.jsonl: cannot be read" in repository.run("status")


def test_the_author_of_an_edit_of_prod_cannot_approve_it(repository: Project) -> None:
    """Somebody edited PROD by hand, and committed the same to TEST, so TEST does not differ from PROD."""
    repository.commit("approvals", person="ann")
    repository.run("promote")
    for folder in ("prod", "test"):
        repository.write(f"{folder}/prompts/support.md", "hotfix")
    repository.commit("test", person="eve")
    repository.run("approve", repository.record(), "--name", "Ann", "--reason", "x")
    repository.commit("approvals", person="eve")
    assert "eve@example.com wrote the change" in repository.run("promote", code=1)
    repository.git("commit", "-q", "--amend", "--reset-author", "-m", "x", person="ann")
    assert "promotion 2: prod had these files already" in repository.run("promote")


def test_somebody_else_can_approve(repository: Project) -> None:
    """Whoever wrote no part of the change; authors of what PROD has already do not count."""
    repository.commit("approvals", person="start")
    assert "promotion 1" in repository.run("promote")


def test_the_author_of_a_new_file_cannot_approve(repository: Project) -> None:
    """Nor can whoever wrote any version of a file that git never had as PROD has it."""
    repository.write("test/prompts/new.md", "new")
    repository.commit("test", person="eve")
    repository.run("approve", repository.record(), "--name", "Ann", "--reason", "x")
    repository.commit("approvals", person="eve")
    assert "eve@example.com wrote the change" in repository.run("promote", code=1)


def test_an_earlier_author_of_the_same_change_cannot_approve(repository: Project) -> None:
    """Not even if the last commit to the file is another person's, or the trailer names a co-author."""
    repository.write("test/prompts/support.md", "three")
    repository.commit("test", person="eve", message="Reword\n\nCo-authored-by: Cy <CY@example.com>")
    repository.run("approve", repository.record(), "--name", "Ann", "--reason", "x")
    for person in ("bo", "eve", "cy"):
        repository.git("commit", "-q", "--allow-empty", "-m", "x")
        repository.git("rm", "-q", "-r", "--cached", "--ignore-unmatch", "approvals")
        repository.git("commit", "-q", "--allow-empty", "-m", "Withdraw", person="start")
        repository.commit("approvals", person=person)
        assert f"{person}@example.com wrote the change" in repository.run("promote", code=1)


def test_whoever_removed_a_file_or_made_it_executable_cannot_approve(project: Project) -> None:
    """Neither leaves a line in the file."""
    project.configure(other_person=True, files=["*.py", "prompts/*"])
    project.write("prod/prompts/*.txt", "a name that is a pattern")
    project.run("stage", "--overwrite")
    project.git("init", "-q")
    project.commit("gate.toml", "pyproject.toml", "test", person="start")
    (project.test / "prompts" / "*.txt").unlink()
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    project.commit("approvals", person="start")
    assert "git does not know who wrote prompts/*.txt; commit it" in project.run("promote", code=1)
    project.commit("test", person="bo")
    (project.test / "tools.py").chmod(0o755)
    project.run("approve", project.record(), "--name", "Ann", "--reason", "y")
    project.commit("test", person="eve")
    for person in ("bo", "eve"):
        (newest, *_) = sorted(project.gate.approvals_folder.iterdir(), reverse=True)
        newest.write_text(f"{newest.read_text(encoding='utf-8')}\n", encoding="utf-8")
        project.commit("approvals", person=person)
        assert f"{person}@example.com wrote the change" in project.run("promote", code=1)


def test_a_change_that_is_not_committed_has_no_known_author(project: Project) -> None:
    """So nobody can be another person."""
    project.configure(other_person=True)
    project.git("init", "-q")
    project.commit("gate.toml", "pyproject.toml", "test")
    project.write("test/prompts/support.md", "two")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    project.commit("approvals", person="ann")
    assert "git does not know who wrote prompts/support.md; commit it" in project.run("promote", code=1)


def test_an_unsigned_approval_fails(project: Project) -> None:
    """With `signed`, git must verify the signature of its commit."""
    project.configure(signed=True)
    project.git("init", "-q")
    path = _approve(project)
    assert "not shown: signature" in project.run("promote", code=1)
    project.commit("approvals")
    assert "fail: signature: git verify-commit does not accept" in project.run("promote", code=1)
    assert path.exists()


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="signs with a key of ssh-keygen")
def test_a_signed_approval_passes(project: Project) -> None:
    """By a key that git is told to trust, and by no other."""
    project.configure(signed=True)
    project.git("init", "-q")
    for name in ("trusted", "other"):
        key = str(project.root / name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, capture_output=True)
    public = (project.root / "trusted.pub").read_text(encoding="utf-8")
    project.write("signers", f"bo@example.com {public}")
    project.git("config", "gpg.format", "ssh")
    project.git("config", "gpg.ssh.allowedSignersFile", str(project.root / "signers"))
    project.commit("gate.toml")
    _approve(project)
    project.git("add", "approvals")
    project.git("config", "user.signingkey", str(project.root / "other"))
    project.git("commit", "-q", "-S", "-m", "Approve")
    assert "fail: signature" in project.run("promote", code=1)
    project.git("config", "user.signingkey", str(project.root / "trusted"))
    project.git("commit", "-q", "-S", "--amend", "-m", "Approve")
    assert "promotion 1" in project.run("promote")
