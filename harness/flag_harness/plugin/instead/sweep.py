"""`--harness-sweep=faults`: one test item a fault, each run under every combination, and the survival table.

`--harness-fault` says which faults; without it all are tried, at every point.
"""

import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.errors import HarnessError
from flag_harness.matrix import matrix
from flag_harness.plugin.marks import CONFIG, declared_flags
from flag_harness.plugin.test.faults import FAULTS

if TYPE_CHECKING:
    from flag_harness.faults import Fault
    from flag_harness.sweep import Sweep, Trial, TrialResult

SWEEPS = ("faults",)


def add_options(group: pytest.OptionGroup) -> None:
    """Add the sweep's options."""
    group.addoption(
        "--harness-sweep",
        choices=SWEEPS,
        default=None,
        help="in place of tests, run the agent under every fault, at every point of a stream, under every combination; "
        "with --harness-fault: under those faults",
    )
    group.addoption(
        "--harness-agent",
        metavar="MODULE:NAME",
        default=None,
        help="the agent to sweep, as docs/agents.md describes it (default: the one in [tool.flag-harness])",
    )


def configure(config: pytest.Config) -> None:
    """Prepare the sweep where one is asked for.

    Raises `HarnessError` for an agent that cannot be found, or that fails by itself, and for tests that are named.
    """
    if config.getoption("--harness-sweep") is None:
        return
    from flag_harness.sweep import Sweep, load_agent  # a run that sweeps nothing does not pay for its import

    is_worker = hasattr(config, "workerinput")
    if config.args_source is pytest.Config.ArgsSource.ARGS and not is_worker:
        _refuse(config.args)

    root = str(config.rootpath)
    if root not in sys.path:
        sys.path.insert(0, root)
    agent = load_agent(config.getoption("--harness-agent") or config.stash[CONFIG].agent)
    directory = tempfile.TemporaryDirectory(prefix="flag-harness-sweep-")
    config.add_cleanup(directory.cleanup)
    sweep = Sweep(agent, matrix(declared_flags(config)), Path(directory.name))
    if not (is_worker or config.getoption("collectonly")):
        sweep.check()
    config.pluginmanager.register(SweepRun(sweep, config.stash[FAULTS]), "flag-harness-sweep")


def _refuse(arguments: Sequence[str]) -> None:
    fault = arguments[0].removeprefix("sweep::") if arguments[0].startswith("sweep::") else "overloaded:on=1"
    raise HarnessError(
        f"--harness-sweep runs no tests, so {' '.join(arguments)} has no place here; to sweep some faults: "
        f"--harness-fault={fault} (repeatable), or -k with a part of their names"
    )


class NotSurvivedError(Exception):
    """A fault was not survived under some combination, or fired under none though it was asked for."""


class SweepItem(pytest.Item):
    """One fault under every combination."""

    def __init__(self, *, sweep: "Sweep", trial: "Trial", must_fire: bool, **options: Any) -> None:
        super().__init__(**options)
        self._sweep, self._trial, self._must_fire = sweep, trial, must_fire
        self.result: TrialResult | None = None

    def runtest(self) -> None:
        """Run it; what was not survived fails."""
        self.result = self._sweep.result(self._trial)
        if self._must_fire and not self.result.applies:
            raise NotSurvivedError("it never fired, under no combination")
        if self.result.failures:
            raise NotSurvivedError("\n".join(self.result.failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The combinations and why; a traceback would show the sweep."""
        if isinstance(excinfo.value, (NotSurvivedError, HarnessError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """The fault, as the command line spells it."""
        return self.config.rootpath, None, self._trial.name


class SweepRun:
    """Puts the sweep in place of what pytest would collect, and prints its table."""

    def __init__(self, sweep: "Sweep", faults: "tuple[Fault, ...]") -> None:
        self._sweep, self._faults = sweep, faults
        self._results: list[TrialResult] = []

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Collect no file."""
        return True if collection_path.is_file() else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """The sweep's items are the run; `-k` picks among them."""
        from flag_harness.sweep import all_trials, make_trial

        items[:] = [
            SweepItem.from_parent(
                session,
                name=tried.name,
                nodeid=f"sweep::{tried.name}",
                sweep=self._sweep,
                trial=tried,
                must_fire=bool(self._faults),
            )
            for tried in (map(make_trial, self._faults) if self._faults else all_trials())
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the result into the report, as plain values, so that a worker can hand it over."""
        from flag_harness.sweep import result_to_json

        report = yield
        if report.when == "call" and isinstance(item, SweepItem) and item.result is not None:
            report.flag_harness_sweep = result_to_json(item.result)  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the result that came with the report."""
        from flag_harness.sweep import result_from_json

        if (value := getattr(report, "flag_harness_sweep", None)) is not None:
            self._results.append(result_from_json(value))

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the table."""
        from flag_harness.sweep.table import terminal_lines

        if self._results:
            terminalreporter.section("survival of faults")
            for line in terminal_lines(sorted(self._results, key=lambda result: result.kind)):
                terminalreporter.write_line(line)
