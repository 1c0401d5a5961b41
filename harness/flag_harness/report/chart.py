"""A chart of what flags change in one figure (such as the total time): an interval for each flag, on a common scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flag_harness.analysis.effects.figures import MetricEffect
from flag_harness.report.metrics import FIGURES_BY_METRIC
from flag_harness.wording import ratio_text

_CHART_MARGIN_SHARE = 0.04
"""The part of the chart's width that stays empty at each end."""


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One effect on the scale of a chart: its mean, and its confidence interval from `lower_position` to
    `upper_position`.

    The three are positions from 0 (left) to 100 (right). They are equal if the effect has no confidence interval.
    """

    effect: MetricEffect
    lower_position: float
    mean_position: float
    upper_position: float


@dataclass(frozen=True, slots=True)
class EffectChart:
    """The effects of flags on one figure, which is a measured number, such as `total time`.

    Attributes:
        section_title: the title under which the figure is shown, such as `performance`.
        figure_name: the name of the figure.
        left_end_label, right_end_label: the values at the left and the right end of the scale, as texts such as `-40.0
            %`.
        zero_position: the position of "no change" on the scale, from 0 to 100.
        bars: the effects.
    """

    section_title: str
    figure_name: str
    left_end_label: str
    right_end_label: str
    zero_position: float
    bars: tuple[ChartBar, ...]


def effect_charts(effects: Sequence[MetricEffect]) -> Iterator[EffectChart]:
    """Yield a chart for each figure that some flag changes, in the order in which reports show figures."""
    for metric, names in FIGURES_BY_METRIC.items():
        for name in names:
            own = [effect for effect in effects if effect.figure.name == name]
            if any(not effect.is_unchanged for effect in own):
                yield _make_chart(metric, name, own)


def _make_chart(metric: str, name: str, effects: Sequence[MetricEffect]) -> EffectChart:
    ends = [_bounds_and_mean(effect) for effect in effects]
    low, high = min(0.0, *(end[0] for end in ends)), max(0.0, *(end[2] for end in ends))
    span = (high - low) or 1.0
    first, width = low - _CHART_MARGIN_SHARE * span, span * (1 + 2 * _CHART_MARGIN_SHARE)

    def percent_of_width(value: float) -> float:
        return round(100 * (value - first) / width, 2)

    is_ratio = effects[0].figure.is_ratio
    bars = (ChartBar(effect, *map(percent_of_width, end)) for effect, end in zip(effects, ends, strict=True))
    start, end = _scale_label(low, is_ratio), _scale_label(high, is_ratio)
    return EffectChart(metric, name, start, end, percent_of_width(0.0), tuple(bars))


def _bounds_and_mean(effect: MetricEffect) -> tuple[float, float, float]:
    """Return the lower bound, the mean and the upper bound of an effect.

    For figures that are compared by ratios, these are relative changes, so that 0 means no change.
    """
    mean = effect.mean
    low = mean if effect.lower_bound is None else effect.lower_bound
    high = mean if effect.upper_bound is None else effect.upper_bound
    return (low - 1, mean - 1, high - 1) if effect.figure.is_ratio else (low, mean, high)


def _scale_label(value: float, is_ratio: bool) -> str:
    if not value:
        return "no change"
    return ratio_text(1 + value) if is_ratio else f"{value:+,.4g}"
