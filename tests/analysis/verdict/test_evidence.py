"""Rounds of run records: which rows are paired, which strata there are, and what prevents a PASS."""

import dataclasses
from random import Random
from typing import Any

import msgspec
import pytest

from flag_harness.analysis.verdict.evidence import (
    ALL_TESTS_STRATUM,
    EvidenceTable,
    collect_evidence,
    flag_changes,
    pass_or_fail_score,
)
from flag_harness.analysis.verdict.judgment import FlagEvidence, SequentialJudge, Stratum, judge_flags
from flag_harness.analysis.verdict.lines import verdict_lines
from flag_harness.flag import Flag
from flag_harness.record import RequestRecord, RunRow

STRICT, CONCISE = Flag("strict", env="STRICT"), Flag("concise", env="CONCISE", default=True)
MODEL = Flag("model", env="MODEL", values=("haiku", "opus", "sonnet"), default="haiku")
CHANGES = flag_changes(STRICT, False)


def _row(test: str, repetition: int, *, passed: bool = True, strict: bool = False, **fields: Any) -> RunRow:
    combination = "strict" if strict else "off"
    values = {"strict": strict, **fields.pop("others", {})}
    outcome = fields.pop("outcome", "passed" if passed else "failed")
    case = f"{test}[{combination}]"
    return RunRow(
        case=case, combination=combination, values=values, outcome=outcome, repetition=repetition, cost=0.5, **fields
    )


def _strata(rows: list[RunRow]) -> dict[str, tuple[float, ...]]:
    return {stratum.name: stratum.gains for stratum in collect_evidence(rows, CHANGES)[0].strata}


def test_rows_of_the_same_repetition_that_differ_in_the_flag_are_one_round() -> None:
    """The gain is 1 if only the run with the flag passed, and -1 if only the one without it did."""
    rows = [
        *(_row("a", number, passed=passed) for number, passed in enumerate([True, True, False, True])),
        *(_row("a", number, passed=passed, strict=True) for number, passed in enumerate([True, False, True])),
    ]
    assert {"a[*]": (0.0, -1.0, 1.0)} == _strata(rows)


def test_one_round_over_all_tests_is_one_observation() -> None:
    """The stratum of all tests has the mean of each round, and only rounds that every test has finished."""
    rows = [
        _row(test, number, passed=not (strict and test == "b"), strict=strict)
        for test in ("a", "b")
        for number in range(3)
        for strict in (False, True)
    ]
    assert {"a[*]": (0.0,) * 3, "b[*]": (-1.0,) * 3, ALL_TESTS_STRATUM: (-0.5,) * 3} == _strata(rows)
    assert (-0.5,) * 2 == _strata(rows[:-1])[ALL_TESTS_STRATUM]


def test_a_group_of_tests_is_a_stratum_under_each_setting() -> None:
    """A group of one test is that test, and no further stratum."""
    rows = [
        _row(test, number, passed=not (strict and test == "b"), strict=strict, others={"fast": fast}, strata=strata)
        for test, strata in (("a", ("refunds",)), ("b", ("refunds", "single")), ("c", ()))
        for number in range(2)
        for fast in (False, True)
        for strict in (False, True)
    ]
    strata = _strata(rows)
    groups = {name: gains for name, gains in strata.items() if name.startswith("group")}
    assert {"group refunds under fast=false": (-0.5, -0.5), "group refunds under fast=true": (-0.5, -0.5)} == groups
    assert (-1 / 3,) * 2 == pytest.approx(strata[ALL_TESTS_STRATUM])


def test_settings_of_other_flags_are_strata_of_their_own() -> None:
    """An interaction is not averaged away."""
    rows = [
        _row("a", number, passed=not (strict and fast), strict=strict, others={"fast": fast, "x": 1})
        for number in range(2)
        for fast in (False, True)
        for strict in (False, True)
    ]
    strata = _strata(rows)
    assert (0.0, 0.0) == strata["a[*] under fast=false"]
    assert (-1.0, -1.0) == strata["a[*] under fast=true"]


def test_arms_of_other_comparisons_are_no_strata_and_a_missing_arm_is_an_empty_one() -> None:
    """A row without a partner belongs to another flag, unless it has the judged value."""
    alone = _row("a", 0, others={"fast": True})
    assert {} == _strata([alone])
    assert {"a[*]": ()} == _strata([_row("a", 0, strict=True)])


def test_rebased_recordings_are_an_obstacle() -> None:
    """They are named."""
    rows = [_row("a", 0, is_rebased=True, cassette="a.json"), _row("a", 0, strict=True)]
    assert ("a.json was rebased and not recorded again",) == collect_evidence(rows, CHANGES)[0].pass_obstacles


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 1.0),
        ({"passed": False}, 0.0),
        ({"outcome": "skipped"}, None),
        ({"outcome": "inconclusive"}, None),
        ({"passed": False, "phase": "setup"}, None),
        ({"passed": False, "answered_by": "live", "requests": (RequestRecord("POST", "/", 529, ""),)}, None),
        ({"passed": False, "answered_by": "live", "requests": (RequestRecord("POST", "/", None, ""),)}, None),
        ({"passed": False, "answered_by": "live", "requests": (RequestRecord("POST", "/", 200, ""),)}, 0.0),
        ({"passed": False, "answered_by": "simulator", "requests": (RequestRecord("POST", "/", 529, ""),)}, 0.0),
    ],
    ids=["passed", "failed", "skipped", "refused", "setup", "overloaded", "cut", "answered", "simulated"],
)
def test_what_says_nothing_about_the_agent_is_no_result(fields: dict[str, Any], expected: float | None) -> None:
    """An outage of the provider is neither pass nor fail."""
    assert expected == pass_or_fail_score(_row("a", 0, **fields))


def test_each_other_value_of_a_flag_is_a_change() -> None:
    """Labels are those of combination ids."""
    assert ["strict"] == [change.label for change in flag_changes(STRICT, False)]
    assert ["no-concise"] == [change.label for change in flag_changes(CONCISE, True)]
    assert ["model=haiku", "model=sonnet"] == [change.label for change in flag_changes(MODEL, "opus")]


def test_a_price_below_a_cent_is_not_shown_as_nothing() -> None:
    """Simulated answers of small models cost a fraction of a cent."""
    both = [_row("a", number, strict=strict) for number in range(9) for strict in (False, True)]
    rows = [msgspec.structs.replace(row, cost=0.00001) for row in both]
    *_, cost = verdict_lines(judge_flags(collect_evidence(rows, CHANGES))[0], rows)
    assert "runs, less than $0.01)" in cost


def _lines(losses: int, rounds: int) -> list[str]:
    upstream = "live" if losses else "simulator"
    rows = [
        _row("a", number, passed=not strict or number >= losses, strict=strict, answered_by=upstream)
        for number in range(rounds)
        for strict in (False, True)
    ]
    verdict = judge_flags(collect_evidence(rows, CHANGES))[0]
    return list(verdict_lines(verdict, rows))


def test_the_lines_say_what_was_found_and_what_is_not_excluded() -> None:
    """A PASS on simulated answers says so; an inconclusive verdict says what a decision would cost."""
    assert [
        "strict: PASS (simulator only) after 100 rounds; worst: a[*], the same with and without the flag",
        "  excluded in every test: a loss of 6 points or more; not excluded: a loss of 5 points",
    ] == _lines(0, 100)
    fail, bound = _lines(40, 100)
    assert "strict: FAIL after 100 rounds: it is worse with the flag in a[*], by 40.0 points" == fail
    assert "  in every test the loss is shown to be below 70 points" == bound
    first, excluded, cost, failing = _lines(1, 10)
    assert "strict: INCONCLUSIVE after 10 rounds; worst: a[*], 10.0 points lower with the flag" == first
    assert excluded.startswith("  excluded in every test: a loss of ")
    assert cost.startswith("  a PASS must exclude a loss of 10 points: if the flag changes nothing, that takes about ")
    assert "runs, about $" in cost
    assert failing.startswith("  if the loss stays at 10.0 points, a FAIL takes about ")
    assert "runs, about $" in failing
    gain = Stratum("a", (0.0, 1.0))
    better, _, _ = verdict_lines(judge_flags([FlagEvidence("strict", (gain,))])[0], [])
    assert "strict: INCONCLUSIVE after 2 rounds; worst: a, 50.0 points higher with the flag" == better
    harmed = (Stratum("a", (-1.0,) * 20), Stratum("b", (-0.9,) * 20))
    worse, _ = verdict_lines(judge_flags([FlagEvidence("strict", harmed)])[0], [])
    assert worse.endswith(": it is worse with the flag in a, b; worst: a, 100.0 points lower with the flag")


def test_scores_are_strata_and_a_run_that_failed_before_it_was_scored_has_the_score_0() -> None:
    """Graded results are judged like the test itself."""
    rows = [
        _row("a", 0, scores={"tone": 0.75}),
        _row("a", 0, strict=True, scores={"tone": 0.5}),
        _row("a", 1, scores={"tone": 1.0}),
        _row("a", 1, strict=True, passed=False),
        _row("a", 2),
        _row("a", 2, strict=True, scores={"tone": 1.0}),
    ]
    assert {"a[*]": (0.0, -1.0, 0.0), "a[*], score tone": (-0.25, -1.0)} == _strata(rows)


def _expecting(cost: float, rounds: int) -> tuple[str, tuple[str, ...]]:
    change = flag_changes(dataclasses.replace(STRICT, expect=(("cost", "lower"),)), False)
    rows = [
        msgspec.structs.replace(_row("a", number, strict=strict), cost=cost if strict else 0.5)
        for number in range(rounds)
        for strict in (False, True)
    ]
    verdict = judge_flags(collect_evidence(rows, change))[0]
    return verdict.decision, verdict.pass_obstacles


def test_a_pass_needs_the_improvements_that_are_expected() -> None:
    """An expected saving must be shown; a flag that is safe and costs more is no PASS."""
    assert ("PASS", ()) == _expecting(0.4, 100)
    assert ("INCONCLUSIVE", ("cost was expected to be lower, and that is contradicted",)) == _expecting(0.6, 100)
    assert ("INCONCLUSIVE", ("cost was expected to be lower, and that is not shown",)) == _expecting(0.5, 100)


def test_a_flag_has_its_own_margin() -> None:
    """A smaller margin needs more rounds."""
    assert [0.1] == [change.margin for change in CHANGES]
    assert [0.03] == [change.margin for change in flag_changes(dataclasses.replace(STRICT, margin=0.03), False)]


def test_adding_rows_between_looks_changes_no_decision() -> None:
    """A table and a judge that are kept say at each look what new ones say of the same rows."""
    draw, changes = Random(5), [*CHANGES, *flag_changes(Flag("fast", env="FAST"), False)]
    rows = [
        _row("a", number, passed=draw.random() < (0.4 if strict else 0.95), strict=strict, others={"fast": fast})
        for number in range(30)
        for fast in (False, True)
        for strict in (False, True)
    ]
    draw.shuffle(rows)
    table, judge, decided = EvidenceTable(), SequentialJudge(), []
    for number, row in enumerate(rows, 1):
        table.add_row(row)
        if number % 20 == 0:
            evidence = [*map(table.evidence_of_change, changes)]
            assert evidence == [*collect_evidence(rows[:number], changes)]
            decided.append(judge.are_flags_decided(evidence))
            assert decided[-1] == SequentialJudge().are_flags_decided(evidence)
    assert [False, False] == decided[0]
    assert [True, False] == decided[-1]


def test_what_a_decision_costs_counts_only_the_runs_that_it_needs() -> None:
    """Runs with another flag on are no part of the comparison with production, so nobody pays for them again."""
    others = [{"fast": fast, "new": False} for fast in (False, True)]
    rows = [_row("a", number, others=other) for number in range(4) for other in others]
    rows += [_row("a", number, strict=True, others=others[0]) for number in range(4)]
    table = EvidenceTable(rows)
    needed = table.rows_of_change(CHANGES[0])
    assert 8 == len(needed)
    assert {False} == {row.values["fast"] for row in needed}
    verdict = judge_flags([table.evidence_of_change(CHANGES[0])])[0]
    cost = [*verdict_lines(verdict, needed)][-1]
    further = verdict.rounds_to_pass
    assert f"{further} further rounds ({2 * further} runs, about ${further:.2f})" in cost
