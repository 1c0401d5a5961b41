"""Quantiles of Student's t distribution, for confidence intervals of a mean."""

import math
from collections.abc import Sequence
from functools import lru_cache

_SMALLEST_DIVISOR = 1e-300
_CONVERGENCE_THRESHOLD = 1e-16


def mean_with_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return `(mean, lower bound, upper bound)` of the confidence interval for the mean.

    At least two values are needed.
    """
    count = len(values)
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    margin = t_quantile((1 + confidence) / 2, count - 1) * math.sqrt(variance / count)
    return mean, mean - margin, mean + margin


@lru_cache
def t_quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution for a probability from 0.5 to below 1.

    `degrees` is the number of degrees of freedom (df). The quantile is found by bisection of the tail probability,
    which is the regularized incomplete beta function at x = df / (df + t^2) (Abramowitz and Stegun 26.7.1), computed as
    a continued fraction (26.5.8).
    """
    tail = 2 * (1 - probability)
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if _incomplete_beta(middle, degrees / 2, 0.5) < tail:
            low = middle
        else:
            high = middle
    x = (low + high) / 2
    return math.sqrt(degrees * (1 - x) / x)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function for 0 < x < 1."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(scale + a * math.log(x) + b * math.log1p(-x)) / a * _beta_continued_fraction(x, a, b)


def _beta_continued_fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / _replace_near_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    m, change = 0, math.inf
    while abs(change - 1) >= _CONVERGENCE_THRESHOLD:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d, c = 1 / _replace_near_zero(1 + term * d), _replace_near_zero(1 + term / c)
            fraction *= c * d
        change = c * d
    return fraction


def _replace_near_zero(value: float) -> float:
    """Return a value, or a tiny number if the value is nearly 0, so that it is safe to divide by the result."""
    return value if abs(value) > _SMALLEST_DIVISOR else _SMALLEST_DIVISOR
