"""`--harness-repeat` and `harness_repeat`: repetitions, their recordings, their rows, and the summary."""

import json
from pathlib import Path

import pytest

TEST = """
import anthropic, pathlib, pytest

def ask():
    call = dict(model="claude-haiku-4-5", max_tokens=5, messages=[{"role": "user", "content": "Hello."}])
    return anthropic.Anthropic(max_retries=0).messages.create(**call)

@pytest.mark.flag_matrix("streaming")
def test_matrix(cassette):
    ask()

@pytest.mark.harness_repeat(3)
def test_flaky(cassette, request):
    ask()
    assert "repeat2" not in request.node.nodeid

def test_without_harness():
    pass
"""
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")
FOLDER = Path("recordings/test_it")


def _rows(path: Path) -> list[tuple[str, int, str]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    return [(row["case"].partition("::")[2], row.get("repetition", 0), row["outcome"]) for row in rows]


def test_each_repetition_has_a_recording_and_a_row_and_flaky_tests_are_named(pytester: pytest.Pytester) -> None:
    """The mark repeats one test; failed repetitions are recorded too, and fail again when they are played."""
    pytester.makepyfile(test_it=TEST)
    run = pytester.runpytest_inprocess(*RECORD, "-k", "flaky", "--harness-record=run.jsonl")
    run.assert_outcomes(passed=2, failed=1)
    run.stdout.fnmatch_lines(
        [
            "repeated: off: 3 runs of 1 test: pass rate 66.7% (95 % interval 20.8% to 93.9%); pass@3 100.0%, pass^3 *",
            "flaky: test_it.py::test_flaky: 2 of 3 runs passed, pass rate 66.7% (95 % interval 20.8% to 93.9%)",
        ]
    )
    rows = [("test_flaky", 0, "passed"), ("test_flaky", 1, "failed"), ("test_flaky", 2, "passed")]
    assert rows == _rows(pytester.path / "run.jsonl")
    names = ["test_flaky.json", "test_flaky.repeat2.json", "test_flaky.repeat3.json"]
    assert names == sorted(path.name for path in (pytester.path / FOLDER).iterdir())
    pytester.runpytest_inprocess("-k", "flaky").assert_outcomes(passed=2, failed=1)


def test_repetitions_beyond_the_recorded_ones_are_refused(pytester: pytest.Pytester) -> None:
    """Playing a recording twice is no new evidence, so the message says how to record more or to ask for fewer."""
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest_inprocess(*RECORD, "-k", "matrix", "--harness-repeat=2").assert_outcomes(passed=4)
    run = pytester.runpytest_inprocess("-k", "matrix", "--harness-repeat=3")
    run.assert_outcomes(passed=4, errors=2)
    run.stdout.fnmatch_lines(
        [
            "*test_matrix[[]off]*: repetition 3 is not recorded*no new evidence.",
            "To record it: pytest *--harness-repeat=3 --record-mode=once*; or ask for fewer: --harness-repeat=2",
        ]
    )


def test_rounds_run_one_after_the_other_and_a_node_id_names_one(pytester: pytest.Pytester) -> None:
    """Both arms of a comparison are interleaved in time, and only tests that use the harness are repeated."""
    pytester.makepyfile(test_it=TEST)
    run = pytester.runpytest_inprocess("--harness-repeat=2", "--collect-only", "-q")
    run.stdout.fnmatch_lines(
        [
            "test_it.py::test_matrix[[]off]",
            "test_it.py::test_matrix[[]streaming]",
            "test_it.py::test_flaky",
            "test_it.py::test_without_harness",
            "test_it.py::test_matrix[[]off-repeat2]",
            "test_it.py::test_matrix[[]streaming-repeat2]",
            "test_it.py::test_flaky[[]repeat2]",
            "7 tests collected*",
        ]
    )
    one = "test_it.py::test_matrix[off-repeat2]"
    pytester.runpytest_inprocess(*RECORD, "--harness-repeat=2", one).assert_outcomes(passed=1)


def test_a_run_without_repetitions_does_not_call_their_recordings_orphans(pytester: pytest.Pytester) -> None:
    """`cassette prune` must not offer to remove them."""
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest_inprocess(*RECORD, "--harness-repeat=2", "-k", "matrix")
    pytester.makepyfile(test_it=TEST.replace("harness_repeat(3)", "skip"))
    run = pytester.runpytest_inprocess()
    run.assert_outcomes(passed=3, skipped=1)
    run.stdout.no_fnmatch_line("*to no test*")


@pytest.mark.parametrize("count", ["0", "-1", "1000000"])
def test_a_number_of_repetitions_that_makes_no_sense_is_refused(pytester: pytest.Pytester, count: str) -> None:
    """The message says which numbers do."""
    run = pytester.runpytest_inprocess(f"--harness-repeat={count}")
    run.stderr.fnmatch_lines([f"*--harness-repeat={count}: give a number of runs from 1 to 100,000"])


def test_a_mark_without_a_number_is_refused(pytester: pytest.Pytester) -> None:
    """The message shows how to write the mark."""
    pytester.makepyfile(test_it=TEST.replace("harness_repeat(3)", "harness_repeat"))
    run = pytester.runpytest_inprocess()
    run.stdout.fnmatch_lines(["*takes the number of runs; write @pytest.mark.harness_repeat(5)*"])
