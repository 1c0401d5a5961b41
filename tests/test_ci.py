"""What the project offers for CI: the workflows in docs/ci, the action, and the hook of pre-commit."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flag_harness.cli.demo import _create_project

ROOT = Path(__file__).parents[1]
ACTION = ROOT / ".github" / "actions" / "flag-harness" / "action.yml"
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
ENVIRON["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), ENVIRON.get("PATH", "")])


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _pytest_options(command: str) -> list[str]:
    return [word.partition("=")[0] for word in shlex.split(command) if word.startswith("--")]


@pytest.fixture(scope="module")
def known_options(tmp_path_factory: pytest.TempPathFactory, warm_run: Callable[..., Any]) -> set[str]:
    """Every long option that pytest takes here."""
    command = [sys.executable, "-m", "pytest", "--help", "-p", "no:cacheprovider"]
    run = warm_run(command, cwd=tmp_path_factory.mktemp("help"), capture_output=True, text=True, check=True)
    return set(re.findall(r"(--[a-z][\w-]+)", run.stdout))


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_workflows_give_pytest_options_that_exist(name: str, known_options: set[str]) -> None:
    """All jobs of the workflow that a reader copies."""
    jobs = _load(ROOT / "docs" / "ci" / name)
    jobs = jobs.get("jobs", jobs)
    lines = [step.get("run", "") for job in jobs.values() for step in job.get("steps", [])]
    lines += [line for job in jobs.values() for line in job.get("script", [])]
    options = [option for line in lines if line.startswith("pytest ") for option in _pytest_options(line)]
    assert "--harness-record" in options
    assert [] == [option for option in options if option not in known_options]


def test_the_action_adds_a_report_to_the_summary_and_fails_as_pytest_does(
    tmp_path: Path, warm_python: Callable[[], str]
) -> None:
    """Its own script, on the project of the demo, which has a bug."""
    _create_project(tmp_path)
    action = _load(ACTION)
    defaults = {name.upper().replace("-", "_"): value["default"] for name, value in action["inputs"].items()}
    summary = tmp_path / "summary.md"
    environ = {
        **ENVIRON,
        **defaults,
        "PATH": os.pathsep.join([str(Path(warm_python()).parent), ENVIRON["PATH"]]),
        "ARGUMENTS": "-p no:cacheprovider -p no:asyncio -q",
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    script = action["runs"]["steps"][0]["run"]
    run = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert (1, "") == (run.returncode, run.stderr)
    assert "prompt_cache" in summary.read_text(encoding="utf-8")
    assert (tmp_path / defaults["RECORD"]).exists()


def test_the_hook_of_pre_commit_checks_recordings() -> None:
    """A staged recording starts it, a scenario does not, and its command exists."""
    (hook,) = _load(ROOT / ".pre-commit-hooks.yaml")
    assert [True, True, False] == [
        bool(re.search(hook["files"], path))
        for path in ("recordings/test_a.json", "packages/b/recordings/c/test_d.json", "fixtures/scenarios/a.toml")
    ]
    command = [*shlex.split(hook["entry"]), "recordings"]
    run = subprocess.run(command, cwd=ROOT, env=ENVIRON, capture_output=True, text=True, check=False)
    assert (0, "") == (run.returncode, run.stderr)


def test_the_tests_without_coverage_exist() -> None:
    """And are listed once, in order."""
    lines = (ROOT / "tests" / "unmeasured.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split("::") for line in lines]
    missing = [name for file, name in names if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")]
    assert [] == missing
    assert sorted({*lines}) == lines
