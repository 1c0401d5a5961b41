"""`--feature`: the counts, the names, and what a run without cases comes to."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeAlias

import pytest

from flag_harness.flag import Flag
from flag_harness.matrix import Combination
from flag_harness.plugin.features import features_of_case

ROOT = Path(__file__).parents[2]
CASE_COUNTS = {
    "streaming": 10,
    "prompt_cache": 7,
    "extended_output": 9,
    "tools": 6,
    "context": 4,
    "errors": 7,
    "integration": 4,
    "all": 25,
    "stream": 10,
    "cache": 7,
    "output": 9,
}


Run: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_pytest(warm_python: Callable[[], str]) -> Run:
    """Run pytest in this checkout, or in another folder."""

    def run(*arguments: str, folder: str = ".", **environ: str) -> "subprocess.CompletedProcess[str]":
        command = [warm_python(), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        environment = {**os.environ, **environ}
        return subprocess.run(command, cwd=ROOT / folder, capture_output=True, text=True, env=environment, check=False)

    return run


@pytest.mark.parametrize(("name", "count"), CASE_COUNTS.items())
def test_each_name_selects_its_cases(name: str, count: int, run_pytest: Run) -> None:
    """The numbers of the suite, by name and by short name."""
    run = run_pytest(f"--feature={name}", "--collect-only", "-q")
    listed = [line for line in run.stdout.splitlines() if line.startswith("cases/")]
    assert (0, count) == (run.returncode, len(listed)), run.stdout


def test_names_add_up(run_pytest: Run) -> None:
    """Two names select what either selects."""
    run = run_pytest("--feature=tools", "--feature=context", "--collect-only", "-q")
    assert 10 == sum(line.startswith("cases/") for line in run.stdout.splitlines())


def test_an_unknown_name_is_a_usage_error_that_lists_the_names(run_pytest: Run) -> None:
    """Exit code 4, in one line."""
    run = run_pytest("--feature=nonsense")
    assert 4 == run.returncode
    assert (
        "ERROR: --feature=nonsense: no such feature; choose from streaming, prompt_cache, extended_output, tools, "
        "context, errors, integration, all (or stream, cache, output)\n"
    ) == run.stderr.splitlines(keepends=True)[0]


def test_collecting_does_not_import_the_sdk() -> None:
    """Listing the cases costs no import of `anthropic`, nor of its HTTP client."""
    script = (
        "import sys, pytest\n"
        "code = pytest.main(['--feature=all', '--collect-only', '-q', '-p', 'no:cacheprovider'])\n"
        "print(code, [name for name in ('anthropic', 'httpx2') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "0 []" == run.stdout.splitlines()[-1]


def test_a_bad_number_in_the_environment_is_one_clear_line(run_pytest: Run) -> None:
    """No traceback."""
    run = run_pytest("--feature=all", MAX_TOKENS="abc")
    message = "MAX_TOKENS='abc' is not a whole number; set it to one, or unset it for 16384"
    assert (4, f"ERROR: {message}") == (run.returncode, run.stderr.strip())


def test_a_selection_of_nothing_does_not_pass(run_pytest: Run) -> None:
    """pytest's own exit code for an empty run."""
    assert 5 == run_pytest("--feature=streaming", "-k", "nothing_is_called_this").returncode


LOSING = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if item.path.name != "test_tools.py"]
"""


def test_a_lost_case_stops_the_run(tmp_path: Path, run_pytest: Run) -> None:
    """The numbers are held against what was collected."""
    (tmp_path / "losing.py").write_text(LOSING)
    arguments = ("--feature=all", "-plosing", "--collect-only", "-q")
    for places in ((), (".",), ("tests", "cases")):
        run = run_pytest(*arguments, *places, PYTHONPATH=str(tmp_path))
        assert 4 == run.returncode
        assert (
            "the suite's cases do not add up: streaming 8 (not 10), extended_output 7 (not 9), tools 0 (not 6)"
            in run.stderr
        )


def test_the_installed_suite_is_held_whole_and_leaves_nothing_in_the_project(tmp_path: Path, run_pytest: Run) -> None:
    """Neither recordings nor logs; its numbers are held there, too."""
    (tmp_path / "losing.py").write_text(LOSING)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pytest.ini").write_text("[pytest]\n")
    suite = (
        "--pyargs",
        "flag_harness.conformance",
        "--feature=all",
        f"--rootdir={project}",
        f"-c{project / 'pytest.ini'}",
    )
    lost = run_pytest(*suite, "-plosing", "--collect-only", folder=str(project), PYTHONPATH=str(tmp_path))
    assert (4, True) == (lost.returncode, "the suite's cases do not add up" in lost.stderr)
    run = run_pytest(*suite, "-kmissing_param", folder=str(project))
    assert (0, ["pytest.ini"]) == (run.returncode, [path.name for path in project.iterdir()]), run.stdout


@pytest.mark.parametrize(
    ("folder", "arguments", "cases"),
    [
        ("tests", (), 0),
        (".", ("tests",), 0),
        (".", ("cases/test_tools.py",), 6),
        (".", ("--ignore=cases/test_tools.py",), 19),
        (".", ("--ignore-glob=*/test_tools.py",), 19),
        ("tests", ("../cases",), 25),
    ],
)
def test_a_run_that_is_told_to_leave_cases_out_is_not_stopped(
    folder: str, arguments: tuple[str, ...], cases: int, run_pytest: Run
) -> None:
    """It runs those that are left; where none are, pytest's own exit code says so."""
    run = run_pytest("--feature=all", "--collect-only", "-q", *arguments, folder=folder)
    listed = sum("::test_" in line for line in run.stdout.splitlines())
    assert (0 if cases else 5, cases) == (run.returncode, listed), run.stderr


def test_a_parameter_beside_the_combination_is_no_feature() -> None:
    """The combination itself has its flags, and `integration` if all of them are on."""
    combination = Combination((Flag("streaming", "S"),), (1,))
    spec = SimpleNamespace(params={"size": 3, "harness_combination": combination})
    item = SimpleNamespace(callspec=spec, iter_markers=lambda name: iter(()))
    assert {"streaming", "integration"} == features_of_case(item)  # type: ignore[arg-type]
