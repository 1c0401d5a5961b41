"""Locating interactions: what is named is exact, and what cannot be proven is said to be undecided."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flag_harness.analysis.conjunctions import Conjunction
from flag_harness.analysis.locate import DEFAULT_RUN_BUDGET, CauseSearch, CauseSearchResult, find_failure_causes
from flag_harness.matrix import FlagSpace, MatrixFlag, Row, covering_array, full_matrix

Fault = dict[int, int]
"""The value (index) of each flag (index) that together make a test fail."""

TWENTY = FlagSpace([MatrixFlag(f"f{index}") for index in range(20)])


def passes(row: Row, faults: Sequence[Fault]) -> bool:
    """Whether no fault is in a row."""
    return not any(all(row[index] == value for index, value in fault.items()) for fault in faults)


def search(
    space: FlagSpace, oracle: Callable[[Row], bool], seed: int = 0, budget: int = DEFAULT_RUN_BUDGET
) -> CauseSearchResult:
    """Run an array of strength 2, and then what the locator asks for."""
    return find_failure_causes(
        space, oracle, [(row, oracle(row)) for row in covering_array(space, 2)], seed=seed, budget=budget
    )


def holds(conjunction: Conjunction, assignment: dict[str, object]) -> bool:
    """Whether a conjunction holds in an assignment."""
    return all(assignment[literal.flag] in literal.values for literal in conjunction.literals)


def wrong_names(space: FlagSpace, location: CauseSearchResult, faults: Sequence[Fault]) -> list[str]:
    """The named conjunctions that hold in a passing row, or that a literal can be left out of; by trying every row."""
    rows = [(space.flag_values_of_row(row), passes(row, faults)) for row in full_matrix(space)]

    def is_true(conjunction: Conjunction) -> bool:
        return not any(passed and holds(conjunction, assignment) for assignment, passed in rows)

    def shorter(conjunction: Conjunction) -> list[Conjunction]:
        literals = conjunction.literals
        return [Conjunction(literals[:index] + literals[index + 1 :]) for index in range(len(literals))]

    return [
        str(one) for one in location.conjunctions if not is_true(one) or any(is_true(other) for other in shorter(one))
    ]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({7: 1}, "f7"),
        ({7: 0, 12: 1}, "not f7 and f12"),
        ({0: 1, 9: 0, 19: 0}, "f0 and not f9 and not f19"),
        ({3: 1, 4: 1, 5: 0, 6: 1}, "f3 and f4 and not f5 and f6"),
    ],
)
def test_an_interaction_of_twenty_flags_is_named(fault: Fault, text: str) -> None:
    """One to four literals among 2^20 programs, within 45 runs."""
    location = search(TWENTY, lambda row: passes(row, [fault]), seed=1)
    assert f"fails when {text}" == str(location)
    assert location.is_decided
    assert DEFAULT_RUN_BUDGET >= location.run_count


@pytest.mark.parametrize(
    ("count", "oracle", "text"),
    [
        (3, lambda row: False, "always fails"),
        (
            3,
            lambda row: not any(row),
            "undecided: more than two conjunctions make it fail (suspects: f0, f1)",
        ),
        (
            8,
            lambda row: not all(row[:5]),
            "undecided: no conjunction of up to four literals could be proven for the other failing rows",
        ),
    ],
    ids=["always", "three causes", "five literals"],
)
def test_what_no_two_conjunctions_explain_is_said(count: int, oracle: Callable[[Row], bool], text: str) -> None:
    """Nothing is named that does not explain every failure; what was near is a suspect."""
    assert text == str(find_failure_causes(FlagSpace([MatrixFlag(f"f{index}") for index in range(count)]), oracle))


def test_two_interactions_at_once_are_named() -> None:
    """Neither the number of faults nor their sizes are told."""
    faults: list[Fault] = [{2: 1}, {5: 0, 6: 1}]
    location = search(TWENTY, lambda row: passes(row, faults))
    assert {"f2", "not f5 and f6"} == {str(one) for one in location.conjunctions}
    assert location.is_decided


def test_a_test_that_always_fails_blames_no_flag() -> None:
    """The empty conjunction."""
    assert ("always",) == tuple(str(one) for one in search(TWENTY, lambda _: False).conjunctions)


def test_a_test_that_never_fails_is_run_until_triples_are_covered() -> None:
    """The result says which faults are ruled out."""
    location = search(TWENTY, lambda _: True)
    assert "never fails" == str(location)
    assert 3 == location.max_size_ruled_out


def test_what_is_not_ruled_out_is_said() -> None:
    """Every value passed without the fault, so no other single flag breaks it; larger faults may exist."""
    location = search(TWENTY, lambda row: passes(row, [{0: 1, 1: 1}]))
    assert location.max_size_ruled_out in (1, 2)
    assert f"of {location.max_size_ruled_out + 1} or more flag values" in location.open_question


def test_a_budget_that_is_spent_is_said() -> None:
    """With two runs more than the array has, nothing is named, and the suspects are listed."""
    location = search(TWENTY, lambda row: passes(row, [{0: 1, 1: 1}]), budget=10)
    assert ("the budget of 10 runs is spent", 10, ()) == (
        location.unexplained_reason,
        location.run_count,
        location.conjunctions,
    )
    assert location.suspected_conjunctions
    assert "undecided: the budget of 10 runs is spent (suspects: " in str(location)


def test_rows_that_cannot_be_run_leave_it_undecided() -> None:
    """Only the array was recorded: the locator asks for other rows, gives up, and says why."""
    rows = [(row, passes(row, [{0: 1, 1: 1}])) for row in covering_array(TWENTY, 2)]
    location = find_failure_causes(TWENTY, lambda _: None, rows)
    assert (8, ()) == (location.run_count, location.conjunctions)
    assert "rows could not be run" in location.unexplained_reason


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_a_search_ends_though_nothing_can_be_run_any_more(seed: int) -> None:
    """Whichever rows failed at first, and however few of the next can be run; what is named then is not wrong."""
    random = Random(seed)
    space = FlagSpace([MatrixFlag(f"f{index}") for index in range(random.randint(2, 5))])
    faults = [{index: random.randrange(2) for index in random.sample(range(len(space.flags)), 2)}]
    left = random.randrange(6)

    def run(row: Row) -> bool | None:
        nonlocal left
        left -= 1
        return passes(row, faults) if left >= 0 else None

    before = [(row, passes(row, faults)) for row in covering_array(space, 2)]
    assert [] == wrong_names(space, find_failure_causes(space, run, before, seed=seed, budget=64), faults)


def test_three_faults_are_not_named_as_two() -> None:
    """The proof assumes two at most; what was found becomes suspect."""
    location = search(TWENTY, lambda row: passes(row, [{0: 1}, {1: 1}, {2: 1}]))
    assert not location.is_decided
    assert () == location.conjunctions


def test_a_test_that_fails_by_no_conjunction_is_undecided() -> None:
    """An odd number of six flags: the search ends, names nothing, and says why."""
    location = search(TWENTY, lambda row: sum(row[:6]) % 2 == 0)
    assert (False, ()) == (location.is_decided, location.conjunctions)
    assert location.unexplained_reason


def test_a_flaky_row_is_reported_and_blames_no_flag() -> None:
    """A row that failed once and then passes is repeated before anything is believed."""
    flaky = covering_array(TWENTY, 2)[3]
    outcomes = iter([False])
    location = search(TWENTY, lambda row: next(outcomes, True) if row == flaky else True)
    assert ((flaky,), ()) == (location.flaky_rows, location.conjunctions)
    assert location.is_decided


def test_values_of_a_flag_and_constraints_are_kept() -> None:
    """A fault of one model and a flag; every row that is asked for is allowed."""
    models = ("haiku", "sonnet", "opus")
    flags = [MatrixFlag("model", models, "haiku"), MatrixFlag("fast", requires=("cache",)), MatrixFlag("cache")]
    space = FlagSpace([*flags, *(MatrixFlag(f"f{index}") for index in range(6))])
    asked: list[Row] = []

    def oracle(row: Row) -> bool:
        asked.append(row)
        return passes(row, [{0: 2, 1: 1}])

    assert "fails when model=opus and fast" == str(search(space, oracle))
    assert all(space.is_allowed(row) for row in asked)


def test_a_literal_that_a_constraint_implies_is_left_out() -> None:
    """`fast` requires `cache`, so `cache` is not named beside it."""
    space = FlagSpace([MatrixFlag("cache"), MatrixFlag("fast", requires=("cache",)), MatrixFlag("other")])
    assert "fails when fast" == str(search(space, lambda row: passes(row, [{1: 1}])))


def test_equal_seeds_ask_for_equal_rows() -> None:
    """A search can be repeated."""

    def asked(seed: int) -> list[Row]:
        locator = CauseSearch(
            TWENTY, [(row, passes(row, [{0: 1, 1: 1}])) for row in covering_array(TWENTY, 2)], seed=seed
        )
        rows: list[Row] = []
        while found := locator.next_rows():
            rows += found
            locator.add_outcomes([(row, passes(row, [{0: 1, 1: 1}])) for row in found])
        return rows

    assert asked(3) == asked(3)
    assert asked(3) != asked(4)


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(st.integers(0, 10**6))
def test_no_wrong_name_is_given_in_small_spaces(seed: int) -> None:
    """Up to seven flags with two or three values, constraints, and one or two faults: brute force agrees."""
    random = Random(seed)
    flags: list[MatrixFlag] = []
    for index in range(random.randint(2, 7)):
        requires = (f"f{random.randrange(index)}",) if index and random.random() < 0.2 else ()
        flags.append(MatrixFlag(f"f{index}", tuple("abc"[: random.randint(2, 3)]), "a", requires))
    space = FlagSpace(flags)
    faults = [
        {index: random.randrange(space.value_counts[index]) for index in random.sample(range(len(flags)), size)}
        for size in (random.randint(1, min(3, len(flags))) for _ in range(random.randint(1, 2)))
    ]
    location = search(space, lambda row: passes(row, faults), seed=seed)
    assert [] == wrong_names(space, location, faults)
    assert DEFAULT_RUN_BUDGET >= location.run_count
    if location.is_decided and location.max_size_ruled_out >= max(map(len, faults)):
        named = [
            row
            for row in full_matrix(space)
            if any(holds(c, space.flag_values_of_row(row)) for c in location.conjunctions)
        ]
        assert [row for row in full_matrix(space) if not passes(row, faults)] == named


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_one_fault_among_twenty_flags_is_always_named(seed: int) -> None:
    """Any one to three literals, on or off."""
    random = Random(seed)
    fault = {index: random.randint(0, 1) for index in random.sample(range(20), random.randint(1, 3))}
    text = " and ".join(f"{'' if fault[index] else 'not '}f{index}" for index in sorted(fault))
    assert f"fails when {text}" == str(search(TWENTY, lambda row: passes(row, [fault]), seed=seed))


def test_the_examples_of_the_docs_print_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Each `print` in `docs/blame.md` is followed by its output."""
    text = (Path(__file__).parents[2] / "docs" / "blame.md").read_text()
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(example, {})
    assert re.findall(r"print\(.*\)  # (.*)", text) == capsys.readouterr().out.splitlines()


def test_a_row_that_is_flaky_proves_nothing() -> None:
    """The only row that could prove `streaming` passes first and fails then."""
    outcomes = {(0, 0): [True], (0, 1): [True], (1, 0): [False], (1, 1): [True, False]}
    space = FlagSpace([MatrixFlag("streaming"), MatrixFlag("concise")])

    def oracle(row: Row) -> bool:
        return outcomes[row].pop(0) if len(outcomes[row]) > 1 else outcomes[row][0]

    location = find_failure_causes(space, oracle, [(row, oracle(row)) for row in full_matrix(space)])
    assert ((), ((1, 1),)) == (location.conjunctions, location.flaky_rows)
    assert ["streaming and not concise", "streaming"] == list(map(str, location.suspected_conjunctions))


def test_three_causes_at_once_are_suspects_and_not_named() -> None:
    """Too many rows fail in which a candidate does not hold, so none is proven."""
    labels = ("a", "b", "c")
    flags = [MatrixFlag(name, labels, "a") if name in "ace" else MatrixFlag(name) for name in "abcde"]
    location = search(FlagSpace(flags), lambda row: passes(row, [{3: 1}, {0: 0, 3: 0}, {4: 0}]), seed=103)
    assert not location.conjunctions
    assert "undecided: the budget of 45 runs is spent (suspects: a=a, e=a, " in str(location)
