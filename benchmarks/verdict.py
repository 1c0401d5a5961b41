"""Operating characteristics of verdicts: how often they are wrong, and how many trials they take.

`python benchmarks/verdict.py --trials=10000` simulates every case that docs/verdict.md lists and prints its
table. Every trial is looked at after every round and stops when it is decided. All trials of a case run at once in
numpy; the benchmark first checks that its wealth and its findings equal those of the package on random rounds.

The peer is the growth-rate-optimal e-process of Turner, Ly and Gruenwald (2024, "Generic E-variables for exact
sequential k-sample tests that allow for optional stopping") that is told the true rates of both arms. No e-process
grows faster on the same blocks of one trial an arm, so it bounds every published one that must learn the rates.
"""

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from flag_harness.analysis.verdict import betting
from flag_harness.analysis.verdict.betting import HarmBettingStrategies, SafetyBettingStrategies
from flag_harness.analysis.verdict.judgment import DEFAULT_ALPHA
from flag_harness.analysis.verdict.multiplicity import holm_rejections
from flag_harness.analysis.verdict.stratum_test import (
    WIDER_LOSS_ALPHA_SHARE,
    WIDER_LOSS_IN_MARGINS,
    StratumTest,
    safety_p_value,
)

SAFE_ALPHA = DEFAULT_ALPHA / 2
DOLLARS_PER_TRIAL = 0.01
NEVER = 10**9
"""Stands for the round in which a flag that stays undecided is decided."""
OUTAGE_CHANCE = 0.1
OUTAGE_RATE = 0.5


@dataclass(frozen=True, slots=True)
class Arms:
    """The pass rates of one stratum, without the flag and with it.

    Attributes:
        off: the pass rate without the flag.
        on: the pass rate with the flag.
        tests: how many tests one round of the stratum has. They share bad rounds, in which half of them fail.
        is_paired: True if both arms draw the same random numbers, as only the simulator can.
    """

    off: float
    on: float
    tests: int = 1
    is_paired: bool = False

    def gains(self, random_: np.random.Generator, trials: int) -> np.ndarray:
        """Return the difference of one round in each trial: with the flag minus without it."""
        if self.tests > 1:
            return self._clustered(random_, self.on, trials) - self._clustered(random_, self.off, trials)
        off = random_.random(trials)
        on = off if self.is_paired else random_.random(trials)
        return (on < self.on).astype(float) - (off < self.off)

    def _clustered(self, random_: np.random.Generator, rate: float, trials: int) -> np.ndarray:
        """Return the share of tests that pass, if one round in ten is bad for all tests and the mean is `rate`."""
        bad = rate - 0.95 + OUTAGE_RATE
        good = (rate - OUTAGE_CHANCE * bad) / (1 - OUTAGE_CHANCE)
        rates = np.where(random_.random(trials) < OUTAGE_CHANCE, bad, good)
        return random_.binomial(self.tests, rates) / self.tests


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: `flags` times the same strata, for at most `rounds` rounds.

    `counts` says what the rate counts, and `limit` what it must be: at most, if it is an error, or at least.
    """

    name: str
    strata: tuple[Arms, ...]
    rounds: int
    counts: str
    limit: float
    margin: float = 0.10
    flags: int = 1
    has_peer: bool = False


class Wealth:
    """The wealth of the same strategies in many trials, as `BettingProcess` computes it for one."""

    def __init__(self, strategies: HarmBettingStrategies | SafetyBettingStrategies, shape: tuple[int, ...]) -> None:
        self._strategies = strategies
        self._wealths = [np.full(shape, wealth) for wealth in strategies.initial_wealth]
        self._rounds, self._squares = 0, np.zeros(shape)
        self.now, self.largest = np.ones(shape), np.ones(shape)

    def add(self, differences: np.ndarray) -> None:
        """Add one round of each trial."""
        gains = differences - self._strategies.null_mean
        for wealth, stake in zip(self._wealths, self._stakes(), strict=True):
            wealth *= 1 + stake * gains
        self.now = np.minimum(sum(self._wealths), 1e300)
        np.maximum(self.largest, self.now, out=self.largest)
        self._rounds += 1
        self._squares += differences * differences

    def _stakes(self) -> Sequence[np.ndarray | float]:
        if isinstance(self._strategies, HarmBettingStrategies):
            return self._strategies.stakes(self._rounds, 0.0)
        square, margin = betting.estimate_mean_square(self._rounds, self._squares), self._strategies.margin
        largest = betting._MAX_STAKE_SHARE / (1 - margin)
        return [np.minimum(factor * margin / (square + margin**2), largest) for factor in betting._SAFE_STAKE_MULTIPLES]


class Safety:
    """The evidence of SAFE in many trials, as `safety_p_value` computes it for one: strata are the second last axis."""

    def __init__(self, margin: float, shape: tuple[int, ...]) -> None:
        self._near, self._far = (
            Wealth(SafetyBettingStrategies(margin), shape),
            Wealth(SafetyBettingStrategies(WIDER_LOSS_IN_MARGINS * margin), shape),
        )
        self._best = np.ones((*shape[:-2], shape[-1]))

    def add(self, gains: np.ndarray) -> None:
        """Add one round of each trial."""
        self._near.add(gains)
        self._far.add(gains)
        weaker = np.minimum(self._near.now, self._far.now * WIDER_LOSS_ALPHA_SHARE)
        np.maximum(self._best, weaker.min(axis=-2), out=self._best)

    @property
    def p_values(self) -> np.ndarray:
        """Return the p-value of each flag and trial."""
        return 1 / self._best


@dataclass(frozen=True, slots=True)
class Outcome:
    """For each flag and trial: whether it was failed and passed, and the round in which it was decided, or `NEVER`."""

    failed: np.ndarray
    passed: np.ndarray
    rounds: np.ndarray


def simulate_case(case: Case, trials: int, seed: int) -> Outcome:
    """Run all trials of a case, with a look after every round. A decided flag stays as it is."""
    random_ = np.random.default_rng(seed)
    shape = (case.flags, len(case.strata), trials)
    harm, safety = Wealth(HarmBettingStrategies(), shape), Safety(case.margin, shape)
    failed, passed = np.zeros((case.flags, trials), bool), np.zeros((case.flags, trials), bool)
    rounds = np.full((case.flags, trials), NEVER)
    harm_p, safe_p = np.ones(shape), np.ones((case.flags, trials))
    for number in range(1, case.rounds + 1):
        gains = np.stack([np.stack([arms.gains(random_, trials) for arms in case.strata]) for _ in range(case.flags)])
        harm.add(-gains)
        safety.add(gains)
        is_open = rounds == NEVER
        harm_p = np.where(is_open[:, None, :], 1 / harm.largest, harm_p)
        safe_p = np.where(is_open, safety.p_values, safe_p)
        if harm_p.min() > DEFAULT_ALPHA and safe_p.min() > SAFE_ALPHA:
            continue
        is_harmed = holm(harm_p.reshape(-1, trials), DEFAULT_ALPHA).reshape(shape).any(axis=1)
        is_safe = holm(safe_p, SAFE_ALPHA)
        is_new = (rounds == NEVER) & (is_harmed | is_safe)
        failed |= is_new & is_harmed
        passed |= is_new & is_safe & ~is_harmed
        rounds[is_new] = number
        if (rounds != NEVER).all():
            break
    return Outcome(failed, passed, rounds)


def holm(p_values: np.ndarray, alpha: float) -> np.ndarray:
    """Return the rejections of `holm_rejections` for each column."""
    order = np.argsort(p_values, axis=0, kind="stable")
    levels = alpha / (len(p_values) - np.arange(len(p_values)))[:, None]
    accepted = np.take_along_axis(p_values, order, axis=0) <= levels
    rejected = np.zeros(p_values.shape, bool)
    np.put_along_axis(rejected, order, np.logical_and.accumulate(accepted, axis=0), axis=0)
    return rejected


def check_against_package(rounds: int = 300) -> None:
    """Raise `AssertionError` if the wealths or rejections of this file differ from those of the package."""
    random_ = np.random.default_rng(7)
    for margin in (0.03, 0.05, 0.10):
        harm, safety = Wealth(HarmBettingStrategies(), (2, 1)), Safety(margin, (2, 1))
        tests = StratumTest(margin), StratumTest(margin)
        for gains in random_.choice([-1.0, -0.25, 0.0, 0.0, 0.0, 1.0], (rounds, 2, 1)):
            harm.add(-gains)
            safety.add(gains)
            for test, gain, largest in zip(tests, gains[:, 0], harm.largest[:, 0], strict=True):
                test.add_gain(float(gain))
                assert math.isclose(float(largest), test.harm_test.largest_wealth, rel_tol=1e-9)
        assert math.isclose(float(safety.p_values[0]), safety_p_value(tests), rel_tol=1e-9)
    for _ in range(300):
        p_values = random_.random(8) ** 6
        assert holm(p_values[:, None], DEFAULT_ALPHA)[:, 0].tolist() == holm_rejections(list(p_values), DEFAULT_ALPHA)


def peer_rounds(case: Case, trials: int, seed: int) -> Sequence[int]:
    """Return in which round the growth-rate-optimal e-process that knows the true rates decides, or `NEVER`."""
    arms = case.strata[0]
    is_harm = case.counts == "FAIL"
    gap = 0.0 if is_harm else case.margin
    steps = [gap + 1e-6 + index * (1 - gap - 2e-6) / 4000 for index in range(4001)]
    null_off = min(steps, key=lambda rate: _divergence(arms.off, rate) + _divergence(arms.on, rate - gap))
    null_on = null_off - gap
    random_, wealth, rounds = np.random.default_rng(seed), np.zeros(trials), np.full(trials, NEVER)
    target = math.log(1 / (DEFAULT_ALPHA if is_harm else SAFE_ALPHA))
    for number in range(1, case.rounds + 1):
        for rate, null in ((arms.off, null_off), (arms.on, null_on)):
            passes = random_.random(trials) < rate
            wealth += np.where(passes, math.log(rate / null), math.log((1 - rate) / (1 - null)))
        rounds[(rounds == NEVER) & (wealth >= target)] = number
    return [int(one) for one in rounds]


def _divergence(rate: float, other: float) -> float:
    other = min(max(other, 1e-9), 1 - 1e-9)
    return rate * math.log(rate / other) + (1 - rate) * math.log((1 - rate) / (1 - other))


EQUAL, FALL = Arms(0.95, 0.95), Arms(0.95, 0.80)
HORIZONS = {0.10: 500, 0.05: 1500, 0.03: 3000}
"""For each margin: rounds after which a flag that changes nothing has passed in nearly all trials."""
CASES = (
    *(
        Case(f"loss of the margin {margin}", (Arms(0.95, 0.95 - margin),), rounds, "false PASS", 0.025, margin)
        for margin, rounds in HORIZONS.items()
    ),
    *(
        Case(
            f"the same, 8 tests a round with shared bad rounds, margin {margin}",
            (Arms(0.95, 0.95 - margin, tests=8),),
            rounds // 5,
            "false PASS",
            0.025,
            margin,
        )
        for margin, rounds in HORIZONS.items()
    ),
    Case("margin 0.1 in 1 of 8 strata", (*[EQUAL] * 7, Arms(0.95, 0.85)), 500, "false PASS", 0.025),
    *(
        Case(f"equal, margin {margin}", (EQUAL,), rounds, "false FAIL", 0.05, margin)
        for margin, rounds in HORIZONS.items()
    ),
    Case("equal, 8 strata", (EQUAL,) * 8, 500, "false FAIL", 0.05),
    Case("equal, 8 tests a round with shared bad rounds", (Arms(0.95, 0.95, tests=8),), 200, "false FAIL", 0.05),
    *(
        Case(f"equal, margin {margin}", (EQUAL,), rounds * 3, "PASS", 0.9, margin, has_peer=True)
        for margin, rounds in HORIZONS.items()
    ),
    Case("fall from 0.95 to 0.80, unpaired", (FALL,), 150, "FAIL", 0.95, has_peer=True),
    Case("the same, paired (simulator only)", (replace(FALL, is_paired=True),), 100, "FAIL", 0.95),
    Case("the same in 1 of 8 strata, 600 rounds", (*[EQUAL] * 7, FALL), 600, "FAIL", 0.9),
    Case("the same, pass", (*[EQUAL] * 7, FALL), 600, "false PASS", 0.025),
    Case("the same only with another flag on, 300 rounds in each state", (EQUAL, FALL), 300, "FAIL", 0.9),
    Case("the same, pass", (EQUAL, FALL), 300, "false PASS", 0.025),
    Case("20 equal flags, any of them", (EQUAL,), 400, "false FAIL", 0.05, flags=20),
    Case("20 flags at the margin, any of them", (Arms(0.95, 0.85),), 400, "false PASS", 0.025, flags=20),
    Case(
        "100 harmless flags, paired (simulator only)",
        (Arms(0.95, 0.95, is_paired=True),),
        100,
        "all decided",
        0.95,
        flags=100,
    ),
)


def counted_trials(case: Case, outcome: Outcome) -> np.ndarray:
    """Return which trials count towards the rate of the case."""
    if case.counts == "all decided":
        return (outcome.rounds != NEVER).mean(axis=0) >= 0.95
    return (outcome.failed if "FAIL" in case.counts else outcome.passed).any(axis=0)


def run_case(case: Case, trials: int) -> str:
    """Run all trials of a case, and return its line of the table."""
    started = time.monotonic()
    outcome = simulate_case(case, trials, seed=1)
    peers = peer_rounds(case, trials, seed=2) if case.has_peer else []
    rate = float(counted_trials(case, outcome).mean())
    rounds = [int(one) for one in outcome.rounds.max(axis=0)]
    is_error = case.counts.startswith("false")
    is_met = rate <= case.limit if is_error else rate >= case.limit
    cells = [
        case.name,
        f"{case.counts} {rate:.2%}",
        f"{'<=' if is_error else '>='} {case.limit:.1%}{'' if is_met else ' MISSED'}",
        *([" "] * 4 if is_error else _spending(case, rounds, peers)),
    ]
    print(f"  {case.name}: {time.monotonic() - started:.0f} s", flush=True)
    return f"| {' | '.join(cells)} |"


def _spending(case: Case, rounds: Sequence[int], peers: Sequence[int]) -> list[str]:
    median, ninth = _quantiles(rounds)
    trials_per_round = 2 * sum(arms.tests for arms in case.strata)
    cells = [_number(median), _number(ninth)]
    cells.append(
        "-"
        if ninth == NEVER
        else f"${median * trials_per_round * DOLLARS_PER_TRIAL:.2f}, "
        f"${ninth * trials_per_round * DOLLARS_PER_TRIAL:.2f}"
    )
    if not peers:
        return [*cells, ""]
    best, best_ninth = _quantiles(peers)
    return [*cells, f"{_number(best)} ({median / best:.2f}), {_number(best_ninth)} ({ninth / best_ninth:.2f})"]


def _quantiles(rounds: Sequence[int]) -> tuple[int, int]:
    ordered = sorted(rounds)
    return int(statistics.median_low(ordered)), ordered[int(0.9 * len(ordered))]


def _number(rounds: int) -> str:
    return "-" if rounds == NEVER else str(rounds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--only", default="", help="only cases whose name contains this text")
    arguments = parser.parse_args()
    lines = [
        "| case | rate | required | rounds, median | 90 % | dollars, median and 90 % | peer that knows the rates |",
        "|---|---|---|---|---|---|---|",
    ]
    check_against_package()
    lines += [run_case(case, arguments.trials) for case in CASES if arguments.only in case.name]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
