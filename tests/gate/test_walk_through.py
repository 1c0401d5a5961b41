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
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", WALK, re.DOTALL | re.MULTILINE)


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
            for line in text.splitlines():
                pattern = ".*".join(map(re.escape, line.split("…")))
                assert re.search(f"{pattern}$", output, re.MULTILINE), f"{line!r} is not in:\n{output}"
        else:
            name, _, content = text.partition("\n")
            path = tmp_path / "project" / name.removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    assert "Answer in one sentence.\n" == (prod / "prompts" / "support.md").read_text(encoding="utf-8")
