"""Betting e-processes: sequential tests of a bounded mean that are valid at every look.

A strategy bets against a null hypothesis, "the mean of the differences is at most `null_mean`", with one unit of
wealth. Each difference x in [-1, 1] multiplies the wealth by 1 + stake * (x - null_mean). The stake depends on
earlier differences only, so that the wealth cannot be expected to grow if the null hypothesis is true. By Ville's
inequality the wealth then reaches 1 / alpha, ever, with probability at most alpha: one may look after every
difference and stop at any time (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by
betting"). Nothing is assumed about the distribution of the differences, nor about what is inside one difference.

Half a dozen strategies share the unit of wealth; their total is a valid wealth too. It does nearly as well as the
best.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_MAX_WEALTH = 1e300
_MAX_STAKE_SHARE = 0.99
"""The most that a strategy stakes, as a share of the stake with which one difference could take all of its wealth."""

HARM_STAKES = (0.03, 0.1, 0.25, 0.45, 0.6, 0.9)
_INITIAL_WEALTH_OF_HARM_STAKES = (0.03, 0.05, 0.1, 0.48, 0.24, 0.1)
"""How the wealth is divided among the constant stakes.

Most is on stakes that detect a fall of 15 points soonest, some on those for small falls.
"""

_SAFE_STAKE_MULTIPLES = (0.3, 0.8)
_INITIAL_WEALTH_OF_SAFE_STAKES = (0.1, 0.9)
"""How the wealth is divided among multiples of the best stake.

The multiples are below 1, because the estimate on which the best stake depends may be too low; the lower multiple helps
if losses are small.
"""

_PRIOR_ROUND_COUNT = 35
_PRIOR_MEAN_SQUARE = 0.15
"""The assumed mean square of a difference.

`_PRIOR_ROUND_COUNT` is the number of rounds for which the assumption counts.
"""


@dataclass(frozen=True, slots=True)
class HarmBettingStrategies:
    """Constant stakes for the test whether a flag does harm: they bet that the mean loss is above `null_mean`."""

    null_mean: float = 0.0

    @property
    def initial_wealth(self) -> list[float]:
        """The wealth of each strategy before the first round. The sum is 1."""
        return list(_INITIAL_WEALTH_OF_HARM_STAKES)

    def stakes(self, round_count: int, sum_of_squares: float) -> Sequence[float]:
        """Return the stake of each strategy in the next round, as a share of its wealth. The stakes never change."""
        return HARM_STAKES


@dataclass(frozen=True, slots=True)
class SafetyBettingStrategies:
    """Stakes for the test whether a flag is safe: they bet that the mean gain is 0, and not `-margin` or less.

    The best stake is margin / (mean square + margin^2). The mean square is estimated from earlier rounds.
    """

    margin: float

    @property
    def null_mean(self) -> float:
        """The largest mean that the null hypothesis allows."""
        return -self.margin

    @property
    def initial_wealth(self) -> list[float]:
        """The wealth of each strategy before the first round. The sum is 1."""
        return list(_INITIAL_WEALTH_OF_SAFE_STAKES)

    def stakes(self, round_count: int, sum_of_squares: float) -> Sequence[float]:
        """Return the stake of each strategy in the next round, as a share of its wealth.

        `round_count` is the number of earlier rounds, and `sum_of_squares` the sum of the squares of their differences.
        """
        mean_square = estimate_mean_square(round_count, sum_of_squares)
        best = self.margin / (mean_square + self.margin**2)
        largest = _MAX_STAKE_SHARE / (1 - self.margin) if self.margin < _MAX_STAKE_SHARE else math.inf
        return [min(factor * best, largest) for factor in _SAFE_STAKE_MULTIPLES]


class BettingProcess:
    """A sequential test of one null hypothesis: strategies bet against it, and their wealth is the evidence.

    Attributes:
        wealth: the current wealth, which is an e-value: the evidence against the null hypothesis. It starts at 1.
        largest_wealth: the largest wealth so far. `1 / largest_wealth` is a p-value that is valid at every look.
        round_count: the number of differences so far.
        sum_of_squares: the sum of the squares of the differences.
    """

    __slots__ = ("_wealths", "largest_wealth", "round_count", "strategies", "sum_of_squares", "wealth")

    def __init__(self, strategies: HarmBettingStrategies | SafetyBettingStrategies) -> None:
        self.strategies = strategies
        self._wealths = strategies.initial_wealth
        self.wealth = self.largest_wealth = 1.0
        self.round_count = 0
        self.sum_of_squares = 0.0

    @property
    def p_value(self) -> float:
        """The p-value of the null hypothesis. It is valid however often one looks at it."""
        return 1 / self.largest_wealth

    def add_difference(self, difference: float) -> None:
        """Add the difference of one round. Raise `ValueError` if it is not between -1 and 1."""
        if not -1 <= difference <= 1:
            raise ValueError(f"a difference must be from -1 to 1, and {difference} is not")
        gain = difference - self.strategies.null_mean
        stakes = self.strategies.stakes(self.round_count, self.sum_of_squares)
        wealths = [wealth * (1 + stake * gain) for wealth, stake in zip(self._wealths, stakes, strict=True)]
        self._wealths = wealths
        self.wealth = min(sum(wealths), _MAX_WEALTH)
        self.largest_wealth = max(self.largest_wealth, self.wealth)
        if self.wealth == _MAX_WEALTH:
            self._wealths = [_MAX_WEALTH / len(wealths)] * len(wealths)
        self.round_count += 1
        self.sum_of_squares += difference * difference


def estimate_mean_square(round_count: int, sum_of_squares: float) -> float:
    """Return an estimate of the mean square of a difference.

    `sum_of_squares` is the sum of the squares over all `round_count`. A prior assumption counts as further rounds.
    """
    return (_PRIOR_ROUND_COUNT * _PRIOR_MEAN_SQUARE + sum_of_squares) / (_PRIOR_ROUND_COUNT + round_count)


def make_harm_process() -> BettingProcess:
    """Return a sequential test of the null hypothesis "the flag loses nothing". The caller adds the loss of each round.

    A loss is the result without the flag minus the result with it.
    """
    return BettingProcess(HarmBettingStrategies())


def make_safety_process(margin: float) -> BettingProcess:
    """Return a sequential test of the null hypothesis "the flag loses `margin` or more". The caller adds each round's
    gain.

    A gain is the result with the flag minus the result without it. Raise `ValueError` if the margin is not above 0 and
    at most 1.
    """
    if not 0 < margin <= 1:
        raise ValueError(f"a margin must be above 0 and at most 1, and {margin} is not")
    return BettingProcess(SafetyBettingStrategies(margin))
