"""Rates with intervals, pass@k and pass^k of repeated tests."""

import itertools

import pytest

from flag_harness.analysis.verdict.reliability import (
    TrialCounts,
    chance_that_all_pass,
    count_trials,
    pass_at_k,
    reliability_lines,
    wilson_interval,
)
from flag_harness.record import RunRow


def _rows(case: str, outcomes: str, combination: str = "off") -> list[RunRow]:
    return [
        RunRow(case=case, combination=combination, outcome="passed" if letter == "p" else "failed", repetition=number)
        for number, letter in enumerate(outcomes)
    ]


@pytest.mark.parametrize(("runs", "passes", "k"), [*itertools.product((5,), range(6), (1, 2, 5))])
def test_pass_at_k_and_pass_power_k_count_all_subsets(runs: int, passes: int, k: int) -> None:
    """They are the share of all subsets of `k` runs in which any, or every, run passes."""
    subsets = list(itertools.combinations([True] * passes + [False] * (runs - passes), k))
    assert pass_at_k(runs, passes, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))
    assert chance_that_all_pass(runs, passes, k) == pytest.approx(sum(map(all, subsets)) / len(subsets))


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    """The values are statsmodels' `proportion_confint(method="wilson")`."""
    assert wilson_interval(10, 8) == pytest.approx((0.490162, 0.943318), abs=1e-6)
    assert wilson_interval(20, 20) == pytest.approx((0.838875, 1.0), abs=1e-6)
    assert wilson_interval(20, 0) == pytest.approx((0.0, 0.161125), abs=1e-6)


def test_repetitions_are_counted_by_test_and_combination() -> None:
    """Skipped runs are no trials."""
    rows = [*_rows("a", "ppf"), RunRow(case="a", combination="off", outcome="skipped"), *_rows("a", "f", "streaming")]
    assert [TrialCounts("a", "off", 3, 2), TrialCounts("a", "streaming", 1, 0)] == count_trials(rows)


def test_the_lines_weigh_tests_equally_and_name_flaky_ones() -> None:
    """A test with more runs does not count more."""
    first, *others = reliability_lines([*_rows("a", "pppp"), *_rows("b", "pf")])
    assert "pass rate 75.0%" in first
    assert "pass@2 100.0%, pass^2 50.0%" in first
    assert 1 == len(others)
    assert others[0].startswith("flaky: b: 1 of 2 runs passed")


def test_a_run_without_repetitions_has_no_lines() -> None:
    """One run says nothing about reliability."""
    assert [] == list(reliability_lines(_rows("a", "p")))


def test_beyond_ten_flaky_tests_only_their_number_is_shown() -> None:
    """The last line says where to find the others."""
    lines = [*reliability_lines(row for number in range(23) for row in _rows(f"test_{number}", "pf"))]
    assert "flaky: and 13 more; --harness-record=FILE keeps all" == lines[-1]
