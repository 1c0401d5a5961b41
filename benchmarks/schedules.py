"""Plant bugs that need two troubles in a sound agent, and count those that schedules find, and shrink to the two.

One sweep (`--harness-sweep=schedules --harness-runs=500`) of the agent without a bug notes which troubles each schedule
brings together. For each of 50 bugs, the first schedule that brings its two together then runs with the bug.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).parents[1]
AGENTS = ROOT / "tests" / "sweep"
BUGS = 50
SETTINGS = """
[tool.flag-harness.sweep]
tools = "real"
"""
TEST = """
import asyncio

import pytest
from planted_agent import AgentError
from scarred_agent import ScarredAgent


@pytest.fixture
def agent(cassette):
    return ScarredAgent()


@pytest.mark.scenario("sums")
def test_conversation(agent):
    async def talk():
        for prompt in ("What is 2 + 3?", "And 4 + 5?", "Good.", "Are you there?"):
            try:
                await agent.ask(prompt)
            except AgentError as error:
                agent.failed = error

    asyncio.run(talk())
"""
CONFTEST = """
import os


def pytest_runtest_logstart(nodeid):
    log, (_, _, number) = os.environ.get("SCARS_LOG"), nodeid.rstrip("]").rpartition("schedule_")
    if log and number.isdecimal():
        with open(log, "a") as file:
            file.write(f"schedule {number}\\n")
"""
_CAUSE = re.compile(r"^(.+): raw exception: PlantedBugError", re.MULTILINE)


def planted_bugs() -> list[frozenset[str]]:
    """Return the pairs of troubles that break an agent, each pair one bug."""
    sys.path.insert(0, str(AGENTS))
    import scarred_agent

    return [frozenset(pair) for pair in combinations(scarred_agent.KNOWN, 2)][:BUGS]


def make_project(folder: Path) -> None:
    """Write the test that is swept, with its scenario and settings."""
    (folder / "fixtures/scenarios").mkdir(parents=True)
    (folder / "fixtures/scenarios/sums.toml").write_bytes((AGENTS / "sums.toml").read_bytes())
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "test_planted.py").write_text(TEST)
    (folder / "conftest.py").write_text(CONFTEST)


def run_schedules(folder: Path, *options: str, **variables: str) -> str:
    """Run schedules, and return what pytest prints."""
    environ = {**os.environ, "PYTHONPATH": str(AGENTS), **variables}
    command = [sys.executable, "-m", "pytest", "--harness-sweep=schedules", "-q", "-p", "no:cacheprovider", *options]
    run = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return run.stdout


def first_schedules(log: Path) -> Mapping[frozenset[str], int]:
    """Return the number of the first schedule that brings two troubles together, for each pair in the log."""
    first: dict[frozenset[str], int] = {}
    number, scars = 0, list[str]()
    for line in log.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "schedule":
            number = int(rest)
        if line == "agent" or kind == "schedule":
            scars = []
            continue
        for other in scars:
            first.setdefault(frozenset((line, other)), number)
        scars.append(line)
    return first


def shrunk_schedule(folder: Path, bug: frozenset[str], number: int) -> str:
    """Run one schedule with a bug, and return the part to which the failure is shrunk, or an empty string."""
    output = run_schedules(folder, "--harness-runs=1", f"--harness-seed={number}", SCARS="+".join(bug))
    found = _CAUSE.search(output)
    return found[1] if found else ""


def main() -> None:
    """Print what became of each bug, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="schedules (500)")
    parser.add_argument("--log", type=Path, help="the file with the troubles of each schedule; made if it is missing")
    options = parser.parse_args()
    found = shrunk = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder)
        log = options.log or folder / "scars.log"
        if not log.exists():
            run_schedules(folder, f"--harness-runs={options.runs}", SCARS_LOG=str(log))
        first = first_schedules(log)
        for bug in planted_bugs():
            number = first.get(bug)
            part = "" if number is None else shrunk_schedule(folder, bug, number)
            found, shrunk = found + bool(part), shrunk + (part.count(" + ") == 1)
            print(f"{' and '.join(sorted(bug))}: schedule {number}: {part or 'not found'}", flush=True)
    print(f"{found} of {BUGS} bugs found within {options.runs} schedules, {shrunk} shrunk to two troubles")


if __name__ == "__main__":
    main()
