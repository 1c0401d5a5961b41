"""Stage, promote, roll back, log and status: which files move, which never do, and what is refused."""

import json
import os
import stat
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.gate.settings import read_gate_settings
from tests.gate.conftest import FILES, Project


def _prompt(project: Project) -> str:
    return (project.prod / "prompts" / "support.md").read_text(encoding="utf-8")


def test_stage_copies_declared_files_only(project: Project) -> None:
    """With the permission to execute; data stays where it is."""
    (project.prod / "tools.py").chmod(0o755)
    assert "test: 1 file changed to match prod" in project.run("stage", "--overwrite")
    names = sorted(path.relative_to(project.test).as_posix() for path in project.test.rglob("*") if path.is_file())
    assert ["agent.py", "prompts/support.md", "tools.py"] == names
    assert os.access(project.test / "tools.py", os.X_OK)


def test_stage_does_not_lose_work(project: Project) -> None:
    """Changes in TEST are discarded on request only, new and removed files among them."""
    project.write("test/agent.py", "# work\n")
    project.write("test/new.py", "")
    (project.test / "tools.py").unlink()
    printed = project.run("stage", code=1)
    assert "test differs from PROD in agent.py, new.py, tools.py; promote that first, or discard it with" in printed
    assert "# work\n" == (project.test / "agent.py").read_text()
    assert "3 files changed" in project.run("stage", "--overwrite")
    assert "0 files changed" in project.run("stage")
    assert not (project.test / "new.py").exists()


def test_promote_moves_changes_additions_and_removals_of_declared_files(project: Project) -> None:
    """What is not declared stays in both folders, bytecode and hidden files too."""
    for path in ("prod/prompts/.hidden.md", "prod/__pycache__/x.py", "test/notes.txt", "prod/prompts/deep/x.md"):
        project.write(path, "not declared")
    project.write("test/prompts/added.md", "added")
    project.write("test/tools.py", "import sys\n")
    (project.test / "tools.py").chmod(0o755)
    printed = project.promote("two")
    assert "promotion 1: 3 files of prod changed: prompts/added.md, prompts/support.md, tools.py" in printed
    assert "two" == _prompt(project)
    assert os.access(project.prod / "tools.py", os.X_OK)
    assert "not declared" == (project.prod / "prompts" / ".hidden.md").read_text()
    assert "grows" == (project.prod / "data.db").read_text()
    assert not (project.prod / "notes.txt").exists()
    project.write("test/prompts/support.md", "three")
    (project.test / "prompts" / "added.md").unlink()
    assert "prompts/added.md, prompts/support.md" in project.promote("three")
    assert not (project.prod / "prompts" / "added.md").exists()


def test_a_replaced_file_keeps_its_permissions(project: Project) -> None:
    """Only the permission to execute is the program's; the others are the system's."""
    (project.prod / "prompts" / "support.md").chmod(0o640)
    project.promote("two")
    assert 0o640 == stat.S_IMODE((project.prod / "prompts" / "support.md").stat().st_mode)


def test_a_dry_run_shows_the_change_and_makes_none(project: Project) -> None:
    """As a diff. Neither PROD nor its history is touched, and a refusal is the same."""
    project.write("test/prompts/support.md", "two\x1b[2J")
    (project.test / "tools.py").chmod(0o755)
    project.write("test/prompts/new.md", "")
    (project.test / "prompts" / "new.md").write_bytes(b"\xff\xfe")
    before = project.tree()
    assert "there is no approval" in project.run("promote", "--dry-run", code=1)
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    lines = project.run("promote", "--dry-run").splitlines()
    assert ["--- PROD/prompts/support.md", "+++ TEST/prompts/support.md"] == [
        one for one in lines if one[:3] in ("---", "+++")
    ]
    assert {"-one", "+two\\x1b[2J", "tools.py: becomes executable"} < set(lines)
    assert "prompts/new.md: 0 bytes that are not text become 2" in lines
    assert "promotion 1 would change 3 files of prod; nothing was changed" == lines[-1]
    assert before == project.tree()
    assert ["staged.json"] == [path.name for path in (project.root / "prod.gate").iterdir()]


def test_prod_that_somebody_edited_is_not_overwritten(project: Project) -> None:
    """Not by a promotion, nor by a rollback; the message says what to type."""
    project.promote("two")
    project.write("prod/prompts/support.md", "hotfix")
    project.write("test/agent.py", "import tools, sys\n")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    for command in (["promote"], ["promote", "--dry-run"], ["rollback", "--name", "Ann"]):
        printed = project.run(*command, code=1)
        assert "prod is not as the last promotion left it: prompts/support.md changed" in printed
        assert "flag-harness gate rollback --overwrite --to 1" in printed
        assert "hotfix" == _prompt(project)
    assert "changed since then by somebody else: prompts/support.md" in project.run("status", code=1)


@pytest.mark.parametrize("path", ["prompts/new.md", "tools.py"])
def test_files_that_were_added_or_removed_in_prod_count_too(project: Project, path: str) -> None:
    """They are declared, so PROD is not what was promoted."""
    project.promote("two")
    if path == "tools.py":
        (project.prod / path).unlink()
    else:
        project.write(f"prod/{path}", "by hand")
    assert f"{path} changed" in project.run("rollback", "--name", "Ann", code=1)


def test_an_edit_is_kept_if_a_rollback_overwrites_it(project: Project) -> None:
    """In the history, so that it can be restored."""
    project.promote("two")
    project.write("prod/prompts/support.md", "hotfix")
    printed = project.run("rollback", "--overwrite", "--to", "1", "--name", "Ann")
    assert "rollback 2 (to 1): 1 file of prod changed: prompts/support.md" in printed
    assert "two" == _prompt(project)
    entry = json.loads((project.root / "prod.gate" / "entries" / "000002.json").read_text())
    digest = entry["overwritten"]["prompts/support.md"]["digest"]
    assert b"hotfix" == (project.root / "prod.gate" / "blobs" / digest[:2] / digest).read_bytes()


def test_rollback_goes_back_step_by_step(project: Project) -> None:
    """Each goes one change further back; `--to` goes anywhere, forward too; nothing is ever removed from the log."""
    for text in ("two", "three"):
        project.promote(text)
    for expected in ("two", "one"):
        project.run("rollback", "--name", "Ann", "--reason", "worse")
        assert expected == _prompt(project)
    assert "PROD is as it was before the first promotion" in project.run("rollback", "--name", "Ann", code=1)
    project.run("rollback", "--to", "2", "--name", "Ann")
    assert "three" == _prompt(project)
    log = [line.split() for line in project.run("log").splitlines()]
    assert ["5", "4", "3", "2", "1", "0"] == [line[0] for line in log]
    assert ["rollback", "to", "2"] == log[0][2:5]
    assert "Ann: worse" == " ".join(log[1][7:])
    entries = json.loads(project.run("log", "--json"))["entries"]
    assert [None, None, None, 1, 0, 2] == [entry["restored"] for entry in entries]
    assert {"found", "promotion", "rollback"} == {entry["kind"] for entry in entries}


def test_rollback_without_a_promotion_or_to_an_unknown_entry_is_refused(project: Project) -> None:
    """The message says which entries there are."""
    assert "nothing was promoted, so there is nothing to roll back" in project.run("rollback", "--name", "A", code=1)
    project.promote("two")
    for number in ("9", "-1"):
        assert "there are: 0 to 1" in project.run("rollback", f"--to={number}", "--name", "Ann", code=1)


def test_a_dry_rollback_shows_the_change_and_makes_none(project: Project) -> None:
    """From the history, since TEST has something else."""
    project.promote("two")
    lines = project.run("rollback", "--dry-run", "--name", "Ann").splitlines()
    assert {"-two", "+one"} < set(lines)
    assert "rollback 2 (to 0) would change 1 file of prod; nothing was changed" == lines[-1]
    assert "two" == _prompt(project)


def test_a_rollback_skips_entries_that_left_the_same_files(project: Project) -> None:
    """Such as what was found when other patterns were declared."""
    project.promote("two")
    project.configure(files=["agent.py", "tools.py", "prompts/*.md"])
    assert "promotion 3" in project.promote("three")
    assert "rollback 4 (to 2)" in project.run("rollback", "--name", "Ann")
    assert "rollback 5 (to 0)" in project.run("rollback", "--name", "Ann")
    assert "one" == _prompt(project)


def test_what_was_rolled_back_is_promoted_only_with_a_new_approval(project: Project) -> None:
    """The message names the rollback, and the command; `status` says that the old approval does not count."""
    project.promote("two")
    project.run("rollback", "--name", "Ann", "--reason", "It refunds too much")
    words = project.run("promote", code=1)
    assert "is older than rollback 2, which withdrew these files; if they may go to PROD again: flag-harness" in words
    assert "one" == _prompt(project)
    (old,) = project.gate.approvals_folder.iterdir()
    name = old.relative_to(project.root)
    assert f"does not count: {name}: {name} is older than rollback 2" in project.run("status")
    copy = json.loads(old.read_text(encoding="utf-8")) | {"reason": "a copy under another name"}
    project.write("approvals/copy.json", json.dumps(copy))
    assert "is older than rollback 2" in project.run("promote", code=1)
    project.run("approve", "run.jsonl", "--name", "Cy", "--reason", "The refunds are mended elsewhere")
    assert "promotion 3: 1 file of prod changed" in project.run("promote")
    assert "prod has these files already; nothing is promoted" in project.run("promote")
    assert "two" == _prompt(project)


def test_a_rollback_withdraws_what_it_skips_and_nothing_else(project: Project) -> None:
    """Versions before it keep their approvals, and so does a version that another rollback restored."""
    for text in ("two", "three", "four"):
        project.write("test/prompts/support.md", text)
        project.run("approve", project.record(name=f"{text}.jsonl"), "--name", "Ann", "--reason", text)
        project.run("promote")
    project.run("rollback", "--to", "1", "--name", "Ann")
    project.write("test/prompts/support.md", "three")
    assert "is older than rollback 4" in project.run("promote", code=1)
    project.write("prod/prompts/support.md", "by hand")
    project.run("rollback", "--overwrite", "--to", "4", "--name", "Ann")
    project.promote("five")
    project.write("test/prompts/support.md", "two")
    assert "promotion 7" in project.run("promote")


def test_the_first_promotion_does_not_overwrite_an_edit_of_prod(project: Project) -> None:
    """PROD must be as it was staged, or TEST must have the edit too."""
    project.write("prod/tools.py", "import os  # by hand\n")
    project.write("test/prompts/support.md", "two")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    for command in (["promote"], ["promote", "--dry-run"]):
        words = project.run(*command, code=1)
        assert "prod is not as it was staged: tools.py changed. Make the same change in TEST" in words
        assert "flag-harness gate stage --overwrite" in words
    assert "changed since it was staged by somebody else: tools.py" in project.run("status", code=1)
    project.write("test/tools.py", "import os  # by hand\n")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    assert "promotion 1: 1 file of prod changed: prompts/support.md" in project.run("promote")


def test_an_edit_of_prod_that_is_made_in_test_too_is_promoted_by_approval(project: Project) -> None:
    """Then PROD is what was promoted last, and the edit can be rolled back."""
    project.promote("two")
    project.write("prod/prompts/support.md", "hotfix")
    words = project.run("stage", code=1)
    assert (
        "if the edit of prompts/support.md in PROD must not stay: flag-harness gate rollback --overwrite --to 1"
        in words
    )
    project.run("stage", "--overwrite")
    assert "nobody has approved these files" in project.run("promote", code=1)
    project.run("approve", project.record(), "--name", "Ann", "--reason", "a hotfix")
    assert "promotion 2: prod had these files already, by somebody else's hand; now they are approved" in project.run(
        "promote"
    )
    assert "PROD prod: promotion 2" in project.run("status")
    assert "prod has these files already; nothing is promoted" in project.run("promote")
    project.run("rollback", "--name", "Ann")
    assert "two" == _prompt(project)


def test_a_folder_that_is_named_prod_is_named_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the plan, whose folders are PROD and TEST."""
    project.prod.rename(project.root / "PROD")
    monkeypatch.setenv("PROD_ENV", "PROD")
    assert "PROD: nothing has been promoted yet" in project.run("status").splitlines()


def test_stage_says_that_a_change_was_interrupted(project: Project) -> None:
    """Before it says that TEST differs, because that is due to the interruption."""
    project.promote("two")
    entry = json.loads((project.root / "prod.gate/entries/000001.json").read_text(encoding="utf-8"))
    before = json.loads((project.root / "prod.gate/entries/000000.json").read_text(encoding="utf-8"))["files"]
    journal = {"before": before, "entry": {**entry, "number": 2}}
    project.write("prod.gate/journal.json", json.dumps(journal))
    project.write("test/prompts/support.md", "three")
    assert "promotion 2 is under way or was interrupted" in project.run("stage", code=1)


def test_files_that_are_declared_later_are_found_first(project: Project) -> None:
    """A rollback to before that leaves them as they were, and files that are no longer declared stay."""
    project.write("prod/settings.toml", "old = 1")
    project.promote("two")
    project.configure(files=["*.toml", *FILES])
    project.write("test/settings.toml", "new = 1")
    assert "promotion 3" in project.promote("three")
    project.run("rollback", "--to", "1", "--name", "Ann")
    assert ("two", "old = 1") == (_prompt(project), (project.prod / "settings.toml").read_text())
    project.configure(files=["agent.py", "tools.py", "*.toml"])
    project.write("test/agent.py", "import tools, sys\n")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    project.run("promote")
    assert "two" == _prompt(project)


@pytest.mark.parametrize("folder", ["test", "prod"])
@pytest.mark.parametrize("path", ["agent.py", "prompts"])
def test_links_are_refused(project: Project, folder: str, path: str) -> None:
    """What was checked might not be what is copied, and what is written might lie outside of PROD."""
    project.promote("two")
    elsewhere = project.root / "elsewhere"
    (project.root / folder / path).rename(elsewhere)
    (project.root / folder / path).symlink_to(elsewhere)
    project.write("test/tools.py", "import sys\n")
    before = project.tree()
    printed = project.run("promote", code=2)
    assert f"{folder}/{path}: is a " in printed
    assert "link" in printed
    assert before == project.tree()


def test_folders_must_be_apart(project: Project) -> None:
    """PROD inside TEST, TEST as PROD, approvals inside PROD."""
    (project.test / "inner").mkdir()
    for arguments in (
        ["promote", "test", "test"],
        ["promote", "test", "test/inner"],
        ["promote", "prod/prompts", "prod"],
    ):
        assert "must be separate folders" in project.run(*arguments, code=2)
    text = (project.root / "gate.toml").read_text()
    for setting in ("approvals", "state"):
        project.write("gate.toml", f'{setting} = "prod/{setting}"\n{text}')
        assert "must be separate folders" in project.run("status", code=2)


def test_prod_must_exist(project: Project) -> None:
    """A typo makes no new PROD."""
    assert "prdo: there is no such folder; create it" in project.run("promote", "test", "prdo", code=2)
    assert not (project.root / "prdo").exists()


def test_the_history_of_one_prod_is_not_used_for_another(project: Project) -> None:
    """If the settings say where it is."""
    text = (project.root / "gate.toml").read_text()
    project.write("gate.toml", f'state = "history"\n{text}')
    (project.root / "other").mkdir()
    assert "holds the history of" in project.run("promote", "test", "other", code=2)
    project.promote("two")
    assert (project.root / "history" / "entries" / "000001.json").exists()


def test_variables_name_the_folders(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """TEST_ENV and PROD_ENV come before the settings."""
    (project.root / "prod").rename(project.root / "live")
    (project.root / "test").rename(project.root / "staging")
    monkeypatch.setenv("PROD_ENV", str(project.root / "live"))
    monkeypatch.setenv("TEST_ENV", "staging")
    status = json.loads(project.run("status", "--json"))
    assert (str(project.root / "live"), "staging") == (status["prod"], status["test"])


def test_damaged_history_is_named(project: Project) -> None:
    """A blob with other bytes is never written to PROD, and a missing entry is not skipped."""
    project.promote("two")
    project.promote("three")
    entries = project.root / "prod.gate" / "entries"
    digest = json.loads((entries / "000001.json").read_text())["files"]["prompts/support.md"]["digest"]
    blob = project.root / "prod.gate" / "blobs" / digest[:2] / digest
    blob.write_bytes(b"TWO")
    assert "is damaged: its hash does not match its name" in project.run("rollback", "--name", "Ann", code=2)
    assert "three" == _prompt(project)
    assert "PROD prod: promotion 2" in project.run("status")
    project.promote("two")
    assert b"two" == blob.read_bytes()
    (entries / "000001.json").write_text("{")
    assert "000001.json: cannot be read" in project.run("log", code=2)
    (entries / "000001.json").unlink()
    assert "entry 1 is missing; restore it from a backup" in project.run("rollback", "--name", "Ann", code=2)


def test_a_file_that_cannot_be_written_stops_the_promotion_until_it_can(project: Project) -> None:
    """The next command finishes it."""
    (project.root / "prod.gate" / "staged.json").unlink()
    project.write("test/prompts/support.md", "two")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    (project.prod / "prompts" / "support.md").unlink()
    (project.prod / "prompts").rmdir()
    project.write("prod/prompts", "a file where a folder must be")
    printed = project.run("promote", code=2)
    assert "cannot be changed" in printed
    (project.prod / "prompts").unlink()
    assert "PROD has the " in project.run("promote")
    assert "two" == _prompt(project)


def test_status_says_what_is_where(project: Project) -> None:
    """Before, between and after the steps, for people and as JSON."""
    assert "PROD prod: nothing has been promoted yet\nTEST test: same as PROD" in project.run("status")
    assert "nothing has been promoted yet" in project.run("log")
    project.write("test/prompts/support.md", "two")
    assert "nobody has approved these files" in project.run("status")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    status = json.loads(project.run("status", "--json"))
    assert (["prompts/support.md"], 1, None) == (status["changed"], len(status["approvals"]), status["entry"])
    project.run("promote")
    assert "promotion 1, 20" in project.run("status")


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("stage",), "changed"),
        (("check", "run.jsonl"), "rules"),
        (("approve", "run.jsonl", "--name", "Ann", "--reason", "x"), "approval"),
        (("promote",), "changed"),
        (("rollback", "--name", "Ann"), "refused"),
        (("log",), "entries"),
    ],
)
def test_every_command_has_json(project: Project, command: tuple[str, ...], key: str) -> None:
    """One object, refusals included."""
    printed = project.run(*command, "--json", code=1 if key == "refused" else 0)
    assert key in json.loads(printed)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), "flag-harness gate promote --dry-run"),
        (("promote",), "flag-harness gate promote --evidence"),
        (("rollback",), "flag-harness gate rollback --overwrite --to 3"),
        (("stage",), "flag-harness gate stage --overwrite"),
        (("check",), "--source DIR"),
    ],
)
def test_the_help_of_a_command_has_its_own_examples(project: Project, command: tuple[str, ...], words: str) -> None:
    """With the options that are hard to guess."""
    with pytest.raises(SystemExit):
        main(["gate", *command, "--help"])
    examples = project.capsys.readouterr().out.partition("examples:")[2]
    assert words in examples
    assert "Exit code: 0, 1 if the gate refuses" in examples
    assert bool(command) == ("gate approve" not in examples)


def test_without_a_gate_or_its_folders_the_commands_say_what_to_write(project: Project) -> None:
    """In words that can be pasted."""
    (project.root / "gate.toml").write_text('files = ["*.py"]\npolicy = { tests = ["*"] }\n')
    assert "set PROD_ENV, or `prod`" in project.run("status", code=2)
    assert "set TEST_ENV, or `test`" in project.run("check", "run.jsonl", code=2)
    (project.root / "gate.toml").unlink()
    assert 'start with: [tool.flag-harness.gate] files = ["*.py"]' in project.run("status", code=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("files = []\n[policy]\ntests = ['*']", "gate.toml:1: files = [] declares no file"),
        ("files = ['*']", "gate.toml:1: lacks policy, which must be a table"),
        ("files = ['../x']\n[policy]\ntests = ['*']", "gate.toml:1: files: '../x' must not contain"),
        ("files = ['/x']\n[policy]\ntests = ['*']", "must be relative to the folder"),
        ("files = ['*']\n[policy]\ntests = []", "gate.toml:3: policy tests = [] requires no test"),
        ("files = ['*']\n[policy]\ntests = ['*']\nupstream = 'liv'", "gate.toml:4: policy upstream = 'liv' must be"),
        ("files = ['*']\n[policy]\ntests = ['*']\nmax_age = '9'", "gate.toml:4: policy max_age = '9' must be a whole"),
        ("files = ['*']\n[policy]\ntests = ['*']\nbudget = { cst = 1 }", "gate.toml:4: policy budget has no key 'cst'"),
        (
            "files = ['*']\n[policy]\ntests = ['*']\nbudget = { cost = -1 }",
            "budget cost = -1 must be a number, 0 or more",
        ),
        ("files = ['*']\n[policy]\ntests = ['*']\nlog_erors = 1", "the nearest is 'log_errors'"),
        ("files = [", "gate.toml: "),
    ],
)
def test_a_mistake_in_the_settings_is_named(project: Project, text: str, words: str) -> None:
    """With its line, what was expected, and the nearest word."""
    (project.root / "gate.toml").write_text(text)
    assert words in project.run("status", code=2)


def test_the_settings_may_stand_in_pyproject(project: Project) -> None:
    """But not in both files."""
    gate = '[tool.flag-harness.gate]\nfiles = ["*.py"]\nprod = "prod"\n[tool.flag-harness.gate.policy]\ntests = ["*"]\n'
    project.write("pyproject.toml", gate)
    assert "keep one of them" in project.run("status", code=2)
    (project.root / "gate.toml").unlink()
    assert "PROD prod" in project.run("status")
    project.write("pyproject.toml", gate.replace('"*.py"', ""))
    assert "pyproject.toml:2: [tool.flag-harness.gate] files = [] declares no file" in project.run("status", code=2)


def test_a_project_without_a_gate_has_none(tmp_path: Path) -> None:
    """So runs of pytest hash nothing."""
    assert None is read_gate_settings(tmp_path)
