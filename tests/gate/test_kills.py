"""A promotion or rollback that is killed leaves PROD old or new, and the next command says which and goes on."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flag_harness.gate.declared.manifest import read_manifest
from tests.gate.conftest import Project, tree_hash

PROGRAM = Path(__file__).with_name("killed.py")
POINTS = 10
"""How many points are tried of each command outside of `nox -s deep`, which tries all: 381 together."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="PROD is locked with flock")


@pytest.fixture
def start(project: Project, warm_python: Callable[[], str]) -> Callable[..., "subprocess.Popen[str]"]:
    """Return a function that starts `flag-harness gate` in the project, to be killed at a point."""
    return lambda point, *arguments: subprocess.Popen(
        [warm_python(), PROGRAM, str(point), "gate", *arguments], cwd=project.root, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def many_files(project: Project, deep: bool) -> Project:
    """Return the project with an approved change of many files: changed, added, removed and made executable."""
    for number in range(12 if deep else 4):
        project.write(f"prod/prompts/{number}.md", f"old {number}")
    project.run("stage", "--overwrite")
    for number in range(12 if deep else 4):
        project.write(f"test/prompts/{number}.md", f"new {number}")
    (project.test / "prompts" / "support.md").unlink()
    project.write("test/prompts/added.md", "added")
    (project.test / "tools.py").chmod(0o755)
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    return project


def _points(counts: str, deep: bool) -> list[int]:
    """Return the points to kill at: all, or the first, the last, some between, and one just after the journal began."""
    total, journal = map(int, counts.splitlines()[-1].split())
    few = {1 + (total - 1) * step // (POINTS - 2) for step in range(POINTS - 1)} | {journal + 3}
    return list(range(1, total + 1)) if deep else sorted(few)


def _reset(project: Project, saved: Path) -> None:
    for path in project.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(saved, project.root, dirs_exist_ok=True)


def _is_each_file_old_or_new(project: Project, *trees: Path) -> bool:
    """Return whether each declared file is exactly what one of the folders has, or missing as it is there."""
    known = [read_manifest(tree, project.gate.file_patterns) for tree in trees]
    now = read_manifest(project.prod, project.gate.file_patterns)
    paths = {path for files in (*known, now) for path in files}
    return all(any(now.get(path) == files.get(path) for files in known) for path in paths)


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_a_killed_command_leaves_prod_old_or_new(
    many_files: Project,
    command: str,
    start: Callable[..., "subprocess.Popen[str]"],
    tmp_path_factory: pytest.TempPathFactory,
    deep: bool,
) -> None:
    """At whichever point it is killed: each file is whole, and the next command finishes or undoes, and says so."""
    project, saved = many_files, tmp_path_factory.mktemp("saved")
    arguments = ["promote"] if command == "promote" else ["rollback", "--to", "0", "--name", "Ann"]
    if command == "rollback":
        project.run("promote")
    shutil.copytree(project.root, saved / "project")
    counts = start(0, *arguments).communicate()[0]
    folders = {"old": saved / "project" / "prod", "new": saved / "new"}
    shutil.copytree(project.prod, folders["new"])
    endings = set()
    for point in _points(counts, deep):
        _reset(project, saved / "project")
        process = start(point, *arguments)
        process.communicate()
        assert -signal.SIGKILL == process.returncode, f"point {point} of {counts}"
        assert _is_each_file_old_or_new(project, *folders.values()), f"point {point} of {counts}"
        endings.add(_check_recovery(project, arguments, folders, f"point {point} of {counts}"))
    assert {"", "undone", "finished"} == endings


def _check_recovery(project: Project, arguments: list[str], folders: dict[str, Path], point: str) -> str:
    """Let the next commands recover, and check what they say and leave. Return how the change was recovered."""
    trees = {name: tree_hash(folder) for name, folder in folders.items()}
    is_interrupted = (project.root / "prod.gate" / "journal.json").exists()
    assert is_interrupted == ("was interrupted" in project.run("status", code=int(is_interrupted))), point
    project.gate.approvals_folder.rename(project.root / "hidden")  # so that the next promotion does nothing but recover
    words = _run_any(project, "promote")
    (project.root / "hidden").rename(project.gate.approvals_folder)
    ending = next((one for one in ("undone", "finished") if f"is {one}: PROD has the" in words), "")
    assert is_interrupted == bool(ending), point
    assert project.tree() in trees.values(), point
    if ending:
        assert trees["old" if ending == "undone" else "new"] == project.tree(), point
    project.run(*arguments)
    assert trees["new"] == project.tree(), point
    assert [] == [*(project.root / "prod.gate").rglob("*.part"), *(project.root / "prod.gate").glob("journal*")], point
    return ending


def _run_any(project: Project, *arguments: str) -> str:
    """Run a command that may succeed or be refused, and return what it printed."""
    from flag_harness.cli import main

    assert main(["gate", *arguments]) in (0, 1)
    printed = project.capsys.readouterr()
    return printed.out + printed.err


def test_a_killed_recovery_is_recovered(
    many_files: Project, start: Callable[..., "subprocess.Popen[str]"], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However often it is killed."""
    project, saved = many_files, tmp_path_factory.mktemp("saved") / "project"
    shutil.copytree(project.root, saved)
    total = _points(start(0, "promote").communicate()[0], deep=False)[-1]
    new = project.tree()
    _reset(project, saved)
    for point in (total * 3 // 4, 4, 9, 14, 3):
        process = start(point, "promote")
        process.communicate()
        assert -signal.SIGKILL == process.returncode
    printed = project.run("promote")
    assert "promotion 1 was interrupted after" in printed
    assert "prod has these files already" in printed
    assert new == project.tree()
    assert [0, 1] == [entry.number for entry in _entries(project)]


def _entries(project: Project) -> list[object]:
    from flag_harness.gate.prod.folder import open_production_folder

    return list(open_production_folder(project.gate, project.prod).history.read_entries())


def test_a_file_that_somebody_changed_during_the_interruption_is_not_lost(
    many_files: Project, start: Callable[..., "subprocess.Popen[str]"], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The commands refuse, and name it, until it is the old or the new file again."""
    project = many_files
    saved = tmp_path_factory.mktemp("saved") / "project"
    shutil.copytree(project.root, saved)
    journal = int(start(0, "promote").communicate()[0].split()[-1])
    _reset(project, saved)
    start(journal + 20, "promote").communicate()
    project.write("prod/prompts/1.md", "edited by hand")
    printed = project.run("promote", code=1)
    assert "prompts/1.md changed while promotion 1 was interrupted" in printed
    assert "edited by hand" == (project.prod / "prompts" / "1.md").read_text(encoding="utf-8")
    assert "was interrupted" in project.run("stage", "--overwrite", code=1)
    assert "was interrupted" in project.run("promote", "--dry-run", code=1)
    project.write("prod/prompts/1.md", "old 1")
    assert "is finished: PROD has the promoted files" in project.run("promote")


@pytest.fixture
def promoted_thrice(project: Project) -> Project:
    """Return the project after promotions of "two", "three" and "four", each of which changed several files."""
    for text in ("two", "three", "four"):
        for number in range(3):
            project.write(f"test/prompts/{number}.md", text)
        project.promote(text)
    return project


def _text_in_prod(project: Project) -> str:
    """Return the text that all changed files of PROD have; fail if they differ."""
    texts = {path.read_text(encoding="utf-8") for path in (project.prod / "prompts").glob("*.md")}
    assert 1 == len(texts), texts
    return texts.pop()


def test_a_killed_rollback_that_is_typed_again_goes_back_by_one_change_only(
    promoted_thrice: Project,
    start: Callable[..., "subprocess.Popen[str]"],
    tmp_path_factory: pytest.TempPathFactory,
    deep: bool,
) -> None:
    """It is finished, or made if it had not begun, or refused in words if it was killed after its end."""
    project, saved = promoted_thrice, tmp_path_factory.mktemp("saved") / "project"
    shutil.copytree(project.root, saved)
    counts = start(0, "rollback", "--name", "Ann").communicate()[0]
    endings = set()
    for point in _points(counts, deep):
        _reset(project, saved)
        start(point, "rollback", "--name", "Ann").communicate()
        words = _run_any(project, "rollback", "--name", "Ann")
        is_refused = "so PROD is as" in words
        found = _text_in_prod(project)
        assert found in (("three", "four") if is_refused else ("three",)), f"point {point} of {counts}: {words}"
        assert not is_refused or f"{'rollback 4 (to 2)' if found == 'three' else 'promotion 3'} left it" in words
        endings.add("refused" if is_refused else "finished" if "is finished" in words else "made")
    assert {"refused", "finished", "made"} == endings


def test_a_promotion_after_a_killed_rollback_promotes_nothing(
    promoted_thrice: Project, start: Callable[..., "subprocess.Popen[str]"], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """TEST has the files that were rolled back, so it says what it finished, and what to type to promote them."""
    project, saved = promoted_thrice, tmp_path_factory.mktemp("saved") / "project"
    shutil.copytree(project.root, saved)
    journal = int(start(0, "rollback", "--name", "Ann").communicate()[0].split()[-1])
    for point, ending in ((journal + 3, "undone"), (journal + 20, "finished")):
        _reset(project, saved)
        start(point, "rollback", "--name", "Ann").communicate()
        words = project.run("status", code=1)
        assert "rollback 4 (to 2) is under way or was interrupted" in words
        assert "of PROD are restored. To finish it: flag-harness gate rollback" in words
        words = project.run("promote", code=1)
        assert f"is {ending}: PROD has the" in words
        assert "is not promoted now; to promote it: flag-harness gate promote" in words
        assert ("four" if ending == "undone" else "three") == _text_in_prod(project)


def test_a_rollback_after_a_killed_promotion_undoes_that_promotion_only(
    promoted_thrice: Project, start: Callable[..., "subprocess.Popen[str]"], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whether it had replaced a file or not. A promotion that is typed again is finished, and no other follows."""
    project, saved = promoted_thrice, tmp_path_factory.mktemp("saved") / "project"
    for number in range(3):
        project.write(f"test/prompts/{number}.md", "five")
    project.write("test/prompts/support.md", "five")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    shutil.copytree(project.root, saved)
    journal = int(start(0, "promote").communicate()[0].split()[-1])
    for point in (journal + 3, journal + 20):
        _reset(project, saved)
        start(point, "promote").communicate()
        assert "To finish it: flag-harness gate promote; to undo it: flag-harness gate rollback" in project.run(
            "status", code=1
        )
        project.run("rollback", "--name", "Ann")
        assert "four" == _text_in_prod(project)
    _reset(project, saved)
    start(journal + 20, "promote").communicate()
    project.write("test/prompts/support.md", "six")
    words = project.run("promote", code=1)
    assert "test differs from PROD in prompts/support.md, and is not promoted now" in words
    assert "five" == _text_in_prod(project)


def test_of_two_promotions_at_once_one_wins_and_one_is_told(
    many_files: Project, start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    """By the number of the process that holds the lock."""
    project, gatepost = many_files, tmp_path / "waits"
    first = start(f"wait:{gatepost}:30", "promote")
    while not gatepost.exists():
        assert first.poll() is None
        time.sleep(0.01)
    holder = f"process {_pid_in_lock(project)} "
    for command in (["promote"], ["rollback", "--name", "Cy"]):
        printed = project.run(*command, code=1)
        assert holder in printed
        assert "is changing PROD right now; wait until it has finished" in printed
    gatepost.unlink()
    assert "promotion 1" in first.communicate()[0]
    assert 0 == first.returncode
    assert "prod has these files already" in project.run("promote")


def _pid_in_lock(project: Project) -> int:
    return int((project.root / "prod.gate" / "lock").read_text(encoding="utf-8").split()[1])


def test_two_promotions_that_race_change_prod_once(
    many_files: Project, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """Whoever comes second is told that another holds the lock, or that PROD has these files already."""
    project = many_files
    racers = [start(0, "promote") for _ in range(3)]
    outputs = [racer.communicate()[0] for racer in racers]
    assert 1 == sum("promotion 1: " in output for output in outputs)
    assert {0, 1} >= {racer.returncode for racer in racers}
    assert [0, 1] == [entry.number for entry in _entries(project)]
    assert "new 1" == (project.prod / "prompts" / "1.md").read_text(encoding="utf-8")
