"""Run a test once under a trouble, with its own fixtures, and observe it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flag_harness.config import SweepSettings
from flag_harness.plugin.special_runs.extra_combinations import ExtraCombinationRunner
from flag_harness.plugin.stash import PROBE_KEY
from flag_harness.plugin.sweep.exceptions import load_exceptions, result_of_failed_call
from flag_harness.plugin.sweep.processes import may_use_processes, send_signal_when_due, track_processes
from flag_harness.plugin.sweep.reported_usage import make_usage_reader, usage_difference
from flag_harness.plugin.sweep.time_limit import limit_real_time
from flag_harness.plugin.sweep.tools.tools import SweepToolReplacer
from flag_harness.sweep.judge import TestCallResult, TestObservation
from flag_harness.sweep.probe import MAX_EXTRA_REQUESTS_OF_TEST, TrafficProbe
from flag_harness.sweep.trial_run import seed_random
from flag_harness.sweep.troubles import Interruption, Trouble
from flag_harness.transports.scope import ApiScope

MAX_CALL_TIME_FACTOR = 6
"""The factor by which a longer call of a test may exceed the limit of real time for a call.

Longer are the calls of a test that uses other processes, and the run without a trouble, which may import libraries.
"""


class TroubleRunner:
    """Runs tests under troubles such as faults. Fixtures of every scope are set up anew for each run.

    `hosts` are the hosts of the API besides the known ones.
    """

    def __init__(
        self, settings: SweepSettings, runner: ExtraCombinationRunner, root: Path, hosts: tuple[str, ...]
    ) -> None:
        self._settings, self._runner = settings, runner
        self._tools = SweepToolReplacer(settings, root, ApiScope(hosts))
        self._read_usage = make_usage_reader(settings.usage_function, root)
        self._reported = load_exceptions(settings.reported_exceptions, root)

    def run_test(
        self,
        item: pytest.Item,
        trouble: Trouble | None = None,
        *,
        baseline: TestObservation | None = None,
        tool_mode: str = "real",
    ) -> TestObservation:
        """Run a test under a trouble, and observe what it does.

        The test function is called a second time, to see whether the agent still works after the trouble. There is no
        second call if it also fails without a trouble, or if the first call hung, sent too many requests, or did
        something that the harness refused.

        `baseline` is the test's run without a trouble; None if this run is to become it. `tool_mode` is the mode of the
        tools: `real`, `record` or `stub`.
        """
        usual = len(list(baseline.prompts())) if baseline else 0
        probe = TrafficProbe(trouble, MAX_EXTRA_REQUESTS_OF_TEST + 3 * usual)
        again = baseline.second_call if baseline else None
        repeats = baseline is None or (again is not None and again.ending == "returned")
        calls: list[TestCallResult] = []
        original: Callable[[], None] = item.runtest
        item.runtest = lambda: self._run_calls(item, original, probe, calls, repeats)  # type: ignore[method-assign]
        item.stash[PROBE_KEY] = probe
        try:
            with (
                seed_random(),
                self._tools.replace_tools(item.nodeid, tool_mode, is_baseline=baseline is None, probe=probe),
            ):
                reports = self._runner.run_item(item, None)
        finally:
            del item.stash[PROBE_KEY], item.runtest
        return probe.make_observation(calls, "" if calls else _setup_problem(reports))

    def _run_calls(
        self,
        item: pytest.Item,
        function: Callable[[], None],
        probe: TrafficProbe,
        calls: list[TestCallResult],
        repeats: bool,
    ) -> None:
        self._run_call(item, function, probe, calls)
        if repeats and calls[0].ending not in ("hung", "flooded", "refused"):
            if probe.simulator is not None:
                probe.simulator.restart_turn_counts()
            self._run_call(item, function, probe, calls)
        probe.call_number = 0

    def _run_call(
        self, item: pytest.Item, function: Callable[[], None], probe: TrafficProbe, calls: list[TestCallResult]
    ) -> None:
        probe.call_number += 1
        self._tools.begin_test_call()
        reported = (*self._reported, Interruption, asyncio.CancelledError) if probe.is_interrupted else self._reported
        start, used = probe.clock.now(), self._read_usage(_fixture_values(item))
        try:
            with limit_real_time(self._call_time_limit(item, probe)), self._signal_processes(item, probe):
                function()
        except BaseException as error:  # an agent may raise any exception
            if isinstance(error, (KeyboardInterrupt, pytest.exit.Exception)) and not isinstance(error, Interruption):
                raise
            result = result_of_failed_call(error, probe.clock.now() - start, item, reported)
        else:
            result = TestCallResult("returned", seconds=probe.clock.now() - start)
        if probe.signal and probe.call_number == 1 and result.ending in ("assertion", "raised"):
            result = replace(result, ending="reported")  # that is how a test sees that its process was ended
        calls.append(replace(result, usage=usage_difference(used, self._read_usage(_fixture_values(item)))))

    @contextmanager
    def _signal_processes(self, item: pytest.Item, probe: TrafficProbe) -> Iterator[None]:
        """In the first call of the test function, count its child processes, and send them the trouble's signal."""
        if probe.call_number != 1 or not may_use_processes(item):
            yield
            return
        with track_processes() as started, ExitStack() as stack:
            if probe.signal:
                stack.enter_context(send_signal_when_due(probe.signal, lambda: probe.changed_answer_count > 0, started))
            yield
        probe.processes = len(started)

    def _call_time_limit(self, item: pytest.Item, probe: TrafficProbe) -> float:
        """Return the real seconds that a call may take."""
        is_long = may_use_processes(item) or not probe.has_trouble
        return self._settings.hang_seconds * (MAX_CALL_TIME_FACTOR if is_long else 1)


def _fixture_values(item: pytest.Item) -> Mapping[str, Any]:
    """Return the values of the fixtures that a test has set up, by the names of the fixtures."""
    return getattr(item, "funcargs", {})


def _setup_problem(reports: Sequence[pytest.TestReport]) -> str:
    """Return the error of a fixture or of the usage function, or why the test was skipped."""
    for report in reports:
        if crash := getattr(report.longrepr, "reprcrash", None):
            return f"{report.when}: {' '.join(crash.message.split())}"
        if not report.passed:
            lines = report.longreprtext.strip().splitlines() if report.failed else [str(report.longrepr)]
            return f"{report.when}: {lines[-1] if lines else 'failed'}"
    return "the test function did not run"
