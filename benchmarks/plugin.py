"""Measure the cost of the pytest plugin: `python benchmarks/plugin.py [--write docs/performance.md]`; takes minutes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from measuring import Target, describe_versions, markdown_table, measure_interleaved, publish_section

ROOT = Path(__file__).parent.parent
ROUNDS = 5
FILES = {"errors": 7, "tools": 6, "matrix": 8, "context": 4}
"""The number of tests in each file of the cases; the trivial project has the same files."""

PYTEST = """
import resource, sys, pytest
code = pytest.main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, "anthropic" in sys.modules, file=sys.stderr)
sys.exit(code)
"""
"""Prints the CPU seconds of the process from its start, without child processes."""

QUIET = ("-q", "-p", "no:cacheprovider")
COLLECT = (*QUIET, "--collect-only")
BARE = ("-p", "no:flag_harness")


def pytest_seconds(directory: Path, *arguments: str) -> tuple[float, bool]:
    """Return the CPU seconds of one run and whether it imported the SDK. Raise `RuntimeError` if it failed."""
    return _run(directory, [sys.executable, "-c", PYTEST, *arguments])


def script_seconds() -> float:
    """Return the CPU seconds of a script that makes the SDK calls of the cases."""
    return _run(ROOT, [sys.executable, str(Path(__file__).with_name("sdk_calls.py")), str(ROOT / "recordings")])[0]


def _run(directory: Path, command: Sequence[str]) -> tuple[float, bool]:
    """Run a command with a bytecode cache, as users have one; the first round fills it and does not count."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "flag-harness-benchmark-bytecode")
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[-3:]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    seconds, imported = done.stderr.splitlines()[-1].split()
    return float(seconds), imported == "True"


def write_trivial_project(directory: Path) -> Path:
    """Write a project with as many tests, which do nothing, and return its folder."""
    for name, count in FILES.items():
        tests = (f"def test_{number}():\n    pass\n" for number in range(count))
        (directory / f"test_{name}.py").write_text("\n\n".join(tests), "utf-8")
    (directory / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", "utf-8")
    return directory


def measure_collection(nothing: Path) -> Iterator[str | Target]:
    """Row 6: what the plugin adds to a run without tests."""
    seconds = measure_interleaved(
        {
            "25 tests that do nothing, -p no:flag_harness": lambda: pytest_seconds(nothing, *COLLECT, *BARE)[0],
            "25 tests that do nothing, with the plugin": lambda: pytest_seconds(nothing, *COLLECT)[0],
            "the 25 cases (pytest --feature=all)": lambda: pytest_seconds(ROOT, *COLLECT, "--feature=all")[0],
        },
        ROUNDS,
    )
    bare, plugin, _ = seconds.values()
    yield "CPU seconds of `pytest --collect-only -q`.\n"
    yield _seconds_table(seconds)
    yield Target("collecting 25 tests with the plugin, over `-p no:flag_harness`", plugin / bare, 1.1)
    imported = pytest_seconds(ROOT, *COLLECT, "--feature=all")[1]
    yield Target("SDK imported by measure_collection the 25 cases (1: yes)", float(imported), 0)


def measure_runs(nothing: Path) -> Iterator[str | Target]:
    """Row 7: the 25 cases, and the parts that they need at least."""
    seconds = measure_interleaved(
        {
            "pytest --feature=all": lambda: pytest_seconds(ROOT, *QUIET, "--feature=all")[0],
            "a script with the SDK calls of the cases": script_seconds,
            "pytest, 25 tests that do nothing": lambda: pytest_seconds(nothing, *QUIET, *BARE)[0],
        },
        ROUNDS,
    )
    cases, script, bare = seconds.values()
    yield "\nCPU seconds of a run, child processes excluded.\n"
    yield _seconds_table(seconds)
    yield Target(
        "`pytest --feature=all`, over a script with its SDK calls and bare pytest", cases / (script + bare), 1.15
    )


def _seconds_table(seconds: dict[str, float]) -> str:
    return markdown_table(["", "s"], [[name, f"{value:.2f}"] for name, value in seconds.items()])


def report() -> str:
    """Return all measurements as a section of a document."""
    with tempfile.TemporaryDirectory() as directory:
        nothing = write_trivial_project(Path(directory))
        lines = [*measure_collection(nothing), *measure_runs(nothing)]
    texts = [line for line in lines if isinstance(line, str)]
    targets = Target.markdown_table([line for line in lines if isinstance(line, Target)])
    used = describe_versions("flag-harness", "pytest", "pytest-asyncio", "hypothesis", "anthropic")
    return "\n".join(["## The pytest plugin", "", used, "", targets, "", *texts])


if __name__ == "__main__":
    publish_section("plugin", report(), __doc__)
