"""The walk-through of docs/gate.md, typed as it is written."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gate.conftest import tree_hash

DOCUMENT = (Path(__file__).parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")
WALK = DOCUMENT[DOCUMENT.index("## A complete example") : DOCUMENT.index("## Settings")]
VERDICTS = DOCUMENT[DOCUMENT.index("## An agent whose answers vary") : DOCUMENT.index("## What an approval covers")]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = BLOCK.findall(WALK)


@pytest.fixture
def shell(tmp_path: Path, warm_python: Callable[[], str]) -> Callable[[str], str]:
    """Return a function that runs commands in an empty folder, and returns what they print."""
    commands, home = tmp_path / "bin", tmp_path / "project"
    commands.mkdir()
    home.mkdir()
    for name, module in (("pytest", "pytest"), ("flag-harness", "flag_harness.cli")):
        (commands / name).write_text(f'#!/bin/sh\nexec {warm_python()} -m {module} "$@"\n', encoding="utf-8")
        (commands / name).chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if name not in ("TEST_ENV", "PROD_ENV")}
    environ |= {"PATH": f"{commands}{os.pathsep}{environ['PATH']}", "GIT_CONFIG_GLOBAL": os.devnull, "COLUMNS": "200"}

    def run(script: str) -> str:
        done = subprocess.run(
            ["sh", "-e", "-c", script], cwd=home, env=environ, capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


def _check_output(text: str, output: str) -> None:
    """Check that each line of a block is in the output; `…` stands for any text."""
    for line in text.splitlines():
        pattern = ".*".join(map(re.escape, line.split("…")))
        assert re.search(f"{pattern}$", output, re.MULTILINE), f"{line!r} is not in:\n{output}"


def _write_file(project: Path, text: str) -> None:
    """Write the file whose name is in the first line of a block."""
    name, _, content = text.partition("\n")
    path = project / name.removeprefix("# ")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def test_the_walk_through_works_as_it_is_written(shell: Callable[[str], str], tmp_path: Path) -> None:
    """Stage, change, validation, review, promotion and rollback print what the page shows, and PROD follows."""
    output, prod = "", tmp_path / "project" / "prod"
    for language, text in BLOCKS:
        if language == "sh":
            before = tree_hash(prod)
            output = shell(text)
            if not re.search("gate promote$|gate rollback|mkdir", text, re.MULTILINE):
                assert before == tree_hash(prod), text
        elif language == "text":
            _check_output(text, output)
        else:
            _write_file(tmp_path / "project", text)
    assert "Answer in one sentence.\n" == (prod / "prompts" / "support.md").read_text(encoding="utf-8")


def test_the_evidence_of_an_agent_whose_answers_vary_passes_as_it_is_written(
    shell: Callable[[str], str], tmp_path: Path
) -> None:
    """The policy with a verdict, in the project of the walk-through, and the one command that yields its evidence."""
    project = tmp_path / "project"
    for language, text in BLOCKS[:4]:
        shell(text) if language == "sh" else _write_file(project, text)
    _write_file(project, BLOCKS[4][1].partition("[tool.flag-harness.gate]")[0])
    output = ""
    for language, text in BLOCK.findall(VERDICTS):
        if language == "toml":
            _write_file(project, text)
        elif language == "sh":
            output = shell(f"flag-harness gate stage\n{text}")
        else:
            _check_output(text, output)
