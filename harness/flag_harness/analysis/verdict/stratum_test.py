"""The statistical tests of one stratum (a test or group of tests), and forecasts of how many rounds they still need."""

import math
from collections.abc import Sequence

from flag_harness.analysis.verdict.betting import (
    HARM_STAKES,
    BettingProcess,
    make_harm_process,
    make_safety_process,
)

WIDER_LOSS_IN_MARGINS = 1.5
"""The larger loss, as a multiple of the margin, that SAFE must exclude too, at a smaller error rate."""
WIDER_LOSS_ALPHA_SHARE = 0.02
"""The share of SAFE's error rate at which a loss of `WIDER_LOSS_IN_MARGINS` margins must be excluded, too.

This takes few further rounds.
"""

_ASSUMED_ROUND_COUNT = 5
_ASSUMED_MEAN_SQUARE = 0.1
"""The mean of the squared results of rounds that a forecast adds to those that ran. It is about that of tests that pass
in 95 % of their runs.
"""

_FORECAST_STAKE_COUNT = 40
"""A forecast computes the growth for this many stakes, and takes the best."""


class StratumTest:
    """The statistical tests for harm and safety of one stratum (a test or group of tests), valid after every round.

    Attributes:
        harm_test: the test of the hypothesis "the flag loses nothing".
        safety_test: the test of the hypothesis "the flag loses the margin or more".
        wider_safety_test: the test of the hypothesis "the flag loses one and a half margins or more", or None if that
            would be a loss of more than 100 %.
        safety_wealths: for each round, the smaller wealth (evidence) of the two safety tests after it. One divided by
            it is a p-value that is valid for both hypotheses.
    """

    __slots__ = ("harm_test", "safety_test", "safety_wealths", "wider_safety_test")

    def __init__(self, margin: float) -> None:
        self.harm_test: BettingProcess = make_harm_process()
        self.safety_test: BettingProcess = make_safety_process(margin)
        self.wider_safety_test: BettingProcess | None = (
            make_safety_process(WIDER_LOSS_IN_MARGINS * margin) if WIDER_LOSS_IN_MARGINS * margin <= 1 else None
        )
        self.safety_wealths: list[float] = []

    def add_gain(self, gain: float) -> None:
        """Add the gain of a round: the result with the flag minus the result without it."""
        self.harm_test.add_difference(-gain)
        self.safety_test.add_difference(gain)
        wealth = self.safety_test.wealth
        if self.wider_safety_test is not None:
            self.wider_safety_test.add_difference(gain)
            wealth = min(wealth, self.wider_safety_test.wealth * WIDER_LOSS_ALPHA_SHARE)
        self.safety_wealths.append(wealth)


def safety_p_value(strata: Sequence[StratumTest]) -> float:
    """Return the p-value for the decision SAFE: that of the weakest stratum, after the round in which it is lowest.

    It is 1 if there are no strata, or if one has no rounds. A stratum that has fewer rounds than others counts with its
    last result.
    """
    if not strata or not all(test.safety_wealths for test in strata):
        return 1.0
    looks = range(max(len(test.safety_wealths) for test in strata))
    best = max(min(test.safety_wealths[min(look, len(test.safety_wealths) - 1)] for test in strata) for look in looks)
    return 1 / max(1.0, best)


def rounds_to_pass(test: StratumTest, margin: float, level: float) -> int:
    """Return about how many further rounds a PASS takes if the flag makes no difference in this stratum.

    `margin` is the loss that counts as too large, and `level` the error rate.
    """
    further = _rounds_needed_to_exclude_loss(test.safety_test, margin, level)
    if test.wider_safety_test is None:
        return further
    return max(
        further,
        _rounds_needed_to_exclude_loss(
            test.wider_safety_test, WIDER_LOSS_IN_MARGINS * margin, level * WIDER_LOSS_ALPHA_SHARE
        ),
    )


def rounds_to_fail(test: StratumTest, losses: Sequence[float], level: float) -> int | None:
    """Return about how many further rounds a FAIL takes if the losses stay as they were, or None if they never lead to
    one.

    A loss is the result of a round without the flag minus the result with it. There must be at least one. `level` is
    the error rate.
    """
    growth = max(math.fsum(math.log1p(stake * loss) for loss in losses) for stake in HARM_STAKES) / len(losses)
    return _rounds_until_level(test.harm_test, level, growth) if growth > 0 else None


def _rounds_needed_to_exclude_loss(process: BettingProcess, loss: float, level: float) -> int:
    """Return about how many further rounds a betting process needs to exclude a loss at the error rate `level`."""
    squares = process.sum_of_squares + _ASSUMED_ROUND_COUNT * _ASSUMED_MEAN_SQUARE
    growth = _expected_log_growth(squares / (process.round_count + _ASSUMED_ROUND_COUNT), loss)
    return _rounds_until_level(process, level, growth)


def _rounds_until_level(process: BettingProcess, level: float, growth: float) -> int:
    """Return after how many further rounds the wealth is 1 / `level`, if each round adds `growth` to its logarithm."""
    missing = math.log(1 / level) - math.log(max(process.wealth, level**3))
    return max(1, math.ceil(missing / growth))


def _expected_log_growth(mean_square: float, loss: float) -> float:
    """Return the expected growth of the wealth's logarithm in one round, at the best constant stake against a loss.

    The differences are assumed to be -1, 0 and 1, with mean 0 and the mean square `mean_square`.
    """
    largest = 1 / max(1 - loss, 0.1)
    stakes = (largest * step / _FORECAST_STAKE_COUNT for step in range(1, _FORECAST_STAKE_COUNT))
    return max(
        (1 - mean_square) * math.log1p(stake * loss)
        + mean_square / 2 * (math.log1p(stake * (loss + 1)) + math.log1p(stake * (loss - 1)))
        for stake in stakes
    )
