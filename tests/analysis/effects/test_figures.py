"""What flags change in figures, on pairs of runs of the same test."""

import math
import time
from itertools import combinations, product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.analysis.effects.figures import MetricEffect, metric_effects
from flag_harness.analysis.effects.student import mean_with_interval, t_quantile
from flag_harness.record import RequestRecord, RunRow
from flag_harness.wire.usage import Usage

DEFAULTS = {"a": False, "b": False, "model": "haiku"}
REQUEST = RequestRecord("POST", "/v1/messages", 200, "")


def _row(test: str, tokens: int, *, repetition: int = 0, outcome: str = "passed", **values: object) -> RunRow:
    """Return a run; its time is a tenth of a second for each token."""
    changed = [
        name if value is True else f"{name}={value}" for name, value in values.items() if value != DEFAULTS[name]
    ]
    combination = "+".join(changed) or "off"
    return RunRow(
        case=f"test_it.py::{test}[{combination}]",
        combination=combination,
        outcome=outcome,  # type: ignore[arg-type]
        requests=(REQUEST,),
        usage=Usage(output_tokens=tokens),
        seconds=tokens / 10,
        values={**DEFAULTS, **values},
        repetition=repetition,
        answered_by="simulator",
    )


def _effect(rows: list[RunRow], name: str, figure: str) -> MetricEffect:
    (found,) = (one for one in metric_effects(rows, DEFAULTS) if (one.setting_text, one.figure.name) == (name, figure))
    return found


def test_a_flag_is_measured_on_runs_that_differ_in_it_alone() -> None:
    """Tests are never mixed, so their own level does not count."""
    rows = [_row("small", 10), _row("small", 12, a=True), _row("large", 1000), _row("large", 1004, a=True)]
    tokens, time = _effect(rows, "a", "output tokens"), _effect(rows, "a", "total time")
    assert (3.0, 2) == (tokens.mean, tokens.pair_count)
    assert math.isclose(math.sqrt(1.2 * 1.004), time.mean)
    assert tokens.is_simulated
    assert {"a"} == {one.setting_text for one in metric_effects(rows, DEFAULTS)}


def test_two_flags_together_are_measured_beyond_each_alone() -> None:
    """On four runs of one test."""
    rows = [
        _row("test", 10 + 2 * a + 3 * b + 50 * (a and b), repetition=number, a=bool(a), b=bool(b))
        for a, b, number in product((0, 1), (0, 1), range(3))
    ]
    both = _effect(rows, "a and b", "output tokens")
    assert (50.0, 50.0, 50.0, 3) == (both.mean, both.lower_bound, both.upper_bound, both.pair_count)
    assert "+50 (3 pairs)" == str(both)
    assert "unchanged (3 pairs)" == str(_effect(rows, "a and b", "requests"))


def test_what_cannot_be_told_is_said() -> None:
    """One pair has no spread, and an interval that contains no effect tells nothing."""
    one = [_row("test", 10), _row("test", 12, a=True)]
    assert "+2 in 1 pair; how sure this is cannot be told from one" == str(_effect(one, "a", "output tokens"))
    noisy = [
        _row("test", 10 + 5 * number * on, repetition=number, a=bool(on)) for number in (-1, 0, 1) for on in (0, 1)
    ]
    assert str(_effect(noisy, "a", "output tokens")).startswith("cannot be told from these runs: -12.4")
    assert not _effect(noisy, "a", "output tokens").is_significant


def test_values_of_a_flag_are_each_compared_to_its_default() -> None:
    """Not to each other."""
    rows = [_row("test", tokens, model=model) for model, tokens in (("haiku", 10), ("sonnet", 20), ("opus", 40))]
    found = {one.setting_text: one.mean for one in metric_effects(rows, DEFAULTS) if one.figure.name == "output tokens"}
    assert {"model=sonnet": 10.0, "model=opus": 30.0} == found


def test_a_value_is_called_as_in_ids() -> None:
    """If it has a name of its own."""
    rows = [_row("test", 10, model=model) for model in ("haiku", "sonnet")]
    assert {"model=large"} == {
        one.setting_text for one in metric_effects(rows, DEFAULTS, {("model", "sonnet"): "large"})
    }


def test_flags_of_a_group_are_each_compared_to_its_default() -> None:
    """One flag of a group is always on, so switching one on switches another off."""
    defaults = {"bm25": True, "vectors": False, "hybrid": False, "cache": False}
    groups = dict.fromkeys(("bm25", "vectors", "hybrid"), ("bm25", "vectors", "hybrid"))
    rows = [
        msgspec.structs.replace(
            _row("test", 10 + 5 * index + 3 * cache + 2 * (index == 1 and cache)),
            case=f"test_it.py::test[{search}+{cache}]",
            combination=f"{search}+{cache}",
            values={**dict.fromkeys(groups, False), search: True, "cache": cache},
        )
        for index, search in enumerate(groups)
        for cache in (False, True)
    ]
    found = metric_effects(rows, defaults, groups=groups)
    means = {one.setting_text: one.mean for one in found if one.figure.name == "output tokens"}
    assert {"vectors": 6.0, "hybrid": 10.0, "cache": 11 / 3, "cache and vectors": 2.0, "cache and hybrid": 0.0} == means


def test_runs_that_failed_are_left_out() -> None:
    """They may have ended early."""
    rows = [_row("test", 10), _row("test", 1, a=True, outcome="failed")]
    assert () == metric_effects(rows, DEFAULTS)


@pytest.mark.parametrize(
    ("probability", "degrees", "quantile"),
    [(0.975, 1, 12.706204736), (0.975, 2, 4.30265273), (0.975, 30, 2.042272456), (0.995, 10, 3.169272673), (0.5, 3, 0)],
)
def test_quantiles_are_those_of_the_tables(probability: float, degrees: int, quantile: float) -> None:
    """Student's t, two-sided."""
    assert math.isclose(quantile, t_quantile(probability, degrees), abs_tol=1e-8)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.floats(-1e3, 1e3))
def test_an_interval_moves_with_its_values(values: list[float], shift: float) -> None:
    """And contains the mean."""
    mean, low, high = mean_with_interval(values)
    assert low <= mean <= high
    moved = mean_with_interval([value + shift for value in values])
    assert all(
        math.isclose(one + shift, other, abs_tol=1e-3) for one, other in zip((mean, low, high), moved, strict=True)
    )


@pytest.mark.deep
def test_ten_flags_with_a_hundred_repetitions_take_less_than_a_second() -> None:
    """Of CPU time: each flag alone and each pair of flags, on 5,600 runs."""
    names = [f"flag{number}" for number in range(10)]
    chosen = [(), *((name,) for name in names), *combinations(names, 2)]
    rows = [
        RunRow(
            case=f"test_it.py::test[{'+'.join(on) or 'off'}]",
            combination="+".join(on) or "off",
            outcome="passed",
            usage=Usage(100 + number % 7, 20),
            cost=0.01 + number / 10_000,
            seconds=1 + number / 100,
            first_token=0.3,
            values={name: name in on for name in names},
            repetition=number,
        )
        for on in chosen
        for number in range(100)
    ]
    started = time.process_time()
    found = metric_effects(rows, dict.fromkeys(names, False))
    assert time.process_time() - started < 1
    assert {100} == {effect.pair_count for effect in found if len(effect.changed_values) == 2}
