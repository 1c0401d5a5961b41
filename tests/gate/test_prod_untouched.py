"""Nothing but a promotion or a rollback writes to PROD: every other command runs under an audit hook."""

import argparse
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flag_harness.cli.main import COMMANDS
from tests.gate.conftest import Project, trials

PROGRAM = Path(__file__).with_name("watched.py")
CASSETTE = Path(__file__).parents[2] / "recordings" / "matrix" / "off.json"
WRITERS = {("gate", "promote"), ("gate", "rollback")}
LEFT_OUT = {("ui",), ("demo",)}
"""`ui` starts a program that serves a browser, and `demo` a run of pytest in a folder of its own."""
ARGUMENTS: dict[tuple[str, ...], list[list[str]]] = {
    ("cassette", "check"): [["prod/recordings"]],
    ("cassette", "diff"): [["prod/recordings/off.json", "recordings/off.json"]],
    ("cassette", "effects"): [["prod/recordings"]],
    ("cassette", "export"): [["prod/recordings/off.json", "--format", "vcrpy", "--to", "out"]],
    ("cassette", "import"): [["out/off.yaml", "--to", "recordings/imported"]],
    ("cassette", "rebase"): [["recordings/off.json"]],
    ("cassette", "show"): [["prod/recordings/off.json"]],
    ("cassette", "stat"): [["prod/recordings"]],
    ("context", "save"): [["session.json", "--messages", "prod/messages.json", "--model", "m"]],
    ("context", "restore"): [["session.json"]],
    ("context", "verify"): [["session.json"]],
    ("gate", "stage"): [["--overwrite"], []],
    ("gate", "check"): [["run.jsonl"], ["run.jsonl", "--source", "prod"]],
    ("gate", "approve"): [["run.jsonl", "--name", "Ann", "--reason", "x"]],
    ("gate", "status"): [[], ["--json"]],
    ("report", "merge"): [["run.jsonl", "-o", "merged.jsonl"]],
    ("report", "diff"): [["run.jsonl", "run.jsonl"]],
    ("report", "logs"): [["run.jsonl"]],
    ("report", "open"): [["run.jsonl"]],
    ("report", "verdict"): [["run.jsonl"]],
    ("report", "build"): [["run.jsonl", "-o", "report.md"]],
    ("report", "metrics"): [["run.jsonl"]],
    ("scenario", "from"): [["prod/recordings/off.json"]],
    ("serve", "replay"): [["prod/recordings", "--port", "0"]],
    ("serve", "simulator"): [["--port", "0"]],
}
"""What each command is run with. One that is not listed is run without arguments."""


def _commands() -> Iterator[tuple[str, ...]]:
    """Yield the names of all commands of `flag-harness`."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    for add_command in COMMANDS:
        add_command(subparsers)
    yield from _leaves(parser, ())


def _leaves(parser: argparse.ArgumentParser, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield names
    for group in groups:
        for name, child in group.choices.items():
            yield from _leaves(child, (*names, name))


def test_no_other_command_writes_to_prod(project: Project, warm_python: Callable[[], str]) -> None:
    """Neither before a promotion nor after it, and not even if a command reads what is in PROD."""
    project.write("prod/messages.json", '[{"role": "user", "content": "hi"}]')
    project.write(".pytest_cache/v/flag-harness/misses", '{"root": ".", "misses": []}')
    claims = {
        "root": ".",
        "recordings": "recordings",
        "partial_reason": "",
        "claimed": [],
        "files": [],
        "finished": 0,
    }
    project.write(".pytest_cache/v/flag-harness/claims", json.dumps(claims))
    for folder in ("prod/recordings", "recordings"):
        (project.root / folder).mkdir()
        shutil.copy(CASSETTE, project.root / folder)
    project.promote("two")
    project.record(*trials(1))
    names = [name for name in _commands() if name not in WRITERS | LEFT_OUT]
    assert set(ARGUMENTS) <= set(names)
    commands = [[*name, *arguments] for name in names for arguments in ARGUMENTS.get(name, [[]])]
    before = project.tree()
    command = [warm_python(), PROGRAM, str(project.prod), json.dumps(commands)]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert [] == found["writes"]
    assert before == project.tree()
    wrong = [f"{name}: {code}" for name, code in found["codes"].items() if code.startswith("2:")]
    assert [] == wrong, "\n".join(wrong)


@pytest.mark.parametrize("command", [("promote",), ("rollback", "--to", "0", "--name", "Ann")])
def test_the_hook_sees_what_a_promotion_writes(
    project: Project, warm_python: Callable[[], str], command: tuple[str, ...]
) -> None:
    """So the test above would notice a write."""
    project.write("test/prompts/support.md", "two")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    if command[0] == "rollback":
        project.run("promote")
    arguments = [warm_python(), PROGRAM, str(project.prod), json.dumps([["gate", *command]])]
    done = subprocess.run(arguments, cwd=project.root, capture_output=True, text=True, check=True)
    writes = json.loads(done.stdout.splitlines()[-1])["writes"]
    assert any("os.rename" in line and line.endswith("prompts/support.md") for line in writes)
    assert all("/prompts" in line for line in writes)
