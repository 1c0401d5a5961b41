"""`--harness-locate`: further rows of failing tests are run until it is known which flags broke them."""

import pytest

FLAGS = [f"f{index}" for index in range(12)]
CONFIGURATION = "[tool.flag-harness.flags]\n" + "".join(f'{name} = "{name.upper()}"\n' for name in FLAGS)
TEST = """
import os

import anthropic
import pytest

@pytest.mark.flag_matrix(strength=2)
def test_ask(cassette, flags):
    anthropic.Anthropic(max_retries=0).messages.create(
        model="claude-haiku-4-5",
        max_tokens=200,
        messages=[{"role": "user", "content": TEXT}],
    )
    assert not (CONDITION)
"""
SIMULATED = ("--disable-recording", "--harness-upstream=simulator")
HIDDEN = "'f2' in flags and 'f5' in flags and 'f7' not in flags"
"""A fault that no row of the covering array shows alone."""


def _test(condition: str, text: str = "'Hello.'") -> str:
    return TEST.replace("CONDITION", condition).replace("TEXT", text)


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with twelve flags, of which three together break a test."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_ask=_test(HIDDEN))
    return pytester


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_three_flags_are_named_exactly(repository: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Also if workers ran the tests. Only those are counted, and the last line reproduces the failure."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", *workers)
    assert {"passed", "failed"} == run.parseoutcomes().keys()
    assert 7 == sum(run.parseoutcomes().values())
    run.stdout.fnmatch_lines(
        [
            "locating test_ask.py::test_ask[[]*[]]: run 1 of at most 45",
            "*- which flags broke it -*",
            "fails when f2 and f5 and not f7: test_ask.py::test_ask[[]*[]] (* further combinations ran)",
            "  Not known: other conjunctions of * or more literals are not ruled out",
            "  Answered by: the simulator",
            "  To reproduce: pytest 'test_ask.py::test_ask[[]f2+f5[]]'",
        ]
    )


def test_the_command_that_reproduces_runs_a_row_that_the_matrix_leaves_out(repository: pytest.Pytester) -> None:
    """A combination can be named by its id, whichever rows the covering array has."""
    run = repository.runpytest_subprocess(*SIMULATED, "test_ask.py::test_ask[f2+f5]")
    run.assert_outcomes(failed=1)
    run = repository.runpytest_subprocess(*SIMULATED, "test_ask.py::test_ask[f2+f5+f7]")
    run.assert_outcomes(passed=1)


def test_a_quiet_run_shows_no_progress(repository: pytest.Pytester) -> None:
    """The result is printed."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", "-q")
    run.stdout.no_fnmatch_line("*locating*")
    run.stdout.fnmatch_lines(["fails when f2 and f5 and not f7: *"])


def test_without_the_option_a_covering_array_names_suspects_only(repository: pytest.Pytester) -> None:
    """What the rows cannot tell apart is not called by name."""
    run = repository.runpytest_subprocess(*SIMULATED)
    run.stdout.fnmatch_lines(
        [
            "perhaps fails when *: 1 test (test_ask.py::test_ask[[]*[]])",
            "  7 of 4,096 combinations ran; these explain it as well: * and * more",
            "  To find out which: add --harness-locate",
        ]
    )
