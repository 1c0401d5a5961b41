"""What flags change in figures such as latency, tokens and cost, computed from pairs of runs of the same test."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Any, TypeAlias

from flag_harness.analysis.effects.student import mean_with_interval
from flag_harness.flag import value_label, value_text
from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunRow
from flag_harness.wording import ratio_range_text, ratio_text

CONFIDENCE_LEVEL = 0.95


_MIN_SHOWN_WITHOUT_DECIMALS = 100
"""Differences of at least this size are shown without decimals."""


@dataclass(frozen=True, slots=True)
class RunMetric:
    """A number that is measured for each run.

    Attributes:
        name: the name, such as `first token`.
        unit: `s`, `$`, or empty.
        is_ratio: True if runs are compared by the ratio of the figure (times and costs), False if by the difference.
        read_figure: a function that returns the figure of a row, or None if it was not measured.
    """

    name: str
    unit: str
    is_ratio: bool
    read_figure: Callable[[RunRow], float | None]

    def difference(self, *rows: RunRow) -> float | None:
        """Return the figure of the first run minus that of the second, or None if a run lacks the figure.

        Figures that are compared by ratios are replaced by their logarithms. For four runs, the result is the
        difference of the first two minus that of the last two.
        """
        values = [self.read_figure(row) for row in rows]
        numbers = [value for value in values if value is not None and (value > 0 or not self.is_ratio)]
        if len(numbers) < len(values):
            return None
        if self.is_ratio:
            numbers = [math.log(number) for number in numbers]
        if len(numbers) == 2:
            return numbers[0] - numbers[1]
        both, first, second, neither = numbers
        return (both - first) - (second - neither)


RUN_METRICS = (
    RunMetric("first token", "s", True, lambda row: row.first_token),
    RunMetric("total time", "s", True, lambda row: row.seconds),
    RunMetric("longest gap", "s", True, lambda row: max((one.longest_gap for one in row.requests), default=0.0)),
    RunMetric("input tokens", "", False, lambda row: row.usage.total_input),
    RunMetric("output tokens", "", False, lambda row: row.usage.output_tokens),
    RunMetric("cached tokens", "", False, lambda row: row.usage.cache_read_input_tokens),
    RunMetric("cost", "$", True, lambda row: row.cost),
    RunMetric("requests", "", False, lambda row: len(row.requests)),
    RunMetric("errors", "", False, lambda row: row.errors),
)

ChangedFlagValues: TypeAlias = tuple[tuple[str, Any], ...]
"""Pairs of a flag's name and a value. Runs with these values are compared with runs that have the defaults instead."""
FlagGroups: TypeAlias = Mapping[str, Sequence[str]]
"""For each flag in a group, the names of all flags of the group. Exactly one flag of a group is on."""
ValueLabels: TypeAlias = Mapping[tuple[str, str], str]
"""The short texts of flag values in combination ids, by (name of the flag, value as text)."""


@dataclass(frozen=True, slots=True)
class MetricEffect:
    """The effect of a flag's value, or of two flags' values together, on a figure such as cost.

    Attributes:
        changed_values: the flags with their values. For two flags, the effect is what both change beyond the sum of
            each one.
        figure: the figure that is compared.
        mean: the mean difference, or the mean ratio.
        lower_bound, upper_bound: the mean's 95 % confidence interval (Student's t), or None if there is only one pair.
        pair_count: the number of pairs of runs; for two flags, of groups of four runs. They are taken as independent.
        is_simulated: True if the simulator gave some of the answers.
        setting_text: the flags with their values, such as `streaming`, `model=haiku` or `streaming and concise`.
        smallest_effect, largest_effect: the smallest and largest difference or ratio of a single pair.
        varies_by_chance: False if repeating the same runs would give the same figures, because the simulator answered
            and repetitions, if any, agree. Pairs then differ because of their tests and other flags.
    """

    changed_values: ChangedFlagValues
    figure: RunMetric
    mean: float
    lower_bound: float | None
    upper_bound: float | None
    pair_count: int
    is_simulated: bool
    setting_text: str
    smallest_effect: float = math.nan
    largest_effect: float = math.nan
    varies_by_chance: bool = True

    @property
    def is_unchanged(self) -> bool:
        """Whether the figure is equal in the two runs of every pair."""
        return (self.mean, self.lower_bound, self.upper_bound) == (
            neutral := 1.0 if self.figure.is_ratio else 0.0,
            neutral,
            neutral,
        )

    @property
    def is_significant(self) -> bool:
        """Whether the confidence interval excludes "no effect"."""
        if self.lower_bound is None or self.upper_bound is None:
            return False
        return not self.lower_bound <= (1.0 if self.figure.is_ratio else 0.0) <= self.upper_bound

    @property
    def varies_between_pairs(self) -> bool:
        """Whether pairs show effects of different sizes or directions that chance does not explain."""
        return not (self.varies_by_chance or self.lower_bound is None or self.is_significant or self.is_unchanged)

    def __str__(self) -> str:
        if self.is_unchanged:
            return f"unchanged ({_pair_count_text(self.pair_count)})"
        if self.varies_between_pairs:
            changes = self._format_range(self.smallest_effect, self.largest_effect)
            return f"{changes}, depending on the test and on other flags ({_pair_count_text(self.pair_count)})"
        if self.lower_bound is None or self.upper_bound is None:
            return f"{self._format_value(self.mean)} in 1 pair; how sure this is cannot be told from one"
        interval = self._format_range(self.lower_bound, self.upper_bound)
        if not self.is_significant:
            return f"cannot be told from these runs: {interval} ({_pair_count_text(self.pair_count)})"
        if self.lower_bound == self.upper_bound:
            return f"{self._format_value(self.mean)} ({_pair_count_text(self.pair_count)})"
        return f"{self._format_value(self.mean)} ({interval}, {_pair_count_text(self.pair_count)})"

    def _format_range(self, low: float, high: float) -> str:
        if self.figure.is_ratio:
            return ratio_range_text(low, high)
        return f"{self._format_value(low)} to {self._format_value(high)}"

    def _format_value(self, value: float) -> str:
        """Return a change of the figure as text: as a ratio, or as a difference with its sign."""
        if self.figure.is_ratio:
            return ratio_text(value)
        return f"{value:+,.0f}" if abs(value) >= _MIN_SHOWN_WITHOUT_DECIMALS else f"{value:+,.3g}"


def metric_effects(
    rows: Iterable[RunRow],
    defaults: Mapping[str, Any],
    labels: ValueLabels = MappingProxyType({}),
    groups: FlagGroups = MappingProxyType({}),
    max_flags: int = 2,
) -> tuple[MetricEffect, ...]:
    """Return the effect of each flag, and of each pair of flags, on each figure.

    For one flag, pairs of runs of the same test and repetition are compared that differ only in this flag; for two
    flags, groups of four runs that differ only in these two. Only passed runs count, except those that a test excluded.
    `defaults` has the default of each flag, and `labels` the short texts of values. A flag of a group (of which one
    flag is on) is compared with the flag that is on by default. Ratios are computed only for figures above 0. With
    `max_flags` 1, pairs of flags are left out.
    """
    rows = [row for row in rows if row.is_comparable]
    groups_of_runs = group_runs_to_compare(rows, defaults, groups, max_flags)
    compared = {settings: [*filter(are_figures_comparable, members)] for settings, members in groups_of_runs.items()}
    noisy = {figure.name for figure in RUN_METRICS if _may_vary_by_chance(figure, rows)}
    effects = (
        _estimate_effect(settings, figure, members, labels, figure.name in noisy)
        for settings, members in compared.items()
        for figure in RUN_METRICS
    )
    return tuple(effect for effect in effects if effect is not None)


def are_figures_comparable(runs: Sequence[RunRow]) -> bool:
    """Return whether the figures of these runs can be compared.

    All runs must have passed, and none may be excluded by its test. Either all or none must be answered by the
    simulator, because its token counts are estimates and its times are settings.
    """
    simulated = {row.is_simulated for row in runs if row.recorded_from or row.answered_by}
    return all(row.is_comparable for row in runs) and len(simulated) < 2


def group_runs_to_compare(
    rows: Iterable[RunRow], defaults: Mapping[str, Any], groups: FlagGroups = MappingProxyType({}), max_flags: int = 2
) -> dict[ChangedFlagValues, list[tuple[RunRow, ...]]]:
    """Return the pairs of runs that differ in one flag and, unless `max_flags` is 1, groups of four that differ in two.

    The keys are the flag values that differ from the defaults. In each group, the run with all of these values comes
    first, and the run with none of them last.
    """
    tests: dict[tuple[str, int], dict[ChangedFlagValues, RunRow]] = {}
    for row in rows:
        key = node_id_without_combination(row.case, row.combination), row.repetition
        values = tuple((name, _to_hashable(value)) for name, value in sorted(row.values.items()))
        tests.setdefault(key, {})[values] = row
    defaults = {name: _to_hashable(value) for name, value in defaults.items()}
    contrasts: dict[ChangedFlagValues, list[tuple[RunRow, ...]]] = {}
    for runs in tests.values():
        for settings, members in _runs_to_compare(runs, defaults, groups, max_flags):
            contrasts.setdefault(settings, []).append(members)
    return contrasts


def _may_vary_by_chance(figure: RunMetric, rows: Iterable[RunRow]) -> bool:
    """Return whether repeating the same runs could give another value of the figure."""
    repetitions: dict[tuple[str, str], float | None] = {}
    for row in rows:
        value = figure.read_figure(row)
        if value and not row.is_simulated:
            return True
        if repetitions.setdefault((row.case, row.combination), value) != value:
            return True
    return False


def _runs_to_compare(
    runs: Mapping[ChangedFlagValues, RunRow], defaults: Mapping[str, Any], groups: FlagGroups, max_flags: int
) -> Iterator[tuple[ChangedFlagValues, tuple[RunRow, ...]]]:
    """Yield `(settings, runs)` for each group of runs to compare, which differ in the flag values `settings`.

    For one setting, the runs are the one with it and the one without it. For two, they are the runs with both, only the
    first, only the second, and neither.
    """
    for values, row in runs.items():
        changed = [
            (name, value)
            for name, value in values
            if name in defaults and value != defaults[name] and not (name in groups and defaults[name] is True)
        ]
        for setting in changed:
            if (without := runs.get(_reset_to_defaults(values, defaults, groups, setting))) is not None:
                yield (setting,), (row, without)
        for one, other in combinations(changed, 2) if max_flags > 1 else ():
            first, second = (
                runs.get(_reset_to_defaults(values, defaults, groups, other)),
                runs.get(_reset_to_defaults(values, defaults, groups, one)),
            )
            neither = runs.get(_reset_to_defaults(values, defaults, groups, one, other))
            if first is not None and second is not None and neither is not None:
                yield (one, other), (row, first, second, neither)


def _reset_to_defaults(
    values: ChangedFlagValues, defaults: Mapping[str, Any], groups: FlagGroups, *settings: tuple[str, Any]
) -> ChangedFlagValues:
    """Return flag values in which the flags in `settings`, and all flags in a group with them, have their defaults."""
    names = {member for name, _ in settings for member in groups.get(name, (name,))}
    return tuple((name, defaults.get(name, value) if name in names else value) for name, value in values)


def _estimate_effect(
    settings: ChangedFlagValues,
    figure: RunMetric,
    run_groups: Sequence[tuple[RunRow, ...]],
    labels: ValueLabels,
    has_chance: bool,
) -> MetricEffect | None:
    """Return the effect of flag settings on a figure, or None if the figure was not measured in any group of runs.

    Each item of `run_groups` holds the two or four runs that are compared.
    """
    differences = [found for rows in run_groups if (found := figure.difference(*rows)) is not None]
    if not differences:
        return None
    interval = mean_with_interval(differences) if len(differences) > 1 else (differences[0],)
    mean, *bounds = map(math.exp, interval) if figure.is_ratio else interval
    low, high = bounds if bounds else (None, None)
    simulated = any(row.is_simulated for rows in run_groups for row in rows)
    name = " and ".join(flag_setting_text(*setting, labels) for setting in settings)
    least, most = (math.exp(one) if figure.is_ratio else one for one in (min(differences), max(differences)))
    return MetricEffect(settings, figure, mean, low, high, len(differences), simulated, name, least, most, has_chance)


def _to_hashable(value: Any) -> Any:
    """Return a value itself, or its text if it is a list, tuple or dictionary."""
    return value_text(value) if isinstance(value, (list, tuple, dict)) else value


def flag_setting_text(name: str, value: Any, labels: ValueLabels) -> str:
    """Return a flag with its value as text, for which `labels` has short texts: `no-streaming` or `model=haiku`."""
    if isinstance(value, bool):
        return name if value else f"no-{name}"
    return f"{name}={labels.get((name, value_text(value))) or value_label(value)}"


def _pair_count_text(count: int) -> str:
    return f"{count} pair{'s' if count != 1 else ''}"
