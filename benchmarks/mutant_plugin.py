"""Collects the tests once, and runs them in forks of that process: a plugin of pytest for `mutants.py`.

`plan.json` in the folder of results holds the mutants that are woven into the package, and how many forks to run.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import mutant_hits
import pytest
from _pytest.main import pytest_runtestloop as run_all
from mutant_judge import Judge, Verdict, function_of, read_rows

FOLDER = Path(mutant_hits.FOLDER)
MEMORY = 6 << 30
"""Bytes that a process may take under a mutant."""


class Forks:
    """Runs tests in a fork, and returns how they end."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session
        self.items = {item.nodeid: item for item in session.items}

    def run(self, job: str, active: str, tests: list[str], seconds: float, *, stop: bool) -> Verdict:
        """Run tests under a mutant, to the first failure if `stop`."""
        results = f"outcomes-{job}.jsonl"
        (FOLDER / results).unlink(missing_ok=True)
        pid = os.fork()
        if not pid:
            self._run_in_fork(results, active, [self.items[one] for one in tests], stop)
        status = self._wait(pid, time.monotonic() + seconds)
        return Verdict(status, read_rows(FOLDER / results))

    def _run_in_fork(self, results: str, active: str, items: list[pytest.Item], stop: bool) -> None:
        status = 70
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            os.environ[mutant_hits.ACTIVE] = active
            warm = sys.modules.get("tests.warm_python")
            warm_folder = warm.WarmFolder() if warm else None  # no server of another mutant's
            Outcomes.results = results
            self.session.items = items
            self.session.config.option.maxfail = int(stop)
            with suppress(pytest.Session.Failed):
                run_all(self.session)
            self.session._setupstate.teardown_exact(None)
            if warm_folder:
                warm_folder.pytest_unconfigure()
            status = 0
        finally:
            os._exit(status)

    def _wait(self, pid: int, until: float) -> int | None:
        """Return the exit status of a fork, or None if it takes too long. Kill what it has started."""
        pause = 0.01
        while time.monotonic() < until:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
            time.sleep(pause)
            pause = min(0.5, pause * 1.5)
        else:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            status = None
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        return status


class Outcomes:
    """Notes how each step of each test ends."""

    results = "outcomes.jsonl"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Append a line."""
        row = [report.nodeid, report.when, report.outcome, report.duration]
        mutant_hits.append_line(self.results, json.dumps(row))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Name the test."""
    os.environ[mutant_hits.TEST] = item.nodeid
    try:
        return (yield)
    finally:
        os.environ.pop(mutant_hits.TEST, None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not selected."""
    if "MUTANTS_SELECTION" in os.environ:
        selected = set(Path(os.environ["MUTANTS_SELECTION"]).read_text(encoding="utf-8").splitlines())
        left_out = [item for item in items if function_of(item.nodeid) not in selected]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Any:
    """Judge the mutants in forks, unless tests are selected."""
    if "MUTANTS_SELECTION" in os.environ:
        return None
    forks = Forks(session)
    judge = Judge(FOLDER, list(forks.items), forks.run)
    judge.judge_all()
    return True


def pytest_configure(config: pytest.Config) -> None:
    """Note how tests end."""
    config.pluginmanager.register(Outcomes())
