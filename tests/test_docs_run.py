"""The code of the README and the docs is run: programs, tests and commands, on the project in `docs_project/`."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs_blocks import (
    NOT_RUN,
    PAGES,
    PROJECT,
    ROOT,
    RUN_ELSEWHERE,
    RUN_PAGES,
    SHORTER,
    all_blocks,
    commands_to_run,
)

IMPORTS = """
import asyncio, time
import anthropic, pytest
import flag_harness
from flag_harness.faults import *
from shop import *
"""
"""What pages leave out of their examples."""
MAY_FIND = ("--harness-verdict", "--harness-sweep", "report verdict", "report diff", "cassette effects")
"""Commands that exit with 1 if they find something: a flag without effect, a fault that is not survived, no verdict."""
RECORD = ("--record-mode=once", "--harness-upstream=simulator")
PREPARE = """
pytest --record-mode=once --harness-upstream=simulator --harness-record=run.jsonl
pytest --harness-shard=1/2 --harness-record=shard-1.jsonl
pytest --harness-shard=2/2 --harness-record=shard-2.jsonl
BROKEN=1 pytest --harness-record=out/run.jsonl
for name in main branch nightly-1; do cp run.jsonl $name.jsonl; done
"""
"""What was run before, as the pages have it."""
PAGES_WITH_COMMANDS = sorted({block.page for block in all_blocks("sh") if commands_to_run(block)})


def run_commands(script: str, folder: Path, python: str) -> list[tuple[int, str]]:
    """Run a script of shell in a folder; return the exit code of each command of this project, with its line."""
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    for name, module in (("pytest", "pytest"), ("flag-harness", "flag_harness.cli")):
        run = f'{python} -m {module} "$@"; code=$?; echo "$code {name} $*" >> "$EXIT_CODES"; exit $code'
        (commands / name).write_text(f"#!/bin/sh\n{run}\n", encoding="utf-8")
        (commands / name).chmod(0o755)
    log = folder / "exit_codes"
    log.write_text("")
    environ = os.environ | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "EXIT_CODES": str(log)}
    environ |= {"GITHUB_STEP_SUMMARY": str(folder / "summary"), "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:xdist"}
    done = subprocess.run(["sh", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    (folder / "output").write_text(done.stdout + done.stderr)
    return [(int(code), line) for code, line in re.findall(r"^(\d+) (.*)$", log.read_text(), re.MULTILINE)]


@pytest.fixture(scope="session")
def recorded_project(tmp_path_factory: pytest.TempPathFactory, warm_python: Callable[[], str]) -> Path:
    """Return the project with its recordings and the records of earlier runs."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(PROJECT, folder)
    agent = next(block.text for block in all_blocks("python") if "class SweptBot" in block.text)
    (folder / "myapp" / "agent.py").write_text(f"from myapp.bot import Bot\n{agent}", encoding="utf-8")
    usage = next(block.text for block in all_blocks("python") if "def usage(" in block.text)
    (folder / "helpers.py").write_text(usage, encoding="utf-8")
    codes = run_commands(PREPARE, folder, warm_python())
    assert [0, 0, 0, 1] == [code for code, _ in codes], (folder / "output").read_text()
    return folder


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS)
def test_every_command_of_a_page_runs(
    page: str, recorded_project: Path, tmp_path: Path, warm_python: Callable[[], str]
) -> None:
    """In the order of the page, on a project with recordings; each exits as its page says."""
    folder = tmp_path / "project"
    shutil.copytree(recorded_project, folder)
    script = "".join(commands_to_run(block) for block in all_blocks("sh") if block.page == page)
    codes = run_commands(f"set +e\n{script}", folder, warm_python())
    assert codes
    wrong = [line for code, line in codes if code and not (code == 1 and any(one in line for one in MAY_FIND))]
    assert [] == wrong, (folder / "output").read_text()


def test_every_test_and_program_of_the_docs_runs(recorded_project: Path, pytester: pytest.Pytester) -> None:
    """Tests pass on the simulator's answers, and programs end, with nothing but the imports that pages leave out."""
    shutil.copytree(recorded_project, pytester.path, dirs_exist_ok=True)
    shutil.copytree(ROOT / "recordings" / "matrix", pytester.path / "recordings" / "matrix")
    blocks = [one for one in all_blocks("python") if not one.begins_as({**RUN_ELSEWHERE, **NOT_RUN})]
    for block in blocks:
        path = pytester.path / "tests" / f"test_{block.page.replace('-', '_')}_{block.index}.py"
        run = "" if "def test_" in block.text else "def test_program():\n    pass\n"
        path.write_text(f"{IMPORTS}\n{block.text}\n{run}", encoding="utf-8")
    (pytester.path / "tests" / "test_agent.py").unlink()
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--disable-recording", RECORD[1])
    outcomes = result.parseoutcomes()
    assert {*outcomes} <= {"passed", "warnings"}, result.stdout.str()
    assert len(blocks) <= outcomes["passed"]


def test_whatever_is_not_run_here_is_on_a_page() -> None:
    """No block or command is excused that is gone, and each test that is named exists."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [] == [one for one in (*NOT_RUN, *RUN_ELSEWHERE) if not re.search(f"^{re.escape(one)}", text, re.MULTILINE)]
    assert [] == [part for part in SHORTER if part.strip() not in text]
    tests = {*RUN_PAGES.values(), *RUN_ELSEWHERE.values()}
    assert [] == [path for path in tests if path.startswith("tests/") and not (ROOT / path).is_file()]
