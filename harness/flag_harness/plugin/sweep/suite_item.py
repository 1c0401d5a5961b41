"""An item of a sweep over tests: one test and combination, run under all troubles (such as faults) of one kind."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.modes import is_recording_disabled
from flag_harness.plugin.sweep.budget import ALL_TROUBLES, select_share_of_troubles
from flag_harness.plugin.sweep.processes import may_use_processes
from flag_harness.plugin.sweep.summary import BASELINE_NAME, cause_lines
from flag_harness.sweep.judge import KINDS_THAT_AGENTS_CANNOT_NOTICE, TestObservation, TroubleResult
from flag_harness.sweep.troubles import (
    CANCELLING_TOOL_TROUBLES,
    FAULT_KINDS_TO_TRY,
    INTERRUPT_KIND,
    SCHEDULE_PREFIX,
    SIGNALS,
    SURPRISES,
    TOOL_TROUBLES,
    Trouble,
    derive_faults,
    derive_interrupts,
    derive_signal_troubles,
    derive_surprising_answers,
    derive_tool_troubles,
    join_random_troubles,
    shrink_schedule,
)

if TYPE_CHECKING:
    from flag_harness.plugin.sweep.suite_items import SuiteSweep

_OUT_OF_BUDGET_REASON = "not tried within --harness-sweep-budget"


class TroubleNotSurvivedError(Exception):
    """Raised by an item of a sweep if its test fails under a trouble, or already fails in the run without any."""


class SuiteSweepItem(pytest.Item):
    """One test and combination, which is run under all troubles (such as faults or interrupts) of one kind."""

    def __init__(
        self, *, sweep: "SuiteSweep", test: pytest.Function, kind: str, share: str = ALL_TROUBLES, **options: Any
    ) -> None:
        super().__init__(**options)
        self.sweep, self.test, self.kind, self.trouble_share = sweep, test, kind, share
        self.results: list[TroubleResult] = []
        self.untried_count = Counter[str]()
        """The number of troubles, by kind, that were not tried because the time budget of the sweep was used up."""
        self.is_left_out = False
        """True if this item has no report of its own, because an earlier item of its test was skipped for lack
        of time.
        """

    def runtest(self) -> None:
        """Run the test under each trouble. Fail if a check of the sweep finds a failure; skip if the test fails without
        any trouble.
        """
        if self.sweep.budget.is_used_up(self.test.nodeid):
            for item in self._items_without_time():
                self.untried_count[item.kind] += item._count_untried_troubles()
            pytest.skip(_OUT_OF_BUDGET_REASON)
        baseline, result = self.sweep.baseline_run_and_result(self.test)
        if self.kind == BASELINE_NAME:
            self.results = [self.sweep.compare_with_baseline(result)]
        elif result.findings:
            pytest.skip("the test fails without any trouble")
        else:
            run = self._run_schedule if self.kind.startswith(SCHEDULE_PREFIX) else self._run_troubles
            self.results = [self.sweep.compare_with_baseline(one) for one in run(baseline)]
        if failed := [one for one in self.results if one.findings]:
            raise TroubleNotSurvivedError("\n".join(cause_lines(failed)))

    def _run_troubles(self, baseline: TestObservation) -> Iterator[TroubleResult]:
        """Run the test under each trouble of this item, until the budget is used up, and yield each result.

        `baseline` is the run of the test without a trouble.
        """
        troubles = select_share_of_troubles(self.trouble_share, self._troubles_of_kind(self.kind, baseline))
        for number, trouble in enumerate(troubles):
            if self.sweep.budget.is_used_up(self.test.nodeid):
                self.untried_count[self.kind] = len(troubles) - number
                return
            yield self.sweep.run_under_trouble(self.test, trouble, baseline)

    def _items_without_time(self) -> "Sequence[SuiteSweepItem]":
        """Return this item and the later items of its test. Once the time is used up, none of them runs.

        In a worker of pytest-xdist, return this item only, since a worker does not know which later items it will get.
        """
        if hasattr(self.config, "workerinput"):
            return [self]
        later = self.session.items[self.session.items.index(self) + 1 :]
        left_out = [one for one in later if isinstance(one, SuiteSweepItem) and one.test is self.test]
        for item in left_out:
            item.is_left_out = True
        return [self, *left_out]

    def _count_untried_troubles(self) -> int:
        """Return how many troubles of this item were not tried.

        A random series of troubles counts as 1. So does an item whose troubles are unknown, because its test has not
        passed without a trouble.
        """
        baseline = self.sweep.baseline_run_if_passed(self.test)
        if baseline is None or self.kind.startswith(SCHEDULE_PREFIX) or self.kind == BASELINE_NAME:
            return 1
        return len(select_share_of_troubles(self.trouble_share, self._troubles_of_kind(self.kind, baseline)))

    def _troubles_of_kind(self, kind: str, baseline: TestObservation) -> Sequence[Trouble]:
        if self.sweep.selected_troubles:
            return [one for one in self.sweep.selected_troubles if one.kind == kind]
        if kind == INTERRUPT_KIND:
            return [] if may_use_processes(self.test) else derive_interrupts(baseline)
        if kind in SIGNALS:
            return derive_signal_troubles(kind, baseline) if may_use_processes(self.test) else []
        if kind in SURPRISES:
            return derive_surprising_answers(kind, baseline) if self._is_simulated() else []
        if kind in TOOL_TROUBLES:
            return derive_tool_troubles(kind, baseline, is_real_time=may_use_processes(self.test))
        return derive_faults(kind, baseline, is_real_time=may_use_processes(self.test))

    def _run_schedule(self, baseline: TestObservation) -> Iterator[TroubleResult]:
        """Run the test under a random series of troubles, drawn by the item's seed, and yield the result.

        If the test fails, yield the result of the shortest part of the series under which it still fails.
        """
        left_out = (*KINDS_THAT_AGENTS_CANNOT_NOTICE, *CANCELLING_TOOL_TROUBLES)
        kinds = [kind for kind in (*FAULT_KINDS_TO_TRY, *SURPRISES, *TOOL_TROUBLES) if kind not in left_out]
        troubles = [trouble for kind in kinds for trouble in self._troubles_of_kind(kind, baseline)]
        schedule = join_random_troubles(troubles, f"{self.test.nodeid} {self.kind}")
        if schedule is None:
            return
        results: dict[str, TroubleResult] = {}

        def run_trouble(trouble: Trouble) -> TroubleResult:
            results[trouble.name] = self.sweep.run_under_trouble(self.test, trouble, baseline)
            return results[trouble.name]

        if not (found := run_trouble(schedule)).findings:
            yield found
            return
        oracle = found.findings[0].oracle

        def is_failing(smaller: Trouble) -> bool:
            is_over = self.sweep.budget.is_used_up(self.test.nodeid)
            return not is_over and any(oracle == one.oracle for one in run_trouble(smaller).findings[:1])

        smallest = shrink_schedule(schedule, is_failing)
        yield replace(results[smallest.name], kind=SCHEDULE_PREFIX)

    def _is_simulated(self) -> bool:
        """Return whether the simulator answers the test. A recording could only answer the recorded requests."""
        return self.test.get_closest_marker("scenario") is not None or is_recording_disabled(self.config)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the causes of the failures instead of a traceback of the sweep itself."""
        if isinstance(excinfo.value, TroubleNotSurvivedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the location of the test, and the item's name."""
        path, line, _ = self.test.reportinfo()
        return Path(path), line, self.name
