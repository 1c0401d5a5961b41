"""`--harness-verdict`: run tests with and without a flag until the flag is shown to be safe or harmful.

A test that fails in such a run is a failed trial, not a failed test: the run fails only if a verdict is not PASS.
"""

from collections.abc import Collection, Generator, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

import pytest

from flag_harness.errors import HarnessError
from flag_harness.plugin.combinations import FLAG_OPTIONS_KEY
from flag_harness.plugin.marks import all_flags
from flag_harness.plugin.stash import VERDICTS_KEY, refusals_of_item, repetition_index
from flag_harness.plugin.test.rows import attach_row, attached_row
from flag_harness.plugin.verdicts.skipping import skip_without_running
from flag_harness.plugin.verdicts.strata import verdict_groups_of_item

if TYPE_CHECKING:
    from flag_harness.analysis.verdict.evidence import FlagChange
    from flag_harness.analysis.verdict.judgment import Verdict
    from flag_harness.matrix import Combination
    from flag_harness.record import RunRow, VerdictRecord

_FAILED_TRIAL_STATUS = "failed trial"
_FLAG_MATRIX_MARK = "flag_matrix"
_CombinationKey: TypeAlias = tuple[tuple[str, ...], tuple[int, ...]]
"""The names of a combination's flags, and the indices of their values."""
_ChangesByCombination: TypeAlias = "dict[_CombinationKey, set[FlagChange]]"
_PytestTestStatus: TypeAlias = tuple[str, str, tuple[str, dict[str, bool]]]
"""What `pytest_report_teststatus` returns: a category, a letter for the progress, and a word with its markup."""


def register_flag_verdicts(config: pytest.Config) -> None:
    """Judge flags if the command line has `--harness-verdict`. Raise `HarnessError` without `--harness-repeat`."""
    names = config.getoption("--harness-verdict")
    if not names:
        return
    if config.getoption("--harness-repeat") is None:
        raise HarnessError(
            f"--harness-verdict={names} needs the most rounds that may run: add --harness-repeat=200; a flag that "
            "changes nothing takes about 100 rounds of each test if these pass 19 times of 20, and more otherwise"
        )
    config.pluginmanager.register(FlagVerdictPlugin(config), "flag-harness-verdicts")


class FlagVerdictPlugin:
    """Runs the combinations to compare in rounds, and prints the verdicts. A flag that is decided gets no more runs."""

    def __init__(self, config: pytest.Config) -> None:
        from flag_harness.analysis.verdict.evidence import EvidenceTable
        from flag_harness.analysis.verdict.judgment import SequentialJudge
        from flag_harness.analysis.verdict.recorded import all_flag_changes

        command_line = config.stash[FLAG_OPTIONS_KEY]
        baseline = command_line.baseline.value_by_flag if command_line.baseline else {}
        self._config = config
        self._is_worker = hasattr(config, "workerinput")
        self._all_changes = all_flag_changes(all_flags(config), baseline)
        self._changes = [change for change in self._all_changes if change.flag in command_line.judged_flags]
        self._open_changes = list(self._changes)
        self._round = 0
        self._rows: list[RunRow] = []
        self._evidence, self._judge = EvidenceTable(), SequentialJudge()
        self._served: _ChangesByCombination = {}
        self._verdicts: list[Verdict] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep only the tests that vary a judged flag."""
        kept = [item for item in items if _matrix_combination(item) is not None]
        for item in kept:
            verdict_groups_of_item(item)  # raises an error if a mark is invalid
        config.hook.pytest_deselected(items=[item for item in items if _matrix_combination(item) is None])
        items[:] = _alternate_combination_order(kept)
        self._served = _changes_by_combination(filter(None, map(_matrix_combination, kept)), self._changes)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """After each round, judge the flags. Skip the runs that only decided flags need."""
        if self._is_worker:
            return None
        if repetition_index(item) > self._round:
            self._round = repetition_index(item)
            self._stop_decided_flags()
        combination = _matrix_combination(item)
        if combination is None or self._is_needed_by_undecided_change(combination):
            return None
        skip_without_running(item, nextitem)
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn the report of a failed test into that of a failed trial, which does not fail the run.

        If one of the test's requests was refused, keep the failure, and count the run as inconclusive.
        """
        report = yield
        row = attached_row(report)
        if report.when != "call" or not report.failed or row is None or hasattr(report, "wasxfail"):
            return report
        if refusals_of_item(item):
            import msgspec

            attach_row(report, msgspec.structs.replace(row, outcome="inconclusive"))
            return report
        report.outcome = "skipped"
        report.wasxfail = _FAILED_TRIAL_STATUS
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> "_PytestTestStatus | None":
        """Count failed trials separately from failed tests."""
        if getattr(report, "wasxfail", "") != _FAILED_TRIAL_STATUS:
            return None
        return "failed trials", "f", ("FAILED TRIAL", {"yellow": True})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the run record's row of a test, which the report carries."""
        if not self._is_worker and (row := attached_row(report)) is not None:
            self._rows.append(row)
            self._evidence.add_row(row)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge, store the verdicts for the run record, and fail the run unless every verdict is PASS."""
        if self._is_worker or self._config.option.collectonly:
            return
        from flag_harness.analysis.verdict.judgment import judge_flags

        self._verdicts = list(judge_flags([*map(self._evidence.evidence_of_change, self._changes)]))
        self._config.stash[VERDICTS_KEY] = tuple(self._verdict_records())
        all_pass = self._verdicts and all(verdict.decision == "PASS" for verdict in self._verdicts)
        if not all_pass and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the verdicts."""
        if not self._verdicts:
            return
        from flag_harness.analysis.verdict.lines import VERDICT_LEGEND, verdict_lines
        from flag_harness.analysis.verdict.rate_blame import harmful_combination_lines

        terminalreporter.section("verdicts", sep="-")
        terminalreporter.write_line(VERDICT_LEGEND)
        for change, verdict in zip(self._changes, self._verdicts, strict=True):
            for line in verdict_lines(verdict, self._evidence.rows_of_change(change)):
                terminalreporter.write_line(line)
        for line in harmful_combination_lines(self._rows, self._all_changes):
            terminalreporter.write_line(line)

    def _stop_decided_flags(self) -> None:
        """Remove the decided flag changes from those that need further runs."""
        decided = self._judge.are_flags_decided([*map(self._evidence.evidence_of_change, self._changes)])
        self._open_changes = [
            change
            for change, is_decided in zip(self._changes, decided, strict=True)
            if not is_decided and change in self._open_changes
        ]

    def _is_needed_by_undecided_change(self, combination: "Combination") -> bool:
        return not self._served[_combination_key(combination)].isdisjoint(self._open_changes)

    def _verdict_records(self) -> "Iterator[VerdictRecord]":
        from flag_harness.analysis.verdict.lines import verdict_record

        for change, verdict in zip(self._changes, self._verdicts, strict=True):
            yield verdict_record(change, verdict, self._evidence.rows_of_change(change))


def _alternate_combination_order(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield the items in their order, except that in every second round each test's combinations come in reverse order.

    Of the two combinations that are compared, neither should always run second, since the second may find a warm prompt
    cache.
    """
    for (number, _), group in groupby(
        items, key=lambda item: (repetition_index(item), _nodeid_without_parameters(item))
    ):
        runs = list(group)
        yield from reversed(runs) if number % 2 else runs


def _nodeid_without_parameters(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _changes_by_combination(
    combinations: "Iterable[Combination]", changes: "Collection[FlagChange]"
) -> "_ChangesByCombination":
    """Return the flag changes that each combination helps to judge, by combination.

    A combination helps to judge a change if it differs in that flag only from another combination that also runs.
    """
    known = {_combination_key(one): one for one in combinations}
    served: _ChangesByCombination = {key: set() for key in known}
    for (names, row), one in known.items():
        for change in changes:
            if change.flag not in names:
                continue
            index = names.index(change.flag)
            values = one.flags[index].values
            if values[row[index]] != change.new_value or change.base_value not in values:
                continue
            other = names, (*row[:index], values.index(change.base_value), *row[index + 1 :])
            if other in known:
                served[names, row].add(change)
                served[other].add(change)
    return served


def _combination_key(combination: "Combination") -> "_CombinationKey":
    """Return the names of a combination's flags and the indices of their values: a key that is faster to hash than the
    combination.
    """
    return tuple(flag.name for flag in combination.flags), combination.row


def _matrix_combination(item: pytest.Item) -> "Combination | None":
    """Return the combination of a test with the mark `flag_matrix`, or None for any other test."""
    if item.get_closest_marker(_FLAG_MATRIX_MARK) is None:
        return None
    callspec = getattr(item, "callspec", None)
    combination: Combination | None = callspec.params.get("harness_combination") if callspec else None
    return combination
