"""The betting tests: exact enumeration of every possible sequence shows that they are valid at every look."""

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flag_harness.analysis.verdict.betting import BettingProcess, make_harm_process, make_safety_process

ROUNDS = 7


def _wealth_after(process: BettingProcess, differences: tuple[float, ...]) -> BettingProcess:
    for difference in differences:
        process.add_difference(difference)
    return process


def _expectation(
    make: Callable[[], BettingProcess], chances: dict[float, float], figure: Callable[[BettingProcess], float]
) -> float:
    return math.fsum(
        math.prod(chances[difference] for difference in sequence) * figure(_wealth_after(make(), sequence))
        for sequence in itertools.product(chances, repeat=ROUNDS)
    )


HARMLESS = {-1.0: 0.2, 0.0: 0.6, 1.0: 0.2}
AT_THE_MARGIN = {-1.0: 0.25, 0.0: 0.6, 1.0: 0.15}


@pytest.mark.parametrize(
    ("make", "chances"),
    [(make_harm_process, HARMLESS), (lambda: make_safety_process(0.1), AT_THE_MARGIN)],
    ids=["harm", "safety"],
)
def test_the_expected_wealth_under_the_null_hypothesis_is_exactly_one(
    make: Callable[[], BettingProcess], chances: dict[float, float]
) -> None:
    """No stake knows the difference that it is bet on, and no gain is counted twice."""
    assert 1.0 == pytest.approx(_expectation(make, chances, lambda process: process.wealth), abs=1e-12)


@pytest.mark.parametrize(
    ("make", "chances"),
    [
        (make_harm_process, {-1.0: 0.3, 0.0: 0.5, 1.0: 0.2}),
        (lambda: make_safety_process(0.1), {-1.0: 0.4, 0.0: 0.4, 1.0: 0.2}),
    ],
    ids=["harm", "safety"],
)
def test_the_wealth_shrinks_further_inside_the_null_hypothesis(
    make: Callable[[], BettingProcess], chances: dict[float, float]
) -> None:
    """A flag that improves results gives no evidence of harm, and a large loss gives none of safety."""
    assert _expectation(make, chances, lambda process: process.wealth) < 0.9


def test_losses_are_evidence_of_harm_and_gains_are_evidence_of_safety() -> None:
    """The signs are right: five losses raise the wealth against harmlessness, five gains that against a large loss."""
    assert _wealth_after(make_harm_process(), (1.0,) * 5).wealth > 2
    assert _wealth_after(make_harm_process(), (-1.0,) * 5).wealth < 1
    assert _wealth_after(make_safety_process(0.1), (1.0,) * 5).wealth > 2
    assert _wealth_after(make_safety_process(0.1), (-1.0,) * 5).wealth < 0.3


def test_the_p_value_remembers_the_best_look_and_never_rises() -> None:
    """A flag that was decided stays decided, whatever follows."""
    process = _wealth_after(make_harm_process(), (1.0,) * 8)
    before = process.p_value
    _wealth_after(process, (-1.0,) * 8)
    assert before == process.p_value
    assert process.wealth < process.largest_wealth


def test_the_chance_that_the_wealth_ever_reaches_four_is_at_most_a_quarter() -> None:
    """Ville's inequality holds with a look after each round, over all sequences."""
    chance = _expectation(make_harm_process, HARMLESS, lambda process: float(process.largest_wealth >= 4))
    assert 0 < chance <= 0.25
    assert chance == _expectation(make_harm_process, HARMLESS, lambda process: float(process.p_value <= 0.25))
    assert 1.0 == make_harm_process().p_value


def test_wealth_stays_finite_after_endless_evidence() -> None:
    """Thousands of losses in a row neither overflow nor turn into NaN."""
    process = _wealth_after(make_harm_process(), (1.0,) * 5000 + (-1.0,))
    assert math.isfinite(process.wealth)
    assert process.wealth > 1e100


@pytest.mark.parametrize("difference", [-1.5, 1.01, math.nan])
def test_a_difference_outside_its_range_is_refused(difference: float) -> None:
    """Scores that are not from 0 to 1 would void the guarantee."""
    with pytest.raises(ValueError, match="from -1 to 1"):
        make_harm_process().add_difference(difference)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.5])
def test_a_margin_outside_its_range_is_refused(margin: float) -> None:
    """A margin of 0 could never be shown."""
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        make_safety_process(margin)


@given(margin=st.floats(0.01, 0.9), gains=st.lists(st.sampled_from([-1.0, -0.5, 0.0, 1.0]), max_size=40))
def test_the_wealth_of_safety_is_that_of_the_published_stakes(margin: float, gains: list[float]) -> None:
    """Two strategies stake 0.8 and 0.3 of margin / (mean square + margin^2), and hold 90 % and 10 % of the wealth.

    The mean square is that of all earlier rounds and of 35 further ones with 0.15 each.
    """
    wealth = 0.0
    for share, factor in ((0.9, 0.8), (0.1, 0.3)):
        own = share
        for count, gain in enumerate(gains):
            square = (35 * 0.15 + sum(earlier**2 for earlier in gains[:count])) / (35 + count)
            own *= 1 + factor * margin / (square + margin**2) * (gain + margin)
        wealth += own
    largest_share_at_risk = 0.8 * margin / (5.25 / 75 + margin**2) * (1 - margin)
    assume(largest_share_at_risk < 0.9)
    assert wealth == pytest.approx(_wealth_after(make_safety_process(margin), tuple(gains)).wealth)
