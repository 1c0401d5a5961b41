"""Pair the rows of run records into rounds: the result of a test with a flag minus its result without the flag."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from flag_harness.analysis.verdict.judgment import DEFAULT_MARGIN, ExpectedImprovement, FlagEvidence, Stratum
from flag_harness.flag import SWITCHED_OFF_PREFIX, Flag, value_text
from flag_harness.matrix import node_id_without_combination

if TYPE_CHECKING:
    from flag_harness.record import RunRow

ALL_TESTS_STRATUM = "all tests"
"""The name of the stratum (part that is judged by itself) with all tests, each of which counts equally."""

_SCORE_BY_OUTCOME = {"passed": 1.0, "xpassed": 1.0, "failed": 0.0, "xfailed": 0.0}
_FIGURE_READER_BY_NAME: "Mapping[str, Callable[[RunRow], float | None]]" = {
    "cost": lambda row: row.cost,
    "first_token": lambda row: row.first_token,
    "input_tokens": lambda row: row.usage.total_input,
    "output_tokens": lambda row: row.usage.output_tokens,
    "requests": lambda row: len(row.requests),
    "seconds": lambda row: row.seconds,
}
_PROVIDER_FAILURE_STATUSES = frozenset({408, 409, 429})
_FlagSetting: TypeAlias = tuple[tuple[str, str], ...]
_TestAndSetting: TypeAlias = tuple[str, _FlagSetting]


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A change of one flag from `base_value` to `new_value`, which is judged by a verdict.

    Attributes:
        flag: the name of the flag.
        base_value: the flag's value in production, or its default.
        new_value: the new value.
        label: the change as ids of combinations name it, such as `streaming`, `no-concise` or `model=haiku`.
        margin: the loss that counts as too large.
        expect: what the change should improve, as pairs of a figure and `lower` or `higher`.
    """

    flag: str
    base_value: Any
    new_value: Any
    label: str
    margin: float = DEFAULT_MARGIN
    expect: tuple[tuple[str, str], ...] = ()


def flag_changes(flag: Flag, base: Any) -> list[FlagChange]:
    """Return the changes of a flag from the value `base` to each of its other values."""
    changes = []
    for value, label in zip(flag.values, flag.labels, strict=True):
        if value == base:
            continue
        name = f"{flag.name}={label}"
        if flag.is_boolean:
            name = flag.name if value else f"{SWITCHED_OFF_PREFIX}{flag.name}"
        margin = DEFAULT_MARGIN if flag.margin is None else flag.margin
        changes.append(FlagChange(flag.name, base, value, name, margin, flag.expect))
    return changes


def pass_or_fail_score(row: "RunRow") -> float | None:
    """Return 1 if a run passed and 0 if it failed, or None if the outcome is not due to the agent.

    The latter holds if the run was skipped, if its setup or teardown failed, if this package refused a request, or if
    the last request of a failed run broke off or got a status that means trouble at the provider.
    """
    return None if row.phase != "call" or is_refused_or_broken(row) else _SCORE_BY_OUTCOME.get(row.outcome)


def is_refused_or_broken(row: "RunRow") -> bool:
    """Return whether a run says nothing about the agent: a request was refused unsent, or the provider failed."""
    return bool(row.refusal_count) or is_provider_failure(row)


def is_provider_failure(row: "RunRow") -> bool:
    """Return whether a run at the live API failed because its last request broke off or got a status such as 529."""
    if _SCORE_BY_OUTCOME.get(row.outcome) != 0.0 or row.refusal_count:
        return False
    if "live" not in (row.answered_by, row.recorded_from) or row.faults or not row.requests:
        return False
    last = row.requests[-1]
    status = last.status
    return last.is_broken_off or status is None or status in _PROVIDER_FAILURE_STATUSES or status >= 500


def collect_evidence(rows: "Iterable[RunRow]", changes: Sequence[FlagChange]) -> tuple[FlagEvidence, ...]:
    """Return what the rows of run records show about each change of a flag, in the form that verdicts are made from."""
    return tuple(map(EvidenceTable(rows).evidence_of_change, changes))


@dataclass(slots=True)
class _TestRunsUnderSetting:
    """The runs of one test under one setting of all flags.

    Attributes:
        flag_values: the value of each flag.
        all_rows: every row of the test under this setting, also of runs that were skipped.
        run_by_repetition: the row that counts as the result of a repetition, by the number of the repetition.
        groups: the groups of tests to which the test belongs. Each group is judged as a whole, too.
        rebased_recordings: the paths of its recordings that were rebased.
    """

    flag_values: Mapping[str, Any]
    all_rows: "list[RunRow]" = field(default_factory=list)
    run_by_repetition: "dict[int, RunRow]" = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    rebased_recordings: dict[str, None] = field(default_factory=dict)


_RunPairs: TypeAlias = dict[_TestAndSetting, tuple[_TestRunsUnderSetting, _TestRunsUnderSetting]]


@dataclass(frozen=True, slots=True)
class _PairedResults:
    """The results of one test without a flag and with it, by repetition, and the groups of tests that it belongs to."""

    without_flag: "Mapping[int, RunRow]"
    with_flag: "Mapping[int, RunRow]"
    groups: frozenset[str]

    def differences_by_repetition(self, figure: "Callable[[RunRow], float | None]") -> dict[int, float]:
        """Return the figure with the flag minus the figure without it, for each repetition that has both."""
        found = {}
        for number in sorted(self.without_flag.keys() & self.with_flag.keys()):
            off, on = figure(self.without_flag[number]), figure(self.with_flag[number])
            if off is not None and on is not None:
                found[number] = on - off
        return found

    @property
    def score_names(self) -> list[str]:
        """The names of the scores (`harness_score`) that the runs have."""
        arms = (self.without_flag, self.with_flag)
        return sorted({name for rows in arms for row in rows.values() for name in row.scores})


class EvidenceTable:
    """The results of runs by test, flag values and repetition. Rows can be added between two evaluations.

    Two rows are a round if they belong to the same test and repetition, and differ in the judged flag alone. Strata are
    judged one by one: each test and each group of tests, under each setting of other flags, and all tests.
    """

    def __init__(self, rows: "Iterable[RunRow]" = ()) -> None:
        self._cells: dict[_TestAndSetting, _TestRunsUnderSetting] = {}
        self._cells_by_id: dict[tuple[str, str], _TestRunsUnderSetting] = {}
        self._pairs: dict[tuple[str, ...], _RunPairs] = {}
        for row in rows:
            self.add_row(row)

    def add_row(self, row: "RunRow") -> None:
        """Add a row, in place of an earlier one of the same test, flag values and repetition."""
        if not row.values:
            return
        cell = self._find_runs_of_row(row)
        cell.all_rows.append(row)
        cell.groups.update(row.strata)
        if row.is_rebased:
            cell.rebased_recordings[f"{row.cassette} was rebased and not recorded again"] = None
        if pass_or_fail_score(row) is not None:
            cell.run_by_repetition[row.repetition] = row

    def evidence_of_change(self, change: FlagChange) -> FlagEvidence:
        """Return the evidence about a change of a flag. Tests that never ran with the new value are left out."""
        obstacles: dict[str, None] = {}
        for cell in self._cells.values():
            compared = (change.base_value, change.new_value)
            if cell.rebased_recordings and cell.flag_values.get(change.flag, change) in compared:
                obstacles |= cell.rebased_recordings
        arms = {
            key: _PairedResults(off.run_by_repetition, on.run_by_repetition, frozenset(off.groups | on.groups))
            for key, (off, on) in self._find_pairs(change).items()
        }
        expectations = tuple(_measure_expected_improvement(arms.values(), *pair) for pair in change.expect)
        return FlagEvidence(change.label, tuple(_build_strata(arms)), change.margin, tuple(obstacles), expectations)

    def rows_of_change(self, change: FlagChange) -> "list[RunRow]":
        """Return all rows with the flag's new value, and the rows that differ from them only in this flag."""
        cells = [cell for pair in self._find_pairs(change).values() for cell in pair]
        return [row for cell in cells for row in cell.all_rows]

    def _find_runs_of_row(self, row: "RunRow") -> _TestRunsUnderSetting:
        """Return the runs of the row's test under the row's flag values; new values are sorted, which is slow."""
        known = self._cells_by_id.get((row.case, row.combination))
        if known is None or known.flag_values != row.values:
            key = node_id_without_combination(row.case, row.combination), _to_sorted_setting(row.values)
            if key not in self._cells:
                self._cells[key] = _TestRunsUnderSetting(row.values)
                self._pairs.clear()
            known = self._cells_by_id[row.case, row.combination] = self._cells[key]
        return known

    def _find_pairs(self, change: FlagChange) -> "_RunPairs":
        """Return the runs without and with a change, by the test and the values of the other flags."""
        key = change.flag, value_text(change.base_value), value_text(change.new_value)
        if key not in self._pairs:
            self._pairs[key] = {
                (test, _setting_of_other_flags(cell.flag_values, change)): (
                    self._find_runs_without_change(test, cell, change),
                    cell,
                )
                for (test, _), cell in self._cells.items()
                if cell.flag_values.get(change.flag, change) == change.new_value
            }
        return self._pairs[key]

    def _find_runs_without_change(
        self, test: str, changed_runs: _TestRunsUnderSetting, change: FlagChange
    ) -> _TestRunsUnderSetting:
        """Return the runs of a test that differ from `changed_runs` in the changed flag only; empty without any."""
        setting = _to_sorted_setting({**changed_runs.flag_values, change.flag: change.base_value})
        return self._cells.get((test, setting)) or _TestRunsUnderSetting({})


def _to_sorted_setting(values: Mapping[str, Any]) -> _FlagSetting:
    """Return pairs of a flag's name and its value as text, sorted by name."""
    return tuple(sorted((name, value_text(value)) for name, value in values.items()))


def _setting_of_other_flags(values: Mapping[str, Any], change: FlagChange) -> _FlagSetting:
    """Return the values of all flags except the changed one."""
    return _to_sorted_setting({name: value for name, value in values.items() if name != change.flag})


def _measure_expected_improvement(
    results: "Iterable[_PairedResults]", figure: str, direction: str
) -> ExpectedImprovement:
    """Return an expected improvement: in each round, the share of tests that improved minus the share that fell."""
    sign, read_figure = -1 if direction == "lower" else 1, _FIGURE_READER_BY_NAME[figure]
    rounds = [
        {number: _signum(sign * change) for number, change in one.differences_by_repetition(read_figure).items()}
        for one in results
    ]
    return ExpectedImprovement(figure, direction, tuple(_mean_gain_of_each_round(rounds)))


def _signum(number: float) -> float:
    """Return 1 for a positive number, -1 for a negative one, and 0 for 0."""
    return float((number > 0) - (number < 0))


def _mean_gain_of_each_round(rounds: Sequence[Mapping[int, float]]) -> Iterable[float]:
    """Yield the mean gain over all tests for each round that all tests have finished."""
    numbers = set.intersection(*(set(one) for one in rounds)) if rounds else set()
    return (math.fsum(one[number] for one in rounds) / len(rounds) for number in sorted(numbers))


def _score_of_row(name: str, row: "RunRow") -> float | None:
    """Return the score `name` of a run: 0 if the run failed before it was scored, None if it has no such score."""
    return row.scores.get(name, 0.0 if pass_or_fail_score(row) == 0.0 else None)


def _build_strata(results: Mapping[_TestAndSetting, _PairedResults]) -> Iterable[Stratum]:
    """Yield what is judged by itself (strata): each test with its scores, each group of tests, and all tests together.

    A test has one stratum for each setting of the other flags.
    """
    rounds = {cell: one.differences_by_repetition(pass_or_fail_score) for cell, one in results.items()}
    settings = {others for _, others in rounds}
    for (test, others), gains in rounds.items():
        name = _name_of_stratum(test, others, settings)
        yield Stratum(name, tuple(gains.values()))
        own = results[test, others]
        for score in own.score_names:
            score_gains = own.differences_by_repetition(partial(_score_of_row, score))
            yield Stratum(f"{name}, score {score}", tuple(score_gains.values()))
    yield from _group_strata(results, rounds)
    if len(rounds) > 1:
        yield Stratum(ALL_TESTS_STRATUM, tuple(_mean_gain_of_each_round([*rounds.values()])))


def _group_strata(
    results: Mapping[_TestAndSetting, _PairedResults], rounds: Mapping[_TestAndSetting, Mapping[int, float]]
) -> Iterable[Stratum]:
    """Yield a stratum for each group of tests under each setting of other flags. `rounds` has the gains by round."""
    settings = dict.fromkeys(others for _, others in results)
    for group in sorted({name for one in results.values() for name in one.groups}):
        for others in settings:
            members = [rounds[cell] for cell, one in results.items() if cell[1] == others and group in one.groups]
            if len(members) > 1:
                name = _name_of_stratum(f"group {group}", others, settings)
                yield Stratum(name, tuple(_mean_gain_of_each_round(members)))


def _name_of_stratum(name: str, other_values: _FlagSetting, settings: Collection[_FlagSetting]) -> str:
    """Return the name of a test or group and, if it has several `settings`, the values of the other flags."""
    return name if len(settings) == 1 else f"{name} under {_setting_text(other_values, settings)}"


def _setting_text(other_values: _FlagSetting, settings: Iterable[_FlagSetting]) -> str:
    """Return a text with the values in `other_values` of those flags whose values differ between `settings`."""
    same = set.intersection(*(set(one) for one in settings))
    return ", ".join(f"{name}={value}" for name, value in other_values if (name, value) not in same) or "the same flags"
