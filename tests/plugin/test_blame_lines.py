"""The lines that say which flags broke a test: what is not named is said to be undecided or not known."""

import re
from collections.abc import Sequence
from random import Random
from typing import cast

import pytest

from flag_harness.analysis.locate import DEFAULT_RUN_BUDGET, CauseSearchResult, find_failure_causes
from flag_harness.analysis.matrix_runs import FailingTest, MatrixRun
from flag_harness.flag import Flag
from flag_harness.matrix import Row, covering_array, flag_space
from flag_harness.plugin.run.blame import FlagSearchResult, blame_lines, flag_search_lines

FLAGS = tuple(Flag(f"f{index}", f"F{index}") for index in range(20))
SPACE = flag_space(FLAGS)

Fault = dict[int, int]


def _plant(size: int, random: Random) -> Fault:
    return {index: random.randrange(2) for index in random.sample(range(len(FLAGS)), size)}


def _text(fault: Fault) -> str:
    return " and ".join(f"f{index}" if fault[index] else f"not f{index}" for index in sorted(fault))


def _lines(faults: Sequence[Fault], seed: int) -> list[str]:
    """The lines of an agent with these faults, located from a covering array."""

    def passes(row: Row) -> bool:
        return not any(all(row[index] == value for index, value in fault.items()) for fault in faults)

    array = [(row, passes(row)) for row in covering_array(SPACE, 2)]
    location = find_failure_causes(SPACE, passes, array, budget=len(array) + DEFAULT_RUN_BUDGET, seed=seed)
    test = FailingTest("test_ask[*]", FLAGS, ())
    return list(
        flag_search_lines(FlagSearchResult(test, location, location.run_count - len(array), "pytest 'test_ask[f1]'"))
    )


@pytest.mark.parametrize("sizes", [(4,), (1, 3), (2, 3), (3, 3)])
def test_a_fault_is_named_or_undecided_or_larger_than_what_is_ruled_out(sizes: tuple[int, ...], deep: bool) -> None:
    """Whatever was planted: the first line names it or says `undecided`, or the second does not rule out its size."""
    for seed in range(20 if deep else 3):
        random = Random(f"{sizes} {seed}")
        faults = [_plant(size, random) for size in sizes]
        first, second, *_ = _lines(faults, seed)
        ruled_out = re.fullmatch(
            r"  Not known: whether other sets of (\d+) or more flag values make it fail, too", second
        )
        assert ruled_out
        for fault in faults:
            names = first.partition(":")[0].removeprefix("fails when ").split(", or when ")
            parts = [set(name.split(" and ")) <= set(_text(fault).split(" and ")) for name in names]
            assert any(parts) or "undecided: " in first or len(fault) >= int(ruled_out[1]), (first, second, fault)


def test_the_flaky_combinations_are_listed_by_their_ids() -> None:
    """The first three; the others are counted."""
    rows = [tuple(int(index == on) for index in range(20)) for on in range(5)]
    location = CauseSearchResult((), 1, (), "the budget of 53 runs is spent", 53, tuple(rows))
    lines = list(
        flag_search_lines(FlagSearchResult(FailingTest("test_ask[*]", FLAGS, ()), location, 1, "pytest x", ("Why",)))
    )
    assert [
        "undecided: the budget of 53 runs is spent: test_ask[*] (1 further combination ran)",
        "  Not known: whether other sets of 2 or more flag values make it fail, too",
        "  Flaky, and left out: f0, f1, f2 and 2 more",
        "  Why",
        "  To reproduce: pytest x",
    ] == lines


def test_a_combination_that_passed_and_failed_is_said_to_be_left_out(pytestconfig: pytest.Config) -> None:
    """Of a test that ran under all combinations."""
    flags = FLAGS[:1]
    outcomes = [(0, True), (1, False), (0, False), (0, True)]
    runs = tuple(_run({"f0": on}, passed) for on, passed in outcomes)
    lines = list(blame_lines(pytestconfig, [FailingTest("test_ask[*]", flags, runs)], [], flags))
    assert "  Combinations that both passed and failed are left out" in lines


def _run(row: dict[str, int], passed: bool, is_miss: bool = False) -> MatrixRun:
    """Return a run of a combination."""
    found = {"nodeid": f"test_ask[{row}]", "test": "", "row": row, "has_passed": passed, "is_miss": is_miss}
    return cast(MatrixRun, found)


@pytest.mark.parametrize(("has_passed", "error", "miss"), [(True, "f1", "f0"), (False, "f1", "not f1")])
def test_misses_and_errors_of_a_test_are_explained_apart(
    pytestconfig: pytest.Config, has_passed: bool, error: str, miss: str
) -> None:
    """One hides the other, so a combination with one of them says nothing of the other, unless none passes."""
    runs = (
        _run({"f0": 0, "f1": 0}, has_passed, is_miss=not has_passed),
        _run({"f0": 1, "f1": 0}, False, is_miss=True),
        _run({"f0": 0, "f1": 1}, False),
        _run({"f0": 1, "f1": 1}, False),
    )
    lines = list(blame_lines(pytestconfig, [FailingTest("test_ask[*]", FLAGS[:2], runs)], [], FLAGS[:2]))
    assert [
        f"fails with an error when {error}: 1 test (test_ask[*])",
        f"sends what is not recorded when {miss}: 1 test (test_ask[*])",
    ] == lines[::2]
