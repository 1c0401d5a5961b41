"""Explanations of failing rows, held against brute force."""

import time
from collections.abc import Iterator
from itertools import combinations, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flag_harness.analysis.blame import Conjunction, explain_failures, explain_failures_by_test, find_suspects
from flag_harness.matrix import FlagSpace, MatrixFlag, Row, covering_array, full_matrix

SHIPPED = FlagSpace([MatrixFlag(name) for name in ("streaming", "prompt_cache", "extended_output")])
MODELS = FlagSpace([MatrixFlag("model", ("haiku", "sonnet", "opus"), "haiku"), MatrixFlag("fast")])


def runs(space: FlagSpace, failing: set[Row]) -> list[tuple[Row, bool]]:
    """The full matrix, in which these rows fail."""
    return [(row, row not in failing) for row in full_matrix(space)]


def holds(conjunction: Conjunction, assignment: dict[str, object]) -> bool:
    """Whether a conjunction holds in an assignment."""
    return all(assignment[literal.flag] in literal.values for literal in conjunction.literals)


def implicants(space: FlagSpace, failing: set[Row]) -> Iterator[tuple[frozenset[Row], int]]:
    """Every box of values that holds no passing row, as its rows and its number of literals; by trying all."""
    choices = [
        [set(c) for n in range(1, size + 1) for c in combinations(range(size), n)] for size in space.value_counts
    ]
    rows = full_matrix(space)
    for box in product(*choices):
        inside = frozenset(row for row in rows if all(value in values for value, values in zip(row, box, strict=True)))
        if inside and inside <= failing:
            yield inside, sum(len(values) < size for values, size in zip(box, space.value_counts, strict=True))


def smallest_by_brute_force(space: FlagSpace, failing: set[Row]) -> tuple[int, int]:
    """The number of conjunctions and of literals of the smallest explanation."""
    boxes: dict[frozenset[Row], int] = {}
    for rows, size in implicants(space, failing):
        boxes[rows] = min(size, boxes.get(rows, size))
    largest = {rows: size for rows, size in boxes.items() if not any(rows < other for other in boxes)}
    for count in range(1, len(failing) + 1):
        sizes = [
            sum(largest[rows] for rows in chosen)
            for chosen in combinations(largest, count)
            if failing == set().union(*chosen)
        ]
        if sizes:
            return count, min(sizes)
    raise AssertionError("each row is a box of its own")


def test_a_conjunction_with_a_negation_is_named() -> None:
    """Two of eight rows fail: extended output without streaming."""
    failing = {(0, 0, 1), (0, 1, 1)}
    assert "fails when not streaming and extended_output" == str(explain_failures(SHIPPED, runs(SHIPPED, failing)))


def test_two_faults_at_once_are_both_named() -> None:
    """Streaming alone, and the cache with extended output."""
    failing = {row for row in full_matrix(SHIPPED) if row[0] or (row[1] and row[2])}
    explanation = explain_failures(SHIPPED, runs(SHIPPED, failing))
    assert "fails when streaming, or when prompt_cache and extended_output" == str(explanation)


@pytest.mark.parametrize(
    ("failing", "text"),
    [
        ({(1, 0), (1, 1)}, "fails when model=sonnet"),
        ({(1, 0), (1, 1), (2, 0), (2, 1)}, "fails when not model=haiku"),
        ({(2, 1)}, "fails when model=opus and fast"),
        (set(), "never fails"),
        (set(full_matrix(MODELS)), "always fails"),
    ],
)
def test_a_value_of_a_flag_is_named(failing: set[Row], text: str) -> None:
    """One value, all but one value, none, and all rows."""
    assert text == str(explain_failures(MODELS, runs(MODELS, failing)))


def test_a_flaky_row_takes_no_part() -> None:
    """A row that passed once and failed once is reported, and blames no flag."""
    explanation = explain_failures(SHIPPED, [*runs(SHIPPED, {(1, 0, 0)}), ((1, 0, 0), True)])
    assert ((1, 0, 0),) == explanation.flaky_rows
    assert "never fails" == str(explanation)


def test_a_requirement_makes_the_explanation_shorter() -> None:
    """`b` needs `a`, so `b` alone says that both are on."""
    space = FlagSpace([MatrixFlag("a"), MatrixFlag("b", requires=("a",))])
    assert "fails when b" == str(explain_failures(space, runs(space, {(1, 1)})))


def test_tests_with_the_same_explanation_stand_together() -> None:
    """The explanation of most tests comes first; tests that pass are left out."""
    both = runs(SHIPPED, {(1, 1, 0), (1, 1, 1)})
    tests = {"c": runs(SHIPPED, {(0, 0, 0)}), "a": both, "b": both, "d": runs(SHIPPED, set())}
    findings = explain_failures_by_test(SHIPPED, tests)
    assert ["fails when streaming and prompt_cache: 2 tests", ("a", "b")] == [str(findings[0]), findings[0].tests]
    assert ["fails when not streaming and not prompt_cache and not extended_output: 1 test"] == [
        str(finding) for finding in findings[1:]
    ]


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(st.data())
def test_the_explanation_of_a_full_matrix_is_the_smallest(data: st.DataObject) -> None:
    """It holds in exactly the failing rows, and brute force finds no smaller one."""
    sizes = data.draw(st.sampled_from([(2, 2, 2), (2, 2, 2, 2), (3, 2, 2), (3, 3), (4, 2)]))
    space = FlagSpace([MatrixFlag(f"f{index}", tuple("abcd"[:size]), "a") for index, size in enumerate(sizes)])
    rows = full_matrix(space)
    failing = data.draw(st.sets(st.sampled_from(rows), min_size=1, max_size=8))
    explanation = explain_failures(space, runs(space, failing))
    named = {row for row in rows if any(holds(one, space.flag_values_of_row(row)) for one in explanation.conjunctions)}
    assert failing == named
    assert explanation.is_proven_smallest
    literals = sum(len(one.literals) for one in explanation.conjunctions)
    assert smallest_by_brute_force(space, failing) == (len(explanation.conjunctions), literals)


@settings(max_examples=settings().max_examples, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_an_explanation_holds_on_the_rows_that_were_run(seed: int, flags: int) -> None:
    """Any rows of any outcome: every failing row is explained, no passing row is."""
    random = Random(seed)
    space = FlagSpace([MatrixFlag(f"f{index}", tuple("abc"[: random.randint(2, 3)]), "a") for index in range(flags)])
    rows = {tuple(random.randrange(size) for size in space.value_counts): random.random() < 0.6 for _ in range(20)}
    explanation = explain_failures(space, rows.items())
    for row, passed in rows.items():
        assert passed != any(holds(one, space.flag_values_of_row(row)) for one in explanation.conjunctions)


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_the_planted_fault_is_among_the_suspects(seed: int) -> None:
    """A pair in an array of strength 2 always fails somewhere, and passes nowhere."""
    random = Random(seed)
    space = FlagSpace([MatrixFlag(f"f{index}") for index in range(random.randint(2, 12))])
    fault = {index: random.randint(0, 1) for index in random.sample(range(len(space.flags)), 2)}
    rows = [(row, not all(row[i] == v for i, v in fault.items())) for row in covering_array(space, 2)]
    text = " and ".join(f"{'' if fault[index] else 'not '}f{index}" for index in sorted(fault))
    suspects = find_suspects(space, rows, 2)
    assert text in [str(suspect.conjunction) for suspect in suspects]
    for suspect in suspects:
        states = [(holds(suspect.conjunction, space.flag_values_of_row(row)), passed) for row, passed in rows]
        assert (True, True) not in states
        assert suspect.failing_row_count == states.count((True, False)) > 0


def test_suspects_name_values_and_negations() -> None:
    """One failing row of three leaves the value itself and what the passing rows do not have."""
    rows = [((1, 0), False), ((0, 0), True), ((2, 0), True)]
    assert ["model=sonnet", "model=sonnet and not fast"] == [
        str(suspect.conjunction) for suspect in find_suspects(MODELS, rows, 2)
    ]


def test_a_thousand_tests_take_less_than_two_seconds() -> None:
    """64 rows each: conjunctions, pairs of them and flaky rows, no two tests alike."""
    space = FlagSpace([MatrixFlag(f"f{index}") for index in range(6)])
    rows, random = full_matrix(space), Random(5)
    tests = {}
    for number in range(1_000):
        faults = [
            {index: random.randint(0, 1) for index in random.sample(range(6), random.randint(1, 4))}
            for _ in range(random.randint(1, 2))
        ]
        tests[f"test_{number}"] = [
            (row, not any(all(row[i] == v for i, v in fault.items()) for fault in faults)) for row in rows
        ] + [(random.choice(rows), True)]
    start = time.process_time()
    findings = explain_failures_by_test(space, tests)
    assert time.process_time() - start < 2
    assert 1_000 == sum(len(finding.tests) for finding in findings)
