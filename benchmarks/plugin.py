"""Measure the cost of the pytest plugin: `python benchmarks/plugin.py [--write docs/performance.md]`; takes minutes."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from measuring import Target, describe_versions, markdown_table, measure_interleaved, publish_section
from replayed_tests import TESTS, write_suites

ROOT = Path(__file__).parent.parent
ROUNDS = 5
FILES = {"errors": 7, "tools": 6, "matrix": 8, "context": 4}
"""The number of tests in each file of the cases; the trivial project has the same files."""

PYTEST = """
import resource, sys, pytest
code = pytest.main(sys.argv[1:])
own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
seconds = (used.ru_utime + used.ru_stime for used in (own, children))
print(*seconds, "anthropic" in sys.modules, file=sys.stderr)
sys.exit(code)
"""
"""Prints the CPU seconds of the process from its start, and those of its child processes."""

ALONE = ("-q", "-p", "no:cacheprovider", "-p", "no:cassetter")
"""cassetter's plugin does not load beside pytest-recording's."""
QUIET = (*ALONE, "-p", "no:recording")
COLLECT = (*QUIET, "--collect-only")
BARE = ("-p", "no:flag_harness")
PLAIN, ITEMS = 3000, 8000
PAIRS = (("flag-harness", "bare httpx2"), ("pytest-recording", "bare httpx"))
FILE = "test_many.py"
FLAGS = '[tool.flag-harness.flags]\na = "A"\nb = "B"\nc = "C"\n'
MATRIX = (
    "import pytest\n\n@pytest.fixture\ndef combination(flags):\n    return flags.id\n\n",
    "@pytest.mark.flag_matrix('a', 'b', 'c')",
)
PARAMETERS = (
    "import pytest\n\n@pytest.fixture\ndef combination(request):\n    return request.param\n\n"
    "IDS = ['off', 'a', 'b', 'c', 'a+b', 'a+c', 'b+c', 'a+b+c']\n\n",
    "@pytest.mark.parametrize('combination', IDS, indirect=True)",
)
"""The head of a module, and the mark of its tests, which have eight items each."""


@dataclass(frozen=True, slots=True)
class Run:
    """CPU seconds of a process and of its children, and whether it imported the SDK."""

    own: float
    children: float
    imported_sdk: bool

    @property
    def whole(self) -> float:
        """CPU seconds with the children's."""
        return self.own + self.children


def run_pytest(directory: Path, *arguments: str) -> Run:
    """Run pytest. Raise `RuntimeError` if it fails."""
    return _run(directory, [sys.executable, "-c", PYTEST, *arguments])


def script_seconds() -> float:
    """Return the CPU seconds of a script that makes the SDK calls of the cases."""
    return _run(ROOT, [sys.executable, str(Path(__file__).with_name("sdk_calls.py")), str(ROOT / "recordings")]).own


def _run(directory: Path, command: Sequence[str]) -> Run:
    """Run a command with a bytecode cache, as users have one; the first round fills it and does not count."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "flag-harness-benchmark-bytecode")
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[-3:]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    own, children, imported = done.stderr.splitlines()[-1].split()
    return Run(float(own), float(children), imported == "True")


def write_trivial_project(directory: Path) -> Path:
    """Write a project with as many tests, which do nothing, and return its folder."""
    directory.mkdir()
    for name, count in FILES.items():
        tests = (f"def test_{number}():\n    pass\n" for number in range(count))
        (directory / f"test_{name}.py").write_text("\n\n".join(tests), "utf-8")
    (directory / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", "utf-8")
    return directory


def measure_collection(nothing: Path) -> Iterator[str | Target]:
    """Yield what the plugin adds to a run that only collects."""
    seconds = measure_interleaved(
        {
            "25 tests that do nothing, -p no:flag_harness": lambda: run_pytest(nothing, *COLLECT, *BARE).own,
            "25 tests that do nothing, with the plugin": lambda: run_pytest(nothing, *COLLECT).own,
            "the 25 cases (pytest --feature=all)": lambda: run_pytest(ROOT, *COLLECT, "--feature=all").own,
        },
        ROUNDS,
    )
    bare, plugin, _ = seconds.values()
    yield "CPU seconds of `pytest --collect-only -q`.\n"
    yield _seconds_table(seconds)
    yield Target("collecting 25 tests with the plugin, over `-p no:flag_harness`", plugin / bare, 1.1)
    imported = run_pytest(ROOT, *COLLECT, "--feature=all").imported_sdk
    yield Target("SDK imported by collecting the 25 cases (1: yes)", float(imported), 0)


def measure_runs(nothing: Path) -> Iterator[str | Target]:
    """Yield the cost of the 25 cases, and of the parts that they need at least."""
    children: list[float] = []

    def cases() -> float:
        run = run_pytest(ROOT, *QUIET, "--feature=all")
        children.append(run.children)
        return run.own

    seconds = measure_interleaved(
        {
            "pytest --feature=all": cases,
            "a script with the SDK calls of the cases": script_seconds,
            "pytest, 25 tests that do nothing": lambda: run_pytest(nothing, *QUIET, *BARE).own,
        },
        ROUNDS,
    )
    own, script, bare = seconds.values()
    processes = statistics.median(children)
    yield "\nCPU seconds of a run, without child processes.\n"
    yield _seconds_table({**seconds, "child processes of pytest --feature=all": processes})
    needed = "over a script with its SDK calls and bare pytest"
    yield Target(f"`pytest --feature=all`, with children, {needed}", (own + processes) / (script + bare), 1.5)
    yield Target(f"the same without children, {needed}", own / (script + bare), 1.15)


def measure_tests(directory: Path) -> Iterator[str | Target]:
    """Yield what a replayed test costs, beside pytest-recording."""
    suites = write_suites(directory)
    options = {"flag-harness": QUIET, "pytest-recording": (*ALONE, *BARE)}
    subjects = {}
    for name, folder in suites.items():
        arguments = options.get(name, (*QUIET, *BARE))
        for label, tests in ((name, FILE), (f"{name}, one test", f"{FILE}::test_0")):
            subjects[label] = partial(_own_seconds, folder, *arguments, tests)
    seconds = measure_interleaved(subjects, ROUNDS)
    each = {name: (seconds[name] - seconds[f"{name}, one test"]) / (TESTS - 1) * 1000 for name in suites}
    ours, theirs = (each[name] - each[bare] for name, bare in PAIRS)
    yield f"\nCPU seconds of {TESTS} tests that send a request each; bare: from a `MockTransport`, without plugins.\n"
    rows = [
        [name, f"{seconds[f'{name}, one test']:.2f}", f"{seconds[name]:.2f}", f"{each[name]:.2f}"] for name in suites
    ]
    yield markdown_table(["", "one of them, s", "all, s", "each further test, ms"], rows)
    yield f"\nA replayed test takes {ours:.2f} ms more than a bare one; with pytest-recording {theirs:.2f} ms more."
    yield Target("a replayed test, over a bare test: times what pytest-recording takes", ours / theirs, 0.7)


def _own_seconds(directory: Path, *arguments: str) -> float:
    return run_pytest(directory, *arguments).own


def measure_plain_tests(directory: Path) -> Iterator[str | Target]:
    """Yield what the plugin costs tests that do not use it, and what a matrix costs at collection."""
    directory.mkdir()
    plain, matrix, parameters = (directory / name for name in ("test_plain.py", "test_matrix.py", "test_parameters.py"))
    plain.write_text("\n\n".join(f"def test_{number}():\n    pass\n" for number in range(PLAIN)), "utf-8")
    heads = {matrix: MATRIX, parameters: PARAMETERS}
    for path, (head, mark) in heads.items():
        tests = (f"{mark}\ndef test_{number}(combination):\n    pass\n" for number in range(ITEMS // 8))
        path.write_text(head + "\n\n".join(tests), "utf-8")
    (directory / "pyproject.toml").write_text(FLAGS, "utf-8")
    one = directory / "one"
    one.mkdir()
    (one / "test_one.py").write_text("def test_one():\n    pass\n", "utf-8")
    (one / "pytest.ini").write_text("[pytest]\n", "utf-8")
    seconds = measure_interleaved(
        {
            "one empty test, -p no:flag_harness": lambda: run_pytest(one, *QUIET, *BARE).own,
            "one empty test, with the plugin": lambda: run_pytest(one, *QUIET).own,
            f"{PLAIN:,} empty tests, -p no:flag_harness": lambda: run_pytest(directory, *QUIET, *BARE, plain.name).own,
            f"{PLAIN:,} empty tests, with the plugin": lambda: run_pytest(directory, *QUIET, plain.name).own,
            f"collecting {ITEMS:,} parametrized items, -p no:flag_harness": lambda: (
                run_pytest(directory, *COLLECT, *BARE, parameters.name).own
            ),
            f"collecting {ITEMS:,} items of matrices": lambda: run_pytest(directory, *COLLECT, matrix.name).own,
        },
        ROUNDS,
    )
    bare_start, start, bare, plugin, parametrized, matrices = seconds.values()
    yield "\nCPU seconds of runs in which the plugin has little to do.\n"
    yield _seconds_table(seconds)
    yield Target(
        "an empty test with the plugin, in a project without its table, over `-p no:flag_harness`",
        start / bare_start,
        1.05,
    )
    yield Target("empty tests with the plugin, over `-p no:flag_harness`", plugin / bare, 1.05)
    yield Target(f"collecting {ITEMS:,} items of matrices, over plain parametrize", matrices / parametrized, 1.1)


def _seconds_table(seconds: dict[str, float]) -> str:
    return markdown_table(["", "s"], [[name, f"{value:.2f}"] for name, value in seconds.items()])


def report() -> str:
    """Return all measurements as a section of a document."""
    with tempfile.TemporaryDirectory() as directory:
        nothing = write_trivial_project(Path(directory) / "nothing")
        parts = (
            measure_collection(nothing),
            measure_runs(nothing),
            measure_tests(Path(directory)),
            measure_plain_tests(Path(directory) / "plain"),
        )
        lines = [line for part in parts for line in part]
    texts = [line for line in lines if isinstance(line, str)]
    targets = Target.markdown_table([line for line in lines if isinstance(line, Target)])
    used = describe_versions("flag-harness", "pytest", "pytest-asyncio", "pytest-recording", "hypothesis", "anthropic")
    return "\n".join(["## The pytest plugin", "", used, "", targets, "", *texts])


if __name__ == "__main__":
    publish_section("plugin", report(), __doc__)
