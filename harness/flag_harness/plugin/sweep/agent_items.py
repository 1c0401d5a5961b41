"""`--harness-sweep=faults --harness-agent=...`: instead of the tests, run an agent under each fault and combination.

Each fault is one test item. `--harness-fault` selects faults. Without it, every fault runs at every point of a stream.
"""

import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.config import SHIPPED_AGENT
from flag_harness.errors import HarnessError
from flag_harness.plugin.combinations import combinations_of_run
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.sweep.options import lines_that_suggest_other_keyword, refuse_fault_as_keyword
from flag_harness.plugin.test.faults import COMMAND_LINE_FAULTS_KEY

if TYPE_CHECKING:
    from flag_harness.faults import Fault
    from flag_harness.sweep import Trial, TrialResult, TrialSweep

_AGENT_ADVICE = ", the reference agent. To sweep yours: --harness-agent=MODULE:NAME (docs/agents.md)"


def configure_agent_sweep(config: pytest.Config) -> None:
    """Register the sweep of one agent.

    Raise `HarnessError` if the agent cannot be found or fails without any fault, or if tests are named as well.
    """
    from flag_harness.sweep import TrialSweep, load_agent  # imported here: other runs do not need it

    is_worker = hasattr(config, "workerinput")
    if config.args_source is pytest.Config.ArgsSource.ARGS and not is_worker:
        _refuse_test_arguments(config.args)

    refuse_fault_as_keyword(config.getoption("keyword"))
    root = str(config.rootpath)
    if root not in sys.path:
        sys.path.insert(0, root)
    name = config.getoption("--harness-agent") or config.stash[CONFIG_KEY].agent
    agent = load_agent(name)
    directory = tempfile.TemporaryDirectory(prefix="flag-harness-sweep-")
    config.add_cleanup(directory.cleanup)
    sweep = TrialSweep(agent, combinations_of_run(config), Path(directory.name))
    if not (is_worker or config.getoption("collectonly")):
        sweep.check_baselines()
    config.pluginmanager.register(AgentSweep(name, sweep, config.stash[COMMAND_LINE_FAULTS_KEY]), "flag-harness-sweep")


def _refuse_test_arguments(arguments: Sequence[str]) -> None:
    fault = arguments[0].removeprefix("sweep::") if arguments[0].startswith("sweep::") else "overloaded:on=1"
    raise HarnessError(
        f"--harness-sweep of an agent runs no tests, so it cannot take {' '.join(arguments)}; to sweep some faults: "
        f"--harness-fault={fault} (repeatable), or -k with a part of their names"
    )


class AgentNotSurvivedError(Exception):
    """Raised if the agent does not survive a fault, or if a fault that the command line names never fires."""


class AgentSweepItem(pytest.Item):
    """One fault, under which the agent runs with every combination of its flags."""

    def __init__(self, *, sweep: "TrialSweep", trial: "Trial", must_fire: bool, **options: Any) -> None:
        super().__init__(**options)
        self._sweep, self._trial, self._must_fire = sweep, trial, must_fire
        self.result: TrialResult | None = None

    def runtest(self) -> None:
        """Run the agent under the fault. Fail if the agent does not survive the fault under some combination."""
        self.result = self._sweep.run_trial_under_all_combinations(self._trial)
        if self._must_fire and not self.result.has_fired:
            raise AgentNotSurvivedError("it never fired under any combination")
        if self.result.failure_lines:
            raise AgentNotSurvivedError("\n".join(self.result.failure_lines))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the combinations that failed, with the reasons, instead of a traceback of the sweep itself."""
        if isinstance(excinfo.value, (AgentNotSurvivedError, HarnessError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return the location that pytest prints for a failure: the root folder, no line, and the fault's name."""
        return self.config.rootpath, None, self._trial.name


class AgentSweep:
    """Replaces the collected tests by one item for each fault, and prints the table of results."""

    def __init__(self, agent: str, sweep: "TrialSweep", faults: "tuple[Fault, ...]") -> None:
        self._agent, self._sweep, self._faults = agent, sweep, faults
        self._results: list[TrialResult] = []
        self._names: list[str] = []

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Collect no file."""
        return True if collection_path.is_file() else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Make the sweep's items the only ones of the run; `-k` selects among them."""
        from flag_harness.sweep import all_trials, make_trial

        items[:] = [
            AgentSweepItem.from_parent(
                session,
                name=tried.name,
                nodeid=f"sweep::{tried.name}",
                sweep=self._sweep,
                trial=tried,
                must_fire=bool(self._faults),
            )
            for tried in (map(make_trial, self._faults) if self._faults else all_trials())
        ]
        self._names = [item.name for item in items]

    def pytest_report_collectionfinish(self, config: pytest.Config, items: list[pytest.Item]) -> list[str]:
        """Return lines that suggest another `-k` if it selects no item of the sweep."""
        return lines_that_suggest_other_keyword(config, items, self._names)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the sweep's result for a fault to the report, as plain values that a worker can send."""
        from flag_harness.sweep import trial_result_to_json

        report = yield
        if report.when == "call" and isinstance(item, AgentSweepItem) and item.result is not None:
            report.flag_harness_sweep = trial_result_to_json(item.result)  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the sweep's result for a fault, which the report carries."""
        from flag_harness.sweep import trial_result_from_json

        if (value := getattr(report, "flag_harness_sweep", None)) is not None:
            self._results.append(trial_result_from_json(value))

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the table of survived faults."""
        from flag_harness.sweep.table import outcome_table_lines

        if self._results:
            terminalreporter.section("survival of faults")
            for line in outcome_table_lines(sorted(self._results, key=lambda result: result.kind)):
                terminalreporter.write_line(line)
            terminalreporter.write_line(
                f"The agent: {self._agent}{_AGENT_ADVICE if self._agent == SHIPPED_AGENT else ''}"
            )
            terminalreporter.write_line("To sweep the tests of this project: docs/sweep.md")
