"""Operating characteristics of verdicts: how often they are wrong, and how many trials they take.

`python benchmarks/verdict.py --trials=10000 --jobs=2` simulates every case that docs/verdict.md lists and prints its
table. Every trial is looked at after every round and stops when it is decided. The judged functions are the product's.

The peer is the growth-rate-optimal e-process of Turner, Ly and Gruenwald (2024, "Generic E-variables for exact
sequential k-sample tests that allow for optional stopping") that is told the true rates of both arms. No e-process
grows faster on the same blocks of one trial an arm, so it bounds every published one that must learn the rates.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from flag_harness.analysis.verdict.judgment import DEFAULT_ALPHA, Finding, StratumTest, find

SAFE_ALPHA = DEFAULT_ALPHA / 2
DOLLARS_PER_TRIAL = 0.01
NEVER = 10**9
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

    def gain(self, random_: random.Random) -> float:
        """Return the difference of one round: with the flag minus without it."""
        if self.tests > 1:
            return self._clustered_gain(random_)
        draw = random_.random
        first = draw()
        return (((first if self.is_paired else draw()) < self.on) - (first < self.off)) * 1.0

    def _clustered_gain(self, random_: random.Random) -> float:
        draw, total = random_.random, 0
        for rate, sign in ((self.off, -1), (self.on, 1)):
            if draw() < OUTAGE_CHANCE:
                rate = rate - 0.95 + OUTAGE_RATE
            else:
                rate = (rate - OUTAGE_CHANCE * (rate - 0.95 + OUTAGE_RATE)) / (1 - OUTAGE_CHANCE)
            total += sign * sum(draw() < rate for _ in range(self.tests))
        return total / self.tests


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


@dataclass(frozen=True, slots=True)
class TrialResult:
    """For each flag: whether it was failed and passed, and the round in which it was decided, or `NEVER`."""

    failed: tuple[bool, ...]
    passed: tuple[bool, ...]
    rounds: tuple[int, ...]


def simulate_trial(case: Case, seed: int) -> TrialResult:
    """Run one trial of a case, with a look after every round."""
    random_ = random.Random(seed)
    flags = [[StratumTest(case.margin) for _ in case.strata] for _ in range(case.flags)]
    ends, findings = [NEVER] * case.flags, [Finding((), False)] * case.flags
    for number in range(1, case.rounds + 1):
        is_due = False
        for flag, tests in enumerate(flags):
            if ends[flag] == NEVER:
                for arms, test in zip(case.strata, tests, strict=True):
                    test.add(arms.gain(random_))
                is_due = is_due or _may_be_decided(tests)
        if is_due:
            findings = find(flags)
            ends = [
                end if end != NEVER or finding.decision == "INCONCLUSIVE" else number
                for end, finding in zip(ends, findings, strict=True)
            ]
            if NEVER not in ends:
                break
    return TrialResult(
        tuple(bool(finding.harmed) for finding in findings),
        tuple(finding.decision == "PASS" for finding in findings),
        tuple(ends),
    )


def _may_be_decided(tests: Sequence[StratumTest]) -> bool:
    """Return False if no correction for many hypotheses could decide this flag: `find` takes longer to say so."""
    if min(test.harm.p_value for test in tests) <= DEFAULT_ALPHA:
        return True
    return max(test.safety.p_value for test in tests) <= SAFE_ALPHA


def peer_rounds(case: Case, seed: int) -> int:
    """Return in which round the growth-rate-optimal e-process that knows the true rates decides, or `NEVER`."""
    arms = case.strata[0]
    is_harm = case.counts == "FAIL"
    gap = 0.0 if is_harm else case.margin
    steps = [gap + 1e-6 + index * (1 - gap - 2e-6) / 4000 for index in range(4001)]
    null_off = min(steps, key=lambda rate: _divergence(arms.off, rate) + _divergence(arms.on, rate - gap))
    null_on = null_off - gap
    off = (math.log((1 - arms.off) / (1 - null_off)), math.log(arms.off / null_off))
    on = (math.log((1 - arms.on) / (1 - null_on)), math.log(arms.on / null_on))
    draw, wealth = random.Random(seed).random, 0.0
    target = math.log(1 / (DEFAULT_ALPHA if is_harm else SAFE_ALPHA))
    for number in range(1, case.rounds + 1):
        wealth += off[draw() < arms.off] + on[draw() < arms.on]
        if wealth >= target:
            return number
    return NEVER


def _divergence(rate: float, other: float) -> float:
    other = min(max(other, 1e-9), 1 - 1e-9)
    return rate * math.log(rate / other) + (1 - rate) * math.log((1 - rate) / (1 - other))


EQUAL, FALL = Arms(0.95, 0.95), Arms(0.95, 0.80)
HORIZONS = {0.10: 500, 0.05: 1500, 0.03: 3000}
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
    Case("the same, pass", (*[EQUAL] * 7, FALL), 600, "false PASS", 0.0),
    Case("the same only with another flag on, 300 rounds in each state", (EQUAL, FALL), 300, "FAIL", 0.9),
    Case("the same, pass", (EQUAL, FALL), 300, "false PASS", 0.0),
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


def is_counted(case: Case, result: TrialResult) -> bool:
    """Return True if a trial counts towards the rate of its case."""
    if case.counts == "all decided":
        return sum(end != NEVER for end in result.rounds) >= 0.95 * case.flags
    return any(result.failed if "FAIL" in case.counts else result.passed)


def run_chunk(case: Case, seeds: range) -> tuple[int, list[int], list[int]]:
    """Return how many trials count, the rounds in which the first flag was decided, and those of the peer."""
    counted, rounds, peers = 0, [], []
    for seed in seeds:
        result = simulate_trial(case, seed)
        counted += is_counted(case, result)
        rounds.append(result.rounds[0])
        if case.has_peer:
            peers.append(peer_rounds(case, seed))
    return counted, rounds, peers


def run_case(case: Case, trials: int, run: Callable[..., Sequence[tuple[int, list[int], list[int]]]]) -> str:
    """Run all trials of a case, and return its line of the table."""
    started = time.monotonic()
    chunks = [range(first, min(first + 100, trials)) for first in range(0, trials, 100)]
    results = list(run(run_chunk, [case] * len(chunks), chunks))
    rate = sum(counted for counted, _, _ in results) / trials
    is_error = case.counts.startswith("false")
    is_met = rate <= case.limit if is_error else rate >= case.limit
    rounds = [one for _, some, _ in results for one in some]
    peers = [one for _, _, some in results for one in some]
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
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="", help="only cases whose name contains this text")
    arguments = parser.parse_args()
    lines = [
        "| case | rate | required | rounds, median | 90 % | dollars, median and 90 % | peer that knows the rates |",
        "|---|---|---|---|---|---|---|",
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        lines += [run_case(case, arguments.trials, pool.map) for case in CASES if arguments.only in case.name]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
