"""Flag bugs of public projects: the flags that broke each agent are named, and nothing is once it is repaired."""

import shutil
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("suite")
BUGS = {
    "test_a_forced_tool": "thinking and structured",
    "test_a_temperature": "thinking and precise",
    "test_five_cache_marks": "tools and prompt_cache",
    "test_a_history_without_thinking": "thinking and tools",
    "test_half_of_the_output_for_thinking": "thinking and not long_output",
    "test_a_budget_on_top_of_the_output": "thinking and long_output",
    "test_a_budget_of_the_whole_output": "thinking and tools",
    "test_a_cache_mark_on_an_empty_text": "tools and prompt_cache",
    "test_a_cache_mark_on_thinking": "thinking and prompt_cache",
    "test_a_long_cache_after_a_short_one": "tools and long_cache",
    "test_a_stale_beta": "interleaved",
    "test_a_lost_signature": "streaming and thinking",
    "test_hidden_thinking": "streaming and hide_thinking",
    "test_cache_tokens_counted_twice": "streaming and prompt_cache",
    "test_arguments_of_parallel_calls": "streaming and parallel",
    "test_a_call_without_arguments": "streaming and tools",
    "test_long_output_without_a_stream": "not streaming and long_output",
    "test_a_cut_answer": "not streaming and short_answers",
    "test_no_fallback_for_streams": "streaming",
    "test_a_flag_that_cannot_be_switched_off": "not write_log",
    "test_a_clock_before_the_cache": "prompt_cache and clock",
}
"""What makes each test of the suite fail; the test's docstring names the report of the bug."""


FEW = ("test_a_forced_tool", "test_five_cache_marks", "test_a_cut_answer", "test_no_fallback_for_streams")
"""A bug of each part of a request and of an answer."""


def _run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    shutil.copytree(SUITE, pytester.path, dirs_exist_ok=True)
    return pytester.runpytest_subprocess(
        "--disable-recording", "--harness-upstream=simulator", "--tb=no", "-rN", "-p", "no:cacheprovider", *options
    )


def test_each_bug_is_blamed_on_its_flags_alone(pytester: pytest.Pytester) -> None:
    """Each test fails, and one line names exactly the flags that it depends on."""
    lines = _run(pytester).outlines
    findings = [line for line in lines if line.startswith(("fails when", "perhaps", "always"))]
    blamed = {
        name.partition("::")[2].partition("[")[0]: finding.removeprefix("fails when ").partition(":")[0]
        for finding in findings
        for name in finding.partition("(")[2].rstrip(")").split(", ")
    }
    assert BUGS == blamed


def test_nothing_is_blamed_once_the_bugs_are_fixed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    """Every test passes under every combination."""
    monkeypatch.setenv("BUGS", "fixed")
    run = _run(pytester, *(() if deep else ("-k", " or ".join(FEW))))
    assert {"passed"} == run.parseoutcomes().keys() - {"deselected"}
    run.stdout.no_fnmatch_line("*which flags broke it*")
