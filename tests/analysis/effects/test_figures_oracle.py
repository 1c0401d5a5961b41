"""Intervals beside those of statsmodels, which `nox -s statistics` installs."""

import random

import pytest

from flag_harness.analysis.effects.student import mean_with_interval

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
