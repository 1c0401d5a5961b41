"""How reliably repeated tests pass: pass rates with confidence intervals, pass@k and pass^k."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flag_harness.analysis.verdict.evidence import is_refused_or_broken
from flag_harness.analysis.verdict.lines import provider_failures_text

if TYPE_CHECKING:
    from flag_harness.record import RunRow

_NORMAL_QUANTILE = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution, for confidence intervals of 95 %."""
_LARGEST_K_OF_PASS_AT_K = 10
_MAX_LISTED_FLAKY_TESTS = 10

_PASSED_OUTCOMES = frozenset({"passed", "xpassed"})
_FAILED_OUTCOMES = frozenset({"failed", "xfailed"})


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """The number of runs of one test under one combination, and how many of them passed."""

    node_id: str
    combination: str
    run_count: int
    pass_count: int

    @property
    def is_flaky(self) -> bool:
        """Whether some repetitions passed and some failed."""
        return 0 < self.pass_count < self.run_count


def count_trials(rows: "Iterable[RunRow]") -> list[TrialCounts]:
    """Count the runs and passes of each test under each combination.

    Not counted are skipped and inconclusive runs, runs that failed because of the provider, and runs in which this
    package refused a request.
    """
    counts: dict[tuple[str, str], list[bool]] = {}
    for row in rows:
        if row.outcome in _PASSED_OUTCOMES | _FAILED_OUTCOMES and not is_refused_or_broken(row):
            counts.setdefault((row.case, row.combination), []).append(row.outcome in _PASSED_OUTCOMES)
    return [TrialCounts(*key, len(passes), sum(passes)) for key, passes in counts.items()]


def pass_at_k(runs: int, passes: int, k: int) -> float:
    """Return the unbiased estimate of the chance that at least one of `k` runs passes (Chen et al. 2021).

    >>> pass_at_k(3, 1, 2)
    0.6666666666666667
    """
    return 1 - math.comb(runs - passes, k) / math.comb(runs, k)


def chance_that_all_pass(runs: int, passes: int, k: int) -> float:
    """Return the unbiased estimate of the chance that all of `k` runs pass (Yao et al. 2024).

    >>> chance_that_all_pass(3, 2, 2)
    0.3333333333333333
    """
    return math.comb(passes, k) / math.comb(runs, k)


def wilson_interval(runs: int, passes: float) -> tuple[float, float]:
    """Return the lower and upper bound of the 95 % confidence interval of a pass rate (Wilson).

    The interval is not valid if one looks again and again until the result is as wanted.
    """
    rate, square = passes / runs, _NORMAL_QUANTILE * _NORMAL_QUANTILE / runs
    middle = (rate + square / 2) / (1 + square)
    margin = _NORMAL_QUANTILE / (1 + square) * math.sqrt(rate * (1 - rate) / runs + square / (4 * runs))
    return max(0.0, middle - margin), min(1.0, middle + margin)


def reliability_lines(rows: "Iterable[RunRow]") -> Iterator[str]:
    """Yield a line for each combination with repeated tests, one for each flaky test, and one about failures of the
    provider.
    """
    rows = list(rows)
    repeated = [trials for trials in count_trials(rows) if trials.run_count > 1]
    by_combination: dict[str, list[TrialCounts]] = {}
    for trials in repeated:
        by_combination.setdefault(trials.combination, []).append(trials)
    yield from (_combination_line(name, members) for name, members in by_combination.items())
    flaky = [trials for trials in repeated if trials.is_flaky]
    for trials in flaky[:_MAX_LISTED_FLAKY_TESTS]:
        rate = _mean_pass_rate_text([trials])
        yield f"flaky: {trials.node_id}: {trials.pass_count} of {trials.run_count} runs passed, {rate}"
    if len(flaky) > _MAX_LISTED_FLAKY_TESTS:
        yield f"flaky: and {len(flaky) - _MAX_LISTED_FLAKY_TESTS} more; --harness-record=FILE keeps all"
    if text := provider_failures_text(rows):
        yield text


def _combination_line(name: str, members: Sequence[TrialCounts]) -> str:
    """Return the line about one combination: the pass rate, pass@k and pass^k of its tests."""
    k = min(_LARGEST_K_OF_PASS_AT_K, *(trials.run_count for trials in members))
    at_k, power_k = (
        math.fsum(estimate(trials.run_count, trials.pass_count, k) for trials in members) / len(members)
        for estimate in (pass_at_k, chance_that_all_pass)
    )
    runs = sum(trials.run_count for trials in members)
    tests = f"{len(members)} test{'s' if len(members) != 1 else ''}"
    rate = _mean_pass_rate_text(members)
    return f"repeated: {name}: {runs} runs of {tests}: {rate}; pass@{k} {at_k:.1%}, pass^{k} {power_k:.1%}"


def _mean_pass_rate_text(members: Sequence[TrialCounts]) -> str:
    """Return the mean of the tests' pass rates with its confidence interval. Each test counts equally."""
    runs = sum(trials.run_count for trials in members)
    rate = math.fsum(trials.pass_count / trials.run_count for trials in members) / len(members)
    low, high = wilson_interval(runs, rate * runs)
    return f"pass rate {rate:.1%} (95 % interval {low:.1%} to {high:.1%})"
