"""`--harness-sweep` over tests: one item for each test, combination and kind of trouble."""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest

from flag_harness.cassette.redact.scan import redact_api_keys
from flag_harness.config import SweepSettings
from flag_harness.errors import HarnessError
from flag_harness.plugin.border.border import uses_harness
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.options.sweep_options import DEFAULT_SWEEPS, SCHEDULES_SWEEP, TOOLS_SWEEP
from flag_harness.plugin.special_runs.extra_combinations import ExtraCombinationRunner, copy_marks
from flag_harness.plugin.sweep.budget import (
    OTHER_TROUBLES,
    SweepTimeBudget,
    lines_about_untried_troubles,
    order_items_by_test,
    order_items_most_informative_first,
)
from flag_harness.plugin.sweep.certificates import load_certificates_late
from flag_harness.plugin.sweep.options import (
    lines_that_suggest_other_keyword,
    refuse_fault_as_keyword,
    seconds_since_start,
)
from flag_harness.plugin.sweep.rows import make_sweep_row
from flag_harness.plugin.sweep.suite_item import SuiteSweepItem
from flag_harness.plugin.sweep.summary import BASELINE_NAME, cause_lines, outcome_lines
from flag_harness.plugin.sweep.tools.tools import RECORD, STUB
from flag_harness.plugin.sweep.trouble_runner import TroubleRunner
from flag_harness.plugin.test.faults import COMMAND_LINE_FAULTS_KEY
from flag_harness.plugin.test.rows import attach_row
from flag_harness.sweep.earlier_outcomes import load_earlier_outcomes, save_outcomes
from flag_harness.sweep.judge import (
    TestObservation,
    TroubleResult,
    ignore_assertion_failures,
    judge_baseline,
    judge_run_under_trouble,
    trouble_result_from_json,
    trouble_result_to_json,
)
from flag_harness.sweep.troubles import (
    CANCELLING_TOOL_TROUBLES,
    FAULT_KINDS_TO_TRY,
    INTERRUPT_KIND,
    SCHEDULE_PREFIX,
    SURPRISES,
    TOOL_TROUBLES,
    Trouble,
    parse_interrupt,
    parse_signal,
    parse_surprising_answer,
    parse_tool_trouble,
)

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

KINDS_BY_SWEEP: Mapping[str, Sequence[str]] = {
    "faults": FAULT_KINDS_TO_TRY,
    "surprises": tuple(SURPRISES),
    "interrupts": (INTERRUPT_KIND, *CANCELLING_TOOL_TROUBLES, "sigint", "sigterm"),
    "kills": ("sigkill",),
    "tools": tuple(name for name in TOOL_TROUBLES if name not in CANCELLING_TOOL_TROUBLES),
}
"""The kinds of troubles that each sweep runs, by the name of the sweep."""
_NOT_SURVIVED_STATUS = "not survived"
_MISSING_FUNCTIONS_MESSAGE = (
    '{}: tools = "{}" needs the functions that are its tools, such as functions = ["shop.tools:refund"] in '
    '[tool.flag-harness.sweep], or with tools = "record" functions = [] if all are HTTP requests (docs/sweep.md)'
)
_MISSING_TOOL_NAMES_MESSAGE = (
    "--harness-sweep=tools needs the functions that are the agent's tools, such as "
    'functions = ["shop.tools:refund"] in [tool.flag-harness.sweep] (docs/sweep.md)'
)
_UNDECLARED_TOOLS_MESSAGE = (
    '{} would run hundreds of times, and its tools with it. If they may really run, add tools = "real" to '
    '[tool.flag-harness.sweep] in pyproject.toml, or mark the test @pytest.mark.harness_sweep(tools="real") '
    "(docs/sweep.md)"
)


class SuiteSweep:
    """Replaces the collected tests by items of the sweep, runs them, and prints the results by cause."""

    def __init__(self, config: pytest.Config, sweeps: Sequence[str]) -> None:
        refuse_fault_as_keyword(config.getoption("keyword"))
        self._settings = config.stash[CONFIG_KEY].sweep or SweepSettings()
        self._has_functions = bool(self._settings.tool_functions or self._settings.tool_stubs)
        if TOOLS_SWEEP in sweeps and not self._has_functions and sweeps != DEFAULT_SWEEPS:
            raise HarnessError(_MISSING_TOOL_NAMES_MESSAGE)
        self._sweeps = [name for name in sweeps if name != TOOLS_SWEEP or self._has_functions]
        self.selected_troubles = _troubles_in_options(config)
        path = config.getoption("--harness-sweep-baseline")
        self._baseline_path = config.invocation_params.dir / path if path else None
        self._earlier_outcomes = load_earlier_outcomes(self._baseline_path) if self._baseline_path else None
        seed, runs = config.getoption("--harness-seed"), config.getoption("--harness-runs")
        self._schedules = [f"{SCHEDULE_PREFIX}_{number}" for number in range(seed, seed + runs)]
        self.budget = SweepTimeBudget(config.getoption("--harness-sweep-budget"), seconds_since_start(config))
        certificates = ExitStack()
        certificates.enter_context(load_certificates_late())
        config.add_cleanup(certificates.close)
        self._runner = ExtraCombinationRunner()
        config.pluginmanager.register(self._runner)
        self._trouble_runner = TroubleRunner(
            self._settings, self._runner, config.rootpath, config.stash[CONFIG_KEY].hosts
        )
        self._baselines: dict[str, tuple[TestObservation, TroubleResult]] = {}
        self._results: list[TroubleResult] = []
        self._not_tried: Counter[str] = Counter()
        self._names: list[str] = []

    def baseline_run_and_result(self, test: pytest.Function) -> tuple[TestObservation, TroubleResult]:
        """Return the observed run of a test without a trouble, and the result that judges it."""
        if test.nodeid not in self._baselines:
            with self.budget.measure_run(test.nodeid):
                observed = self._trouble_runner.run_test(test, tool_mode=self._tool_mode_of_test(test))
            self._baselines[test.nodeid] = observed, judge_baseline(test.nodeid, observed)
        return self._baselines[test.nodeid]

    def run_under_trouble(self, test: pytest.Function, trouble: Trouble, baseline: TestObservation) -> TroubleResult:
        """Run a test under a trouble, and judge it."""
        with self.budget.measure_run(test.nodeid):
            observed = self._trouble_runner.run_test(
                test, trouble, baseline=baseline, tool_mode=self._tool_mode_of_test(test)
            )
        if not self._sweep_setting(test, "assertions", self._settings.checks_assertions):
            observed = ignore_assertion_failures(observed)
        return judge_run_under_trouble(test.nodeid, trouble.kind, trouble.name, observed, baseline)

    def compare_with_baseline(self, result: TroubleResult) -> TroubleResult:
        """Return a result compared with the file that `--harness-sweep-baseline` names, or unchanged without that
        option.
        """
        return self._earlier_outcomes.compare_result(result) if self._earlier_outcomes else result

    def baseline_run_if_passed(self, test: pytest.Function) -> TestObservation | None:
        """Return the run of a test without a trouble, or None if that run has not taken place or has failed."""
        observed, result = self._baselines.get(test.nodeid, (None, None))
        return observed if result and not result.findings else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Replace each test that can be swept with items of the sweep. `-k` and `-m` select among them."""
        tests = [item for item in items if isinstance(item, pytest.Function) and _is_test_to_sweep(item)]
        kept = set(map(id, tests))
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
        for test in tests:
            self._check_tools(test)
        kinds = (BASELINE_NAME, *self._trouble_kinds())
        order = order_items_most_informative_first if self.budget.is_limited else order_items_by_test
        items[:] = [self._make_item(*one) for one in order(tests, kinds)]
        self._names = [item.name for item in items]

    def pytest_report_collectionfinish(self, config: pytest.Config, items: list[pytest.Item]) -> list[str]:
        """Return lines that suggest another `-k` if it selects no item of the sweep."""
        return lines_that_suggest_other_keyword(config, items, self._names)

    def _tool_mode_of_test(self, test: pytest.Function) -> str:
        return str(self._sweep_setting(test, "tools", self._settings.tool_mode))

    def _check_tools(self, test: pytest.Function) -> None:
        """Raise `pytest.UsageError` if the project does not say whether the tools of a test run in a sweep."""
        mode = self._tool_mode_of_test(test)
        if mode not in ("real", RECORD, STUB):
            raise pytest.UsageError(_UNDECLARED_TOOLS_MESSAGE.format(test.nodeid))
        if mode != "real" and not self._has_functions and not (mode == RECORD and self._settings.tool_functions == ()):
            raise pytest.UsageError(_MISSING_FUNCTIONS_MESSAGE.format(test.nodeid, mode))

    def _sweep_setting(self, test: pytest.Function, name: str, default: Any) -> Any:
        """Return an option of the sweep for a test, from its mark or else from the project's settings."""
        mark = test.get_closest_marker("harness_sweep")
        return mark.kwargs.get(name, default) if mark else default

    def _trouble_kinds(self) -> Sequence[str]:
        if self.selected_troubles:
            return tuple(dict.fromkeys(one.kind for one in self.selected_troubles))
        kinds = [kind for sweep in self._sweeps for kind in KINDS_BY_SWEEP.get(sweep, ())]
        kinds = [kind for kind in kinds if kind not in TOOL_TROUBLES or self._has_functions]
        return (*kinds, *(self._schedules if SCHEDULES_SWEEP in self._sweeps else ()))

    def _make_item(self, test: pytest.Function, kind: str, share: str) -> SuiteSweepItem:
        assert test.parent is not None
        name = f"{test.name}::{kind}" + (f"::{share}" if share == OTHER_TROUBLES else "")
        item: SuiteSweepItem = SuiteSweepItem.from_parent(
            test.parent, name=name, sweep=self, test=test, kind=kind, share=share
        )
        copy_marks(test, item)
        return item

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run an item of the sweep. Each run of its test sets up and tears down the test's fixtures.

        Once the budget is used up, thousands of items can be left, so each test gets one report that it was skipped.
        """
        if not isinstance(item, SuiteSweepItem):
            return None
        if item.is_left_out:
            return True
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for when, function in _PHASE_FUNCTIONS[1:2] if self.budget.is_used_up(item.test.nodeid) else _PHASE_FUNCTIONS:
            call = pytest.CallInfo.from_call(partial(function, item), when=when, reraise=_EXCEPTIONS_THAT_END_RUN)
            report = item.ihook.pytest_runtest_makereport(item=item, call=call)
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the results of an item to its report, as plain values that a worker can send."""
        report = yield
        if isinstance(item, SuiteSweepItem) and report.when == "call":
            report.flag_harness_plays = [trouble_result_to_json(one) for one in item.results]  # type: ignore[attr-defined]
            report.flag_harness_not_tried = dict(item.untried_count)  # type: ignore[attr-defined]
            attach_row(report, make_sweep_row(item, report, redact_api_keys))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the results of the troubles that a test ran under, which the report carries."""
        self._results += map(trouble_result_from_json, getattr(report, "flag_harness_plays", ()))
        self._not_tried.update(getattr(report, "flag_harness_not_tried", {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file of `--harness-sweep-baseline` if it does not exist, but not in a worker."""
        if (
            self._baseline_path
            and not self._earlier_outcomes
            and self._results
            and not hasattr(session.config, "workerinput")
        ):
            save_outcomes(self._baseline_path, self._results)

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Count failed items as `not survived`, so that pytest's list of failures does not repeat one cause many times.

        An item without results has met an error of the sweep itself, and stays in the list of failures.
        """
        if not (report.failed and getattr(report, "flag_harness_plays", None)):
            return None
        return _NOT_SURVIVED_STATUS, "F", ("NOT SURVIVED", {"red": True})

    def pytest_terminal_summary(self, terminalreporter: "TerminalReporter") -> None:
        """Print how many troubles each kind has, and the failures by cause."""
        if not (self._results or self._not_tried.total()):
            return
        terminalreporter.section("sweep")
        for line in (
            *outcome_lines(self._results),
            *lines_about_untried_troubles(self._not_tried, self.budget.seconds),
        ):
            terminalreporter.write_line(line)
        if self._baseline_path and not self._earlier_outcomes:
            terminalreporter.write_line(f"wrote {self._baseline_path}; from now on these failures are known")
        if failed := [one for one in self._results if one.findings]:
            terminalreporter.section("failures by cause", red=True)
            for line in cause_lines(failed, with_commands=True):
                terminalreporter.write_line(line)


def _troubles_in_options(config: pytest.Config) -> tuple[Trouble, ...]:
    """Return the troubles that the command line names."""
    surprises = map(parse_surprising_answer, config.getoption("harness_surprises"))
    interrupts = map(_parse_interrupt, config.getoption("harness_interrupts"))
    tools = (Trouble(one.kind.name, one) for one in map(parse_tool_trouble, config.getoption("harness_tool_troubles")))
    faults = (Trouble(fault.name, fault) for fault in config.stash[COMMAND_LINE_FAULTS_KEY])
    return (*faults, *(Trouble(one.kind.name, one) for one in surprises), *tools, *interrupts)


def _parse_interrupt(text: str) -> Trouble:
    """Parse an interrupt such as `inside_text:on=2`, or a signal such as `sigkill/inside_text:on=2`."""
    return Trouble(*parse_signal(text)) if "/" in text else Trouble(INTERRUPT_KIND, parse_interrupt(text))


def _is_test_to_sweep(item: pytest.Function) -> bool:
    """Return whether a test uses a cassette, and has neither of the marks `harness_no_request` and `faults`."""
    excluded = ("harness_no_request", "faults")
    return uses_harness(item) and not any(map(item.get_closest_marker, excluded))


def _do_nothing(item: SuiteSweepItem) -> None:
    """Do nothing. It replaces the setup and the teardown of an item, which has no fixtures of its own."""


_EXCEPTIONS_THAT_END_RUN = (pytest.exit.Exception, KeyboardInterrupt)
_PHASE_FUNCTIONS: tuple[tuple[Literal["setup", "call", "teardown"], Callable[[SuiteSweepItem], None]], ...] = (
    ("setup", _do_nothing),
    ("call", SuiteSweepItem.runtest),
    ("teardown", _do_nothing),
)
