"""Verdicts on flags: decisions, multiplicity, strata, and the operating characteristics in small."""

import random
import statistics

import pytest

from flag_harness.analysis.verdict.judgment import (
    REPORTED_LOSSES,
    ExpectedImprovement,
    FlagEvidence,
    SequentialJudge,
    Stratum,
    find_harm_and_safety,
    judge_flags,
)
from flag_harness.analysis.verdict.multiplicity import holm_rejections
from flag_harness.analysis.verdict.stratum_test import rounds_to_pass, safety_p_value

TRIALS = 150


def _gains(random_: random.Random, rounds: int, off: float, on: float) -> tuple[float, ...]:
    return tuple(float(random_.random() < on) - float(random_.random() < off) for _ in range(rounds))


def _decisions(rounds: int, rates: list[tuple[float, float]], margin: float = 0.1, trials: int = TRIALS) -> list[str]:
    """Return the decisions of many simulated trials with one stratum for each pair of rates (off, on)."""
    decisions: list[str] = []
    for seed in range(trials):
        random_ = random.Random(seed)
        strata = [Stratum("test", _gains(random_, rounds, *pair)).make_test(margin) for pair in rates]
        decisions.append(find_harm_and_safety([strata])[0].decision)
    return decisions


def test_a_fall_from_95_to_80_percent_fails_within_150_rounds() -> None:
    """Harm of 15 points is found in most trials."""
    assert _decisions(150, [(0.95, 0.80)]).count("FAIL") >= 0.93 * TRIALS


def test_an_equal_flag_passes_and_hardly_ever_fails() -> None:
    """A flag that changes nothing is decided within 300 rounds."""
    decisions = _decisions(300, [(0.95, 0.95)])
    assert decisions.count("PASS") >= 0.9 * TRIALS
    assert decisions.count("FAIL") <= 0.05 * TRIALS


def test_a_loss_of_the_margin_passes_in_less_than_one_of_forty_trials() -> None:
    """The false PASS rate at the margin holds, though each round is a look."""
    assert _decisions(200, [(0.95, 0.85)]).count("PASS") <= 0.025 * TRIALS + 2


def test_a_fall_in_one_of_eight_strata_never_passes() -> None:
    """Strata are not pooled: seven healthy tests do not hide a broken one."""
    decisions = _decisions(250, [(0.95, 0.95)] * 7 + [(0.95, 0.80)], trials=40)
    assert 0 == decisions.count("PASS")
    assert decisions.count("FAIL") >= 0.9 * 40


def test_the_harmed_stratum_is_named() -> None:
    """The verdict says where the harm is."""
    strata = (Stratum("healthy", (0.0,) * 200), Stratum("broken", (-1.0, 0.0, 0.0, 0.0) * 50))
    verdict = judge_flags([FlagEvidence("flag", strata)])[0]
    assert ("FAIL", ("broken",)) == (verdict.decision, verdict.harmed_strata)
    assert verdict.worst_stratum is strata[1]


def test_harm_within_the_margin_is_no_pass() -> None:
    """A loss of 4 points that is certain, with a margin of 10, is shown as what it is."""
    stratum = Stratum("test", ((-1.0,) + (0.0,) * 24) * 40)
    assert "HARM WITHIN THE MARGIN" == judge_flags([FlagEvidence("flag", (stratum,))])[0].decision


def test_a_stratum_without_rounds_prevents_a_pass() -> None:
    """What was not run is not safe."""
    strata = (Stratum("run", (0.0,) * 500), Stratum("missing", ()))
    verdict = judge_flags([FlagEvidence("flag", strata)])[0]
    assert ("INCONCLUSIVE", 0, None) == (verdict.decision, verdict.round_count, verdict.excluded_loss)


def test_an_obstacle_prevents_a_pass_but_not_a_fail() -> None:
    """Rebased cassettes cannot show safety, but what fails on them fails."""
    obstacles = ("recordings were rebased",)
    good, bad = Stratum("test", (0.0,) * 500), Stratum("test", (-1.0,) * 50)
    assert "INCONCLUSIVE" == judge_flags([FlagEvidence("flag", (good,), pass_obstacles=obstacles)])[0].decision
    assert "FAIL" == judge_flags([FlagEvidence("flag", (bad,), pass_obstacles=obstacles)])[0].decision


def test_without_strata_nothing_is_decided() -> None:
    """No evidence is no PASS."""
    assert "INCONCLUSIVE" == judge_flags([FlagEvidence("flag", ())])[0].decision


def test_more_flags_need_more_evidence_each() -> None:
    """The same rounds that fail a flag judged alone do not fail it among twenty."""
    evidence = FlagEvidence("flag", (Stratum("test", (-1.0,) * 7 + (0.0,)),))
    others = [FlagEvidence(f"other {i}", (Stratum("test", (0.0,) * 8),)) for i in range(19)]
    assert "FAIL" == judge_flags([evidence])[0].decision
    assert "INCONCLUSIVE" == judge_flags([evidence, *others])[0].decision


def test_a_verdict_says_which_losses_are_excluded_and_what_a_pass_would_take() -> None:
    """More rounds exclude smaller losses, and the missing rounds become fewer."""
    few, many, most = (
        judge_flags([FlagEvidence("flag", (Stratum("test", (0.0, 0.0, 1.0, 0.0, -1.0) * count),))])[0]
        for count in (10, 30, 200)
    )
    assert few.excluded_loss is not None
    assert many.excluded_loss is not None
    assert most.excluded_loss is not None
    assert few.excluded_loss > many.excluded_loss > most.excluded_loss
    assert few.rounds_to_pass > many.rounds_to_pass > most.rounds_to_pass == 0


@pytest.mark.parametrize("rate", [1.0, 0.95, 0.7])
@pytest.mark.parametrize("margin", [0.1, 0.2])
def test_the_forecast_of_a_pass_is_near_the_rounds_that_it_takes(rate: float, margin: float) -> None:
    """After twenty rounds, the median over seeds is within a third (or three rounds), however often the tests fail."""
    forecasts, needed = [], []
    for seed in range(1 if rate == 1 else 31):
        gains = _gains(random.Random(seed), 1500, rate, rate)
        forecasts.append(rounds_to_pass(Stratum("test", gains[:20]).make_test(margin), margin, 0.0025))
        wealths = Stratum("test", gains).make_test(margin).safety_wealths
        needed.append(next(look for look, wealth in enumerate(wealths) if wealth >= 400) - 19)
    assert statistics.median(forecasts) == pytest.approx(statistics.median(needed), rel=0.34, abs=3)


def test_the_forecast_of_a_pass_stays_small_if_nothing_ever_changes() -> None:
    """Fifty rounds without any difference leave a few dozen, also if many flags share the error rate."""
    flags = [FlagEvidence(f"flag {i}", (Stratum("test", (0.0,) * 50),)) for i in range(10)]
    assert 15 < judge_flags(flags)[0].rounds_to_pass < 40


@pytest.mark.parametrize("losses", [(1.0, 0.0, 0.0, 0.0, 0.0), (0.0, 1.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0), (0.1,)])
def test_the_forecast_of_a_fail_is_near_the_rounds_that_it_takes(losses: tuple[float, ...]) -> None:
    """If the losses repeat as they were, the verdict is FAIL after about as many further rounds."""
    gains = tuple(-loss for loss in losses * 20)
    rounds = next(n for n in range(1, 500) if judge_flags([_evidence((gains * 9)[:n])])[0].decision == "FAIL")
    start = len(losses) * 2
    forecast = judge_flags([_evidence(gains[:start])])[0].rounds_to_fail
    assert forecast == pytest.approx(rounds - start, rel=0.34, abs=3)


def test_no_fail_is_forecast_for_small_losses_and_decided_flags() -> None:
    """A loss below the margin, a gain, no rounds, and a verdict that stands have none."""
    for gains in ((-1.0,) + (0.0,) * 11, (1.0,) * 5, (), (-1.0,) * 60, (0.0,) * 300):
        assert judge_flags([_evidence(gains)])[0].rounds_to_fail is None


def _evidence(gains: tuple[float, ...]) -> FlagEvidence:
    return FlagEvidence("flag", (Stratum("test", gains),))


def test_holm_rejects_step_by_step() -> None:
    """The smallest p-value is compared to alpha / 3, the next to alpha / 2, the last to alpha."""
    assert [True, True, True] == holm_rejections([0.04, 0.01, 0.02], 0.05)
    assert [False, True, False] == holm_rejections([0.04, 0.01, 0.03], 0.05)
    assert [False, False] == holm_rejections([0.03, 0.04], 0.05)
    assert [True] == holm_rejections([0.05], 0.05)
    assert [] == holm_rejections([], 0.05)


def test_a_flag_that_improves_every_run_excludes_every_loss() -> None:
    """Down to the smallest one of the list."""
    assert REPORTED_LOSSES[0] == Stratum("test", (1.0,) * 2000).smallest_excluded_loss(0.05)


def test_strata_must_be_safe_at_the_same_look() -> None:
    """Luck in one stratum at first does not add up with luck in another one later; the verdict excludes less."""
    lucky, unlucky = (0.0,) * 60 + (-1.0,) * 3 + (0.0,) * 20, (-1.0,) * 3 + (0.0,) * 140
    apart = [FlagEvidence("flag", (Stratum(name, gains),)) for name, gains in (("lucky", lucky), ("unlucky", unlucky))]
    assert ["PASS", "PASS"] == [judge_flags([one])[0].decision for one in apart]
    [verdict] = judge_flags([FlagEvidence("flag", tuple(one.strata[0] for one in apart))])
    assert ("INCONCLUSIVE", 0.12) == (verdict.decision, verdict.excluded_loss)
    assert verdict.rounds_to_pass > 0


def test_a_loss_of_one_and_a_half_margins_is_excluded_at_a_fiftieth_of_the_rate() -> None:
    """Both losses are excluded by the same rounds, and the weaker of the two tests is the evidence."""
    test = Stratum("test", (0.0,) * 40 + (-1.0, 1.0) * 4).make_test(0.1)
    wealths = [test.safety_wealths[-1], test.safety_test.wealth]
    assert test.wider_safety_test is not None
    assert min(test.safety_test.wealth, test.wider_safety_test.wealth / 50) == pytest.approx(wealths[0])
    assert wealths[0] < wealths[1]
    assert 0.15 == pytest.approx(-test.wider_safety_test.strategies.null_mean)


def test_a_margin_of_more_than_two_thirds_has_no_larger_loss_to_exclude() -> None:
    """A flag may lose at most all."""
    test = Stratum("test", (0.0,) * 20).make_test(0.9)
    assert (None, test.safety_test.wealth) == (test.wider_safety_test, test.safety_wealths[-1])
    assert rounds_to_pass(Stratum("test", ()).make_test(0.9), 0.9, 0.025) < 20


def test_each_test_of_a_stratum_bets_in_its_own_direction() -> None:
    """A loss of the margin in every round is harm, and no safety; a gain is the opposite."""
    loses, gains = Stratum("a", (-0.1,) * 200).make_test(0.1), Stratum("a", (0.1,) * 200).make_test(0.1)
    assert loses.harm_test.wealth > 100 > 1 >= gains.harm_test.wealth
    assert loses.safety_test.wealth <= 1 < 100 < gains.safety_test.wealth
    assert loses.wider_safety_test
    assert gains.wider_safety_test
    assert loses.wider_safety_test.wealth < gains.wider_safety_test.wealth


def test_a_pass_needs_evidence_at_half_of_alpha() -> None:
    """A false PASS is the worse error. The margin of 0.7 has no larger loss that must be excluded too."""
    tests = [Stratum("a", (0.0,) * rounds).make_test(0.7) for rounds in range(1, 60)]
    first = next(test for test in tests if test.safety_test.p_value <= 0.05)
    assert first.safety_test.p_value > 0.025
    assert not find_harm_and_safety([[first]])[0].is_safe
    assert find_harm_and_safety([[tests[-1]]])[0].is_safe


def test_a_stratum_that_ran_less_often_keeps_its_last_evidence() -> None:
    """Ten rounds of one test and sixty of another: the weaker evidence at the end counts."""
    short, long = Stratum("short", (0.0,) * 10).make_test(0.1), Stratum("long", (0.0,) * 60).make_test(0.1)
    assert short.safety_wealths[-1] < long.safety_wealths[-1]
    assert 1 / max(1.0, short.safety_wealths[-1]) == safety_p_value([short, long]) == safety_p_value([long, short])
    longer = Stratum("longer", (0.0,) * 59).make_test(0.1)
    assert 1 / longer.safety_wealths[-1] == safety_p_value([longer, long])


def test_a_safe_flag_runs_on_until_its_improvement_is_shown() -> None:
    """It needs no further rounds if the improvement is shown, or if the opposite is."""
    safe = Stratum("test", (0.0,) * 300)
    for gain, is_decided in ((0.0, False), (1.0, True), (-1.0, True)):
        expected = ExpectedImprovement("cost", "lower", (gain,) * 300)
        evidence = FlagEvidence("flag", (safe,), expected_improvements=(expected,))
        assert [is_decided] == SequentialJudge().are_flags_decided([evidence])


def test_more_flags_exclude_larger_losses_only() -> None:
    """The losses that a verdict says are excluded hold over all flags together."""
    alone, *among = (
        judge_flags([FlagEvidence(f"flag {i}", (Stratum("test", (0.0,) * 60),)) for i in range(count)])[0]
        for count in (1, 40)
    )
    assert alone.excluded_loss is not None
    assert among[0].excluded_loss is not None
    assert alone.excluded_loss < among[0].excluded_loss


def test_expectations_share_the_error_rate() -> None:
    """An improvement that is just shown for one flag is not shown if a second flag expects one too."""
    gains = next(
        (1.0,) * count
        for count in range(1, 50)
        if ExpectedImprovement("cost", "lower", (1.0,) * count).judge_improvement(0.05) == "shown"
    )
    safe = Stratum("test", (0.0,) * 300)
    flags = [
        FlagEvidence(f"flag {i}", (safe,), expected_improvements=(ExpectedImprovement("cost", "lower", gains),))
        for i in range(2)
    ]
    assert ["PASS", "INCONCLUSIVE"] == [judge_flags(flags[:count])[0].decision for count in (1, 2)]


def test_a_judge_forgets_rounds_that_are_no_longer_in_the_evidence() -> None:
    """As if it had never seen them."""
    judge = SequentialJudge()
    assert [True] == judge.are_flags_decided([_evidence((-1.0,) * 60)])
    assert [False] == judge.are_flags_decided([_evidence((0.0,) * 10)])
    assert [False] == judge.are_flags_decided([_evidence((0.0,) * 10 + (-1.0,))])
