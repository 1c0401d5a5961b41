"""The failing runs of a matrix test, in the order in which they are shown and repeated."""

from typing import cast

from flag_harness.analysis.conjunctions import Conjunction
from flag_harness.analysis.matrix_runs import FailingTest, MatrixRun
from flag_harness.flag import Flag

FLAGS = (Flag("a", "A"), Flag("b", "B"))


def _run(name: str, a: int, b: int, passed: bool = False) -> MatrixRun:
    return cast(MatrixRun, {"nodeid": f"test_ask[{name}]", "row": {"a": a, "b": b}, "has_passed": passed})


def test_a_combination_that_always_fails_is_repeated_before_one_that_also_passed() -> None:
    """Even if it changes more flags; of two that always fail, the one that changes fewer comes first."""
    runs = (_run("off", 0, 0), _run("off-2", 0, 0, passed=True), _run("a+b", 1, 1), _run("b", 0, 1))
    test = FailingTest("test_ask", FLAGS, runs)
    assert "test_ask[b]" == test.failing_run_nearest_defaults["nodeid"]
    assert ["test_ask[b]", "test_ask[a+b]", "test_ask[off]"] == [
        run["nodeid"] for run in test.failing_runs_under(Conjunction(()))
    ]
