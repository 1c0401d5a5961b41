"""What a flag costs or saves in money, tokens and time: the figures on a report's first screen, in a few words each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from statistics import fmean
from typing import Any

from flag_harness.analysis.effects.figures import (
    MetricEffect,
    are_figures_comparable,
    flag_setting_text,
    group_runs_to_compare,
)
from flag_harness.flag import value_text
from flag_harness.record import RunRecord, RunRow
from flag_harness.report.cache_map import RUNS_PER_PRICE_FIGURE
from flag_harness.report.flags.left_out_pairs import LeftOutPairs, RunPair, find_left_out_pairs, test_of_row
from flag_harness.report.flags.means import (
    difference_text,
    dollar_difference_text,
    dollar_means_text,
    means_text,
    second_means_text,
)
from flag_harness.report.metrics import default_values, flag_groups, labels_of_flag_values
from flag_harness.wording import count_with_noun

MEANS_NOTE = (
    "Per run of one test: mean without the flag → with it, over the pairs of runs that differ in this flag alone; "
    "each test counts the same."
)
FIGURE_COUNT = 5
"""The number of figures that every flag has. The number of errors is added only for flags that change it."""
_MAX_UNEXPLAINED_SHARE = 0.1
"""The limit for saying that a flag's effect depends on another flag.

The differences are grouped by the other flag's value. At most this share of their spread may remain inside the groups.
"""
UNCHANGED_TEXT = "same"
"""Shown for a figure that is equal in the two runs of every pair."""
UNKNOWN_FIGURE_TEXT = "unknown"


@dataclass(frozen=True, slots=True)
class FigureMeans:
    """The mean of a figure over runs without a flag and over runs with it. Every test has the same weight."""

    figure_name: str
    without_flag: float
    with_flag: float


@dataclass(frozen=True, slots=True)
class FigureCell:
    """What a flag changes in one figure, in a few words.

    Attributes:
        figure_name: the name of the figure.
        text: the means without the flag and with it, or that nothing changes.
        is_unchanged: whether the figure is equal in the two runs of every pair.
        means: the means as numbers (for tokens, those of input and output); empty if the figure is unknown.
    """

    figure_name: str
    text: str
    is_unchanged: bool = False
    means: tuple[FigureMeans, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagFigures:
    """What a flag costs or saves.

    Attributes:
        cells: the figures, in the order in which they are shown.
        pair_count: the number of pairs of runs of the same test that differ in this flag alone.
        compared_pair_count: the number of those pairs from which the figures are computed.
        left_out_pairs: the other pairs, by the reason.
        test_count: the number of tests that have a compared pair.
    """

    cells: tuple[FigureCell, ...]
    pair_count: int
    compared_pair_count: int
    left_out_pairs: tuple[LeftOutPairs, ...]
    test_count: int

    @property
    def are_unchanged(self) -> bool:
        """Whether the flag changes none of the figures."""
        return all(cell.is_unchanged for cell in self.cells)

    @property
    def summary_text(self) -> str:
        """One line that says what the flag changes, and how many pairs of runs show this."""
        changed = [f"{cell.figure_name} {cell.text}" for cell in self.cells if not cell.is_unchanged]
        if not self.compared_pair_count:
            return f"unknown: none of {count_with_noun(self.pair_count, 'pair')} of runs can be compared"
        found = "; ".join(changed) or self.text_if_unchanged
        return f"{found} ({self.compared_pair_count:,} of {self.pair_count:,} pairs)"

    @property
    def text_if_unchanged(self) -> str:
        """A text that names the figures, for a flag that changes none of them."""
        *names, last = [cell.figure_name for cell in self.cells]
        return f"the same {', '.join(names)} and {last}"


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure of the first screen.

    `read_figure` returns the figure of a run, or None if it is unknown. `format_means` returns a text with the means
    without and with the flag. `text_prefix` comes before this text.
    """

    figure_name: str
    read_figure: Callable[[RunRow], float | None]
    format_means: Callable[[float, float], str]
    text_prefix: str = ""


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """A pair of runs that differ in one flag, and the value of one figure in both."""

    run_pair: RunPair
    value_without_flag: float
    value_with_flag: float

    @property
    def difference(self) -> float:
        """The figure with the flag minus the figure without the flag."""
        return self.value_with_flag - self.value_without_flag


def pairs_by_setting(record: RunRecord) -> dict[str, list[RunPair]]:
    """Return the pairs of runs that differ in one flag alone, by the change of the flag from its default, such as
    `streaming`.

    All outcomes are included. Flags are in the order in which they are declared.
    """
    labels = labels_of_flag_values(record)
    rows = [row for row in record.rows if row.sweep is None]
    found = group_runs_to_compare(rows, default_values(record), flag_groups(record), max_flags=1)
    names = list(record.header.flags)
    return {
        flag_setting_text(*settings[0], labels): [(runs[0], runs[1]) for runs in groups]
        for settings, groups in sorted(found.items(), key=lambda one: names.index(one[0][0][0]))
        if len(settings) == 1
    }


def flag_figures(pairs: Sequence[RunPair], effects: Mapping[str, MetricEffect]) -> FlagFigures:
    """Return what a flag costs or saves, from the pairs of runs that differ in it.

    `effects` has the effect of the flag on each figure, by the figure's name; it tells whether a difference may be
    chance.
    """
    compared = [pair for pair in pairs if are_figures_comparable(pair)]

    def cell(name: str, figures: Sequence[ShownFigure]) -> FigureCell:
        return _figure_cell(name, figures, compared, effects)

    cells = (
        cell("cost", [ShownFigure("cost", lambda row: row.cost, _cost_text)]),
        cell(
            "tokens",
            [
                ShownFigure("input tokens", lambda row: row.usage.total_input, means_text, "input "),
                ShownFigure("output tokens", lambda row: row.usage.output_tokens, means_text, "output "),
            ],
        ),
        cell("total time", [ShownFigure("total time", lambda row: row.seconds, second_means_text)]),
        _first_token_cell(compared, effects),
        cell("requests", [ShownFigure("requests", lambda row: len(row.requests), means_text)]),
    )
    errors = cell("errors", [ShownFigure("errors", lambda row: row.errors, means_text)])
    more = () if errors.is_unchanged or not errors.means else (errors,)
    tests = len({test_of_row(row) for row, _ in compared})
    return FlagFigures((*cells, *more), len(pairs), len(compared), tuple(find_left_out_pairs(pairs)), tests)


def _figure_cell(
    name: str, figures: Sequence[ShownFigure], pairs: Sequence[RunPair], effects: Mapping[str, MetricEffect]
) -> FigureCell:
    """Return the text and the means for one figure, or for several figures that are shown together, such as tokens."""
    texts, means = [], []
    for figure in figures:
        found = [
            ComparedPair(pair, without, value)
            for pair in pairs
            if (value := figure.read_figure(pair[0])) is not None
            and (without := figure.read_figure(pair[1])) is not None
        ]
        if found:
            means.append(FigureMeans(figure.figure_name, *_means_without_and_with(found)))
        if not all(isclose(one.value_with_flag, one.value_without_flag) for one in found):
            texts.append(f"{figure.text_prefix}{_change_text(figure, found, effects.get(figure.figure_name))}")
    if texts or not means:
        return FigureCell(name, ", ".join(texts) or UNKNOWN_FIGURE_TEXT, means=tuple(means))
    return FigureCell(name, UNCHANGED_TEXT, is_unchanged=True, means=tuple(means))


def _change_text(figure: ShownFigure, pairs: Sequence[ComparedPair], effect: MetricEffect | None) -> str:
    """Return the means without and with the flag. If the difference may be chance or varies, the text says so."""
    text = _means_of_pairs_text(figure, pairs)
    if len(pairs) == 1:
        return f"{text} in the only pair"
    if effect is None or effect.pair_count != len(pairs) or effect.is_significant:
        return text
    if effect.varies_between_pairs:
        return (
            _text_by_other_flag(figure, pairs) or f"{text}, {_range_text(pairs)}, depending on the test and other flags"
        )
    return f"{text}, which may be chance"


def _means_of_pairs_text(figure: ShownFigure, pairs: Sequence[ComparedPair]) -> str:
    return figure.format_means(*_means_without_and_with(pairs))


def _means_without_and_with(pairs: Sequence[ComparedPair]) -> tuple[float, float]:
    """Return the mean without the flag and the mean with it.

    Every test has the same weight, however many pairs it has.
    """
    tests: dict[str, list[ComparedPair]] = {}
    for one in pairs:
        tests.setdefault(test_of_row(one.run_pair[0]), []).append(one)
    without = fmean(fmean(one.value_without_flag for one in own) for own in tests.values())
    return without, fmean(fmean(one.value_with_flag for one in own) for own in tests.values())


def _range_text(pairs: Sequence[ComparedPair]) -> str:
    differences = [one.difference for one in pairs]
    return f"by {difference_text(min(differences))} to {difference_text(max(differences))}"


def _text_by_other_flag(figure: ShownFigure, pairs: Sequence[ComparedPair]) -> str:
    """Return the means for each value of another flag that explains most of the differences; empty if no flag does."""
    total = _sum_of_squared_deviations(pairs)
    for flag in pairs[0].run_pair[0].values:
        groups: dict[Any, list[ComparedPair]] = {}
        for one in pairs:
            row, other = one.run_pair
            if row.values.get(flag) == other.values.get(flag):
                groups.setdefault(value_text(row.values.get(flag)), []).append(one)
        if len(groups) > 1 and sum(map(_sum_of_squared_deviations, groups.values())) <= _MAX_UNEXPLAINED_SHARE * total:
            return ", ".join(
                f"{_means_of_pairs_text(figure, own)} {_setting_text(flag, value)}"
                for value, own in sorted(groups.items())
            )
    return ""


def _sum_of_squared_deviations(pairs: Sequence[ComparedPair]) -> float:
    """Return the sum of the squared distances of the pairs' differences from their mean."""
    middle = fmean(one.difference for one in pairs)
    return sum((one.difference - middle) ** 2 for one in pairs)


def _setting_text(flag: str, value: str) -> str:
    return {"true": f"with {flag}", "false": f"without {flag}"}.get(value, f"with {flag}={value}")


def _cost_text(before: float, after: float) -> str:
    """Return the means in US dollars, and their difference for 1,000 runs."""
    many = f"{dollar_difference_text(RUNS_PER_PRICE_FIGURE * (after - before))} per {RUNS_PER_PRICE_FIGURE:,} runs"
    return f"{dollar_means_text(before, after)} ({many})"


def _first_token_cell(pairs: Sequence[RunPair], effects: Mapping[str, MetricEffect]) -> FigureCell:
    """Return the cell for the time until the first token.

    Without streaming, this is the time until the first whole answer.
    """
    if all(row.first_token is None for pair in pairs for row in pair):
        return FigureCell("first token", "nothing streamed", is_unchanged=True)
    return _figure_cell(
        "first token", [ShownFigure("first token", _seconds_to_first_text, second_means_text)], pairs, effects
    )


def _seconds_to_first_text(row: RunRow) -> float | None:
    """Return the seconds until the first answered request of a run shows its first text; None if no request was
    answered.
    """
    if row.first_token is not None:
        return row.first_token
    return next((request.seconds for request in row.requests if request.status == 200), None)
