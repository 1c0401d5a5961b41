"""Every case can fail: with the agent broken in the way that the case is for, its own assertion says so."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOUND = "sound"
PATIENCE = 300
"""Seconds that the cases may take, broken in every way, on a busy machine."""

BYTE_IDENTICAL = "the next request's body is byte-identical to the uninterrupted one"
BROKEN = (
    ("test_matrix[off]", "matrix.marks_whatever_the_flag", "cache marks are set by their flag alone"),
    ("test_matrix[off]", "matrix.more_tokens_than_plain", "4096 tokens are requested"),
    ("test_matrix[off]", "matrix.a_body_key_named_beta", "no key of the body is named beta"),
    ("test_matrix[off]", "matrix.a_parameter_nobody_asked_for", "the request is plain"),
    ("test_matrix[off]", "matrix.a_beta_nobody_asked_for", "no beta is requested"),
    ("test_matrix[off]", "matrix.a_word_before_each_answer", "the visible transcript equals that of off"),
    ("test_matrix[streaming]", "matrix.deltas_kept_back", "deltas are shown as they come"),
    ("test_matrix[streaming]", "matrix.flags_read_at_import", "stream is set by its flag alone"),
    ("test_matrix[streaming]", "matrix.spaces_lost_between_deltas", "the deltas join to the final text"),
    (
        "test_matrix[streaming]",
        "matrix.first_token_at_the_end",
        "the agent's first-token time equals the timeline's",
    ),
    ("test_matrix[prompt_cache]", "matrix.marks_in_string_form", "cache marks are in object form"),
    ("test_matrix[prompt_cache]", "matrix.flags_read_when_the_agent_is_made", "4096 tokens are requested"),
    ("test_matrix[prompt_cache]", "matrix.a_prompt_that_changes", "the second turn reads the cache"),
    ("test_matrix[prompt_cache]", "matrix.only_the_prompt_is_marked", "tools, system and user turns are marked"),
    ("test_matrix[extended_output]", "matrix.max_tokens_not_read", "max_tokens is MAX_TOKENS"),
    ("test_matrix[extended_output]", "matrix.a_budget_for_every_model", "thinking has the form that the model needs"),
    ("test_matrix[extended_output]", "matrix.no_thinking", "thinking is set by its flag alone"),
    ("test_matrix[extended_output]", "matrix.a_stream_for_long_answers", "stream is set by its flag alone"),
    (
        "test_matrix[streaming+prompt_cache]",
        "matrix.usage_counted_twice",
        "usage of start and delta is not counted twice, and cache tokens are kept",
    ),
    ("test_matrix[streaming+prompt_cache]", "matrix.cache_tokens_lost", "the second turn reads the cache"),
    (
        "test_matrix[streaming+extended_output]",
        "matrix.no_long_answers_at_all",
        "with a stream, 64,000 tokens are allowed",
    ),
    (
        "test_matrix[prompt_cache+extended_output]",
        "matrix.fewer_marks_where_it_thinks",
        "tools, system and user turns are marked",
    ),
    (
        "test_matrix[streaming+prompt_cache+extended_output]",
        "matrix.results_remembered_by_tool",
        "both tool turns are played",
    ),
    ("test_stream_input_json", "tools.only_the_last_delta", "the whole input reaches the tool"),
    ("test_stream_input_json", "tools.no_delay", "the tool runs half a second later"),
    ("test_stream_input_json", "tools.the_tool_before_its_event", "the tool_use event comes first"),
    ("test_missing_param", "tools.defaults_left_out", "the declared default is used"),
    ("test_missing_param", "tools.a_command_invented", "the call without one is answered with an error"),
    ("test_missing_param", "tools.a_problem_without_its_name", "the error names the parameter"),
    ("test_tool_raises", "tools.what_a_tool_raises_ends_the_turn", "the next request goes out"),
    ("test_tool_raises", "tools.an_error_passed_off_as_a_result", "the result is marked as an error"),
    ("test_tool_raises", "tools.an_error_without_its_words", "the result says what was raised"),
    ("test_parallel_ids", "tools.results_in_turns_of_their_own", "both results are in one user turn"),
    ("test_parallel_ids", "tools.results_under_each_others_ids", "each result has its call's id"),
    ("test_thinking_roundtrip", "tools.no_signature", "the signature is intact"),
    ("test_thinking_roundtrip", "tools.half_a_signature", "the signature is intact"),
    ("test_thinking_roundtrip", "tools.no_thinking", "thinking is sent back first"),
    ("test_thinking_roundtrip", "tools.thinking_after_the_call", "thinking is sent back first"),
    ("test_thinking_roundtrip", "tools.thinking_in_other_words", "the thinking is intact"),
    ("test_truncated_call", "tools.cut_calls_run", "the cut call is not executed"),
    (
        "test_truncated_call",
        "tools.a_cut_call_refused_without_a_reason",
        "the model is told that max_tokens cut it",
    ),
    (
        "test_restart",
        "context.keys_sorted_on_disk",
        "the next request's body is byte-identical to the uninterrupted one",
    ),
    ("test_restart", "context.told_each_time", BYTE_IDENTICAL),
    (
        "test_crash_safe",
        "context.written_in_place",
        "the file holds the old session or the new one, never half of one",
    ),
    ("test_crash_safe", "context.fields_that_were_never_sent", "SDK objects are saved in the API's form"),
    (
        "test_crash_safe",
        "context.a_corrupt_file_taken_for_an_empty_session",
        "a corrupt file is refused, by its name",
    ),
    ("test_pending_tool_use", "context.not_healed", "no call is left without a result"),
    ("test_pending_tool_use", "context.the_call_taken_back", "the model's call is kept"),
    ("test_pending_tool_use", "context.a_result_made_up", "no result is invented"),
    ("test_pending_tool_use", "context.nothing_told", "the model is told what was repaired"),
    ("test_flags_changed", "context.nothing_told", "under other flags there is a transition prompt"),
    ("test_flags_changed", "context.told_each_time", "under the same flags there is no transition prompt"),
    ("test_flags_changed", "context.told_in_general_words", "it says what changed"),
    ("test_beta_rejected", "errors.everything_dropped", "what was refused is dropped, and no more"),
    ("test_beta_rejected", "errors.no_fallback", "what was refused is dropped, and no more"),
    ("test_beta_rejected", "errors.the_tool_without_its_beta", "the tool goes with its beta, the others stay"),
    ("test_beta_rejected", "errors.dropped_in_silence", "it is logged"),
    ("test_rate_limited", "errors.retry_after_ignored", "retry-after is honoured"),
    ("test_rate_limited", "errors.no_cap", "an excessive wait is capped"),
    ("test_rate_limited", "errors.nobody_waits", "the agent waits on the clock"),
    ("test_overloaded", "errors.the_users_turn_lost", "the user's turn is kept"),
    ("test_overloaded", "errors.said_twice", "what was said once is sent once"),
    ("test_overloaded", "errors.an_error_without_its_status", "the error has the API's status"),
    ("test_stream_error", "errors.discarded_in_silence", "the broken attempt is announced as discarded"),
    (
        "test_stream_error",
        "errors.the_broken_half_kept",
        "the text shown minus the text discarded is the final message",
    ),
    ("test_stream_cut", "errors.half_an_answer_taken_for_one", "the cut is seen as a failure"),
    ("test_stream_cut", "errors.cuts_retried_like_any_error", "it is retried once"),
    ("test_stream_cut", "errors.a_cut_told_in_general_words", "the error says what was missing"),
    ("test_token_guard", "errors.no_guard", "more than the model's maximum is refused, with the number to use"),
    ("test_token_guard", "errors.no_guard_for_the_budget", "the user's turn is kept"),
    (
        "test_token_guard",
        "errors.a_budget_refused_without_the_number_to_use",
        "a budget that leaves no token for the answer is refused, with the number to use",
    ),
    (
        "test_token_guard",
        "errors.a_guard_that_is_off_by_one",
        "too much without streaming is refused, with the number to use",
    ),
    ("test_token_guard", "errors.a_guard_after_the_fact", "nothing reaches the network"),
    ("test_cache_marks", "errors.five_marks", "there are never more than four"),
    ("test_cache_marks", "errors.marks_in_the_callers_messages", "the caller's messages hold no marks"),
)
"""A case, what is broken in the agent, and what the case then says."""

FIRST = tuple({case: (case, way, message) for case, way, message in reversed(BROKEN)}.values())
"""One way to break each case; the others are tried by `nox -s deep`."""

CASES = tuple(dict.fromkeys(case for case, _, _ in BROKEN))

EndOf = Callable[[str, str], str]


@pytest.fixture(scope="module")
def end_of(tmp_path_factory: pytest.TempPathFactory, warm_python: Callable[[], str], deep: bool) -> EndOf:
    """Return how a case ended, as the agent is or broken in a way: what was raised, or an empty text.

    All cases of a file are run when a worker asks for the first of them.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    asked = BROKEN if deep else FIRST

    @cache
    def ends_of_file(file: str) -> Mapping[tuple[str, str], str]:
        results = shared / f"broken-{file}.jsonl"
        done = results.with_suffix(".done")
        try:
            results.touch(exist_ok=False)
        except FileExistsError:
            _wait_for(done)  # another worker of this run is at it
        else:
            try:
                _run_them(results, file, warm_python(), [(case, way) for case, way, _ in asked if _file(way) == file])
            finally:
                done.touch()
        rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
        return {(case, way): end for case, way, end in rows}

    def end(case: str, way: str) -> str:
        return ends_of_file(next(_file(way) for one, way, _ in BROKEN if one == case))[case, way]

    return end


def _file(way: str) -> str:
    """The file of the cases that a way of breaking the agent is for: `cases/test_tools.py` for `tools.no_delay`."""
    return f"test_{way.partition('.')[0]}"


def _wait_for(done: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.1)


def _run_them(results: Path, file: str, python: str, asked: Sequence[tuple[str, str]]) -> None:
    options = ("--disable-recording", "--harness-upstream=simulator", "-p", "no:cacheprovider", "-p", "broken.plugin")
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "BROKEN_CASES": json.dumps(asked),
        "BROKEN_RESULTS": str(results),
    }
    command = [python, "-m", "pytest", f"cases/{file}.py", "-q", "--tb=short", *options]
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE)
    assert results.stat().st_size, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("case", "way", "message"),
    [pytest.param(*one, id="-".join(one[:2]), marks=() if one in FIRST else pytest.mark.deep) for one in BROKEN],
)
def test_a_case_fails_on_its_own_assertion(end_of: EndOf, case: str, way: str, message: str) -> None:
    """Without any cassette, so that nothing but the case itself can notice."""
    assert f"AssertionError: {message}" == end_of(case, way)


@pytest.mark.parametrize("case", CASES)
def test_the_case_passes_with_the_agent_as_it_is(end_of: EndOf, case: str) -> None:
    """In the same run."""
    assert "" == end_of(case, SOUND)


def test_there_is_a_way_to_break_each_of_the_25(warm_python: Callable[[], str]) -> None:
    """And no case is named that there is not."""
    command = [warm_python(), "-m", "pytest", "--feature=all", "--collect-only", "-q", "-p", "no:cacheprovider"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.partition("::")[2] for line in listed.splitlines() if "::" in line} == {*CASES}
    assert 25 == len(CASES)
