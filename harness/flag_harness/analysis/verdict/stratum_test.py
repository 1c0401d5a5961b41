"""The statistical tests of one stratum (a group of tests), the p-value of SAFE, and how many rounds a PASS takes."""

import math
from collections.abc import Sequence

from flag_harness.analysis.verdict.betting import BettingProcess, make_harm_process, make_safety_process

FAR_LOSS_IN_MARGINS = 1.5
FAR_LOSS_ALPHA_SHARE = 0.02
"""SAFE also excludes a loss of this many margins, at this share of its error rate. That takes few further rounds."""

_FORECAST_STAKE_SHARE = 0.8
"""The share of the best stake that forecasts assume, as most strategies do."""


class StratumTest:
    """The harm and safety tests of one stratum (a group of tests). Their results are valid after every round.

    Attributes:
        harm: the test of the hypothesis "the flag loses nothing".
        safety: the test of the hypothesis "the flag loses the margin or more".
        far_safety: the test of the hypothesis "the flag loses one and a half margins or more", or None if that would
            be a loss of more than 100 %.
        safe_wealths: for each round, the smaller wealth of the two safety tests after it. One divided by it is a
            p-value that is valid for both hypotheses.
    """

    __slots__ = ("far_safety", "harm", "safe_wealths", "safety")

    def __init__(self, margin: float) -> None:
        self.harm: BettingProcess = make_harm_process()
        self.safety: BettingProcess = make_safety_process(margin)
        self.far_safety: BettingProcess | None = (
            make_safety_process(FAR_LOSS_IN_MARGINS * margin) if FAR_LOSS_IN_MARGINS * margin <= 1 else None
        )
        self.safe_wealths: list[float] = []

    def add_gain(self, gain: float) -> None:
        """Add the gain of a round: the result with the flag minus the result without it."""
        self.harm.add_difference(-gain)
        self.safety.add_difference(gain)
        wealth = self.safety.wealth
        if self.far_safety is not None:
            self.far_safety.add_difference(gain)
            wealth = min(wealth, self.far_safety.wealth * FAR_LOSS_ALPHA_SHARE)
        self.safe_wealths.append(wealth)


def safety_p_value(strata: Sequence[StratumTest]) -> float:
    """Return the p-value for the decision SAFE: that of the weakest stratum, after the round in which it is lowest.

    It is 1 if there are no strata, or one has no rounds. A stratum with fewer rounds than others keeps its last wealth.
    """
    if not strata or not all(test.safe_wealths for test in strata):
        return 1.0
    looks = range(max(len(test.safe_wealths) for test in strata))
    best = max(min(test.safe_wealths[min(look, len(test.safe_wealths) - 1)] for test in strata) for look in looks)
    return 1 / max(1.0, best)


def rounds_to_pass(test: StratumTest, margin: float, level: float) -> int:
    """Return about how many further rounds a PASS takes if the flag makes no difference in this stratum."""
    further = _rounds_needed_to_exclude_loss(test.safety, margin, level)
    if test.far_safety is None:
        return further
    return max(
        further,
        _rounds_needed_to_exclude_loss(test.far_safety, FAR_LOSS_IN_MARGINS * margin, level * FAR_LOSS_ALPHA_SHARE),
    )


def _rounds_needed_to_exclude_loss(process: BettingProcess, loss: float, level: float) -> int:
    """Return about how many further rounds the betting process needs until it excludes a loss."""
    missing = math.log(1 / level) - math.log(max(process.wealth, level**3))
    return max(1, math.ceil(missing / _expected_log_growth(process, loss)))


def _expected_log_growth(process: BettingProcess, margin: float) -> float:
    """Return the expected growth of the log wealth in one round, for differences -1, 0 and 1 with mean 0."""
    square = process.mean_square
    stake = margin / (square + margin**2) * _FORECAST_STAKE_SHARE
    changed = math.log1p(stake * (margin + 1)) + math.log1p(max(stake * (margin - 1), -0.99))
    return max((1 - square) * math.log1p(stake * margin) + square / 2 * changed, 1e-6)
