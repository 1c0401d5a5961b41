"""Intervals beside those of statsmodels, which `nox -s statistics` installs."""

import math
import random

import pytest

from flag_harness.analysis.effects.figures import metric_effects
from flag_harness.analysis.effects.student import mean_with_interval
from flag_harness.record import RunRow
from flag_harness.wire.usage import Usage

weightstats = pytest.importorskip("statsmodels.stats.weightstats", reason="statsmodels comes with nox -s statistics")


def test_intervals_equal_those_of_statsmodels() -> None:
    """On a thousand random sets of 2 to 200 values."""
    source = random.Random(1)
    for _ in range(1000):
        values = [source.gauss(source.uniform(-5, 5), source.uniform(0.1, 9)) for _ in range(source.randint(2, 200))]
        oracle = weightstats.DescrStatsW(values)
        confidence = source.choice((0.8, 0.9, 0.95, 0.99))
        expected = (oracle.mean, *oracle.tconfint_mean(1 - confidence))
        assert expected == pytest.approx(mean_with_interval(values, confidence), rel=1e-9, abs=1e-9)


def test_effects_of_a_flag_equal_those_of_statsmodels() -> None:
    """On a thousand random runs of 2 to 60 pairs: ratios of costs, from logarithms, and differences of tokens."""
    source = random.Random(2)
    for _ in range(1000):
        pairs = [[(source.lognormvariate(-4, 1), source.randint(1, 9999)) for _ in "ab"] for _ in range(2, 61)]
        pairs = pairs[: source.randint(2, 60)]
        rows = [
            RunRow(
                case=f"test_a[{combination}]",
                combination=combination,
                outcome="passed",
                cost=cost,
                usage=Usage(tokens),
                values={"fast": combination == "fast"},
                repetition=number,
            )
            for number, pair in enumerate(pairs)
            for combination, (cost, tokens) in zip(("off", "fast"), pair, strict=True)
        ]
        effects = {one.figure.name: one for one in metric_effects(rows, {"fast": False})}
        logarithms = weightstats.DescrStatsW([math.log(on[0] / off[0]) for off, on in pairs])
        differences = weightstats.DescrStatsW([on[1] - off[1] for off, on in pairs])
        cost, tokens = effects["cost"], effects["input tokens"]
        expected = [math.exp(value) for value in (logarithms.mean, *logarithms.tconfint_mean())]
        assert expected == pytest.approx([cost.mean, cost.lower_bound, cost.upper_bound], rel=1e-9)
        expected = [differences.mean, *differences.tconfint_mean()]
        assert expected == pytest.approx([tokens.mean, tokens.lower_bound, tokens.upper_bound], rel=1e-9, abs=1e-9)
