"""How the figures (time, tokens, cost) of two runs differ, measured on the tests that passed in both."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flag_harness.analysis.effects.figures import RUN_METRICS, RunMetric
from flag_harness.analysis.effects.student import mean_with_interval
from flag_harness.config import DIFF_FIGURES, GrowthLimit
from flag_harness.record import RunRow
from flag_harness.wording import ratio_range_text, ratio_text

_CONFIGURATION_KEY_BY_FIGURE = {"total time": "seconds"}
"""The keys in `[tool.flag-harness.diff]` of the figures that have another name in reports."""


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A figure (such as the cost) in two runs, on average over the rows that are compared.

    Attributes:
        figure: the figure.
        base_mean, head_mean: its mean in the first and in the second run.
        lower_bound, upper_bound: the bounds of the 95 % confidence interval of the mean difference, or None if there is
            only one pair.
        pair_count: the number of rows of the second run that were compared with the same row of the first.
        is_simulated: True if the simulator gave answers.
    """

    figure: RunMetric
    base_mean: float
    head_mean: float
    lower_bound: float | None
    upper_bound: float | None
    pair_count: int
    is_simulated: bool

    @property
    def configuration_key(self) -> str:
        """The key of the figure in `[tool.flag-harness.diff]`."""
        return _CONFIGURATION_KEY_BY_FIGURE.get(self.figure.name, self.figure.name.replace(" ", "_"))

    @property
    def mean_growth(self) -> float:
        """The mean difference between the runs: positive if the figure is larger in the second run."""
        return self.head_mean - self.base_mean

    @property
    def is_significant(self) -> bool:
        """Whether the confidence interval of the difference excludes 0."""
        return (
            self.lower_bound is not None
            and self.upper_bound is not None
            and not self.lower_bound <= 0 <= self.upper_bound
        )

    def exceeds_limit(self, limit: GrowthLimit) -> bool:
        """Return whether the figure got worse by more than `limit` allows. For cached tokens, worse means fewer."""
        worse = -self.mean_growth if self.configuration_key == "cached_tokens" else self.mean_growth
        allowed = self.base_mean * limit.value / 100 if limit.is_percent else limit.value
        return worse > allowed + 1e-9 * abs(self.base_mean)

    def __str__(self) -> str:
        if not self.mean_growth and not self.is_significant:
            return (
                "unchanged"
                if (self.lower_bound, self.upper_bound) in ((0, 0), (None, None))
                else "cannot be told from these runs"
            )
        share = ratio_text(self.head_mean / self.base_mean) if self.base_mean else f"{self.mean_growth:+,.4g}"
        if self.lower_bound is None or self.upper_bound is None:
            return f"{share}; how sure this is cannot be told from one pair"
        if not self.is_significant:
            return f"{share}, which may be chance"
        return share if self.lower_bound == self.upper_bound else f"{share} ({self._confidence_interval_text})"

    @property
    def _confidence_interval_text(self) -> str:
        low, high = self.lower_bound or 0.0, self.upper_bound or 0.0
        if self.base_mean:
            return ratio_range_text(1 + low / self.base_mean, 1 + high / self.base_mean)
        return f"{low:+,.4g} to {high:+,.4g}"


def pair_rows_of_runs(base: Iterable[RunRow], head: Iterable[RunRow]) -> tuple[tuple[RunRow, RunRow], ...]:
    """Return pairs of a row of `base` and a row of `head` whose figures can be compared.

    The two rows have the same test, combination and repetition, passed, and are not excluded from comparisons. Rows
    that the simulator answered are compared only with each other.
    """
    before = {row.key: row for row in base if row.is_comparable}
    pairs = [(before.get(row.key), row) for row in head if row.is_comparable]
    return tuple((old, new) for old, new in pairs if old is not None and old.is_simulated == new.is_simulated)


def metric_changes(pairs: Sequence[tuple[RunRow, RunRow]]) -> tuple[MetricChange, ...]:
    """Return how each figure changed between the rows of a pair, in the order of the configuration keys.

    A figure that no pair has is left out.
    """
    found = {change.configuration_key: change for figure in RUN_METRICS for change in _metric_change(figure, pairs)}
    return tuple(found[name] for name in DIFF_FIGURES if name in found)


def _metric_change(figure: RunMetric, pairs: Sequence[tuple[RunRow, RunRow]]) -> Iterator[MetricChange]:
    read = [(figure.read_figure(old), figure.read_figure(new)) for old, new in pairs]
    values = [(old, new) for old, new in read if old is not None and new is not None]
    if values:
        base, head = (sum(side) / len(values) for side in zip(*values, strict=True))
        low, high = mean_with_interval([new - old for old, new in values])[1:] if len(values) > 1 else (None, None)
        yield MetricChange(figure, base, head, low, high, len(values), any(new.is_simulated for _, new in pairs))
