"""The oracles of a sweep: checks that apply to any agent, whatever its test asserts. Each finds one kind of failure.

Each gets a run of a test under a trouble (such as a fault) and the baseline, the same test's run without a trouble.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from flag_harness.sweep.judge.observation import ObservedExchange, TestObservation
from flag_harness.sweep.judge.tools import find_hidden_tool_error, find_mixed_up_results
from flag_harness.sweep.judge.turns import (
    answer_lines,
    count_user_texts,
    find_repeated_user_text,
    has_all_answers,
    max_repetitions_of_user_texts,
    request_blocks_with_role,
    request_lines,
)
from flag_harness.sweep.judge.usage import find_wrong_usage
from flag_harness.wire.timeline import header_value

MAX_CALL_SECONDS = 7200.0
"""A test function counts as hung after this many seconds. Three attempts that each hit the SDK's read timeout take
1800.
"""
MAX_REQUESTS_ABOVE_BASELINE = 20
"""A test counts as flooding the API if it sends more requests than three times those of the run without a trouble, plus
this number. The SDK sends a request three times at most.
"""
MAX_CACHE_MARKS = 4
MAX_RETRY_AFTER_SECONDS = 3600.0
"""The longest `retry-after`, in seconds, that an agent must wait for. If it is longer, the agent may give up
instead.
"""
_TRUNCATING_STOP_REASONS = ("max_tokens", "model_context_window_exceeded")

Oracle: TypeAlias = Callable[[TestObservation, TestObservation], str]
"""A function that gets a run under a trouble and the run without one (the baseline). It returns what is wrong, or an
empty string.
"""


@dataclass(frozen=True, slots=True)
class OracleFinding:
    """A failure of a test under a trouble such as a fault.

    `oracle` is the name of the check that found it, and `reason` says what is wrong. `location` is the file and line of
    the exception, or empty if there was no exception.
    """

    oracle: str
    reason: str
    location: str = ""


def find_failures(observed: TestObservation, baseline: TestObservation) -> tuple[OracleFinding, ...]:
    """Return what the oracles (checks) find wrong with a run, the most likely cause first.

    Each compares the run with `baseline`, the same test's run without a trouble.
    """
    places = {"raw exception": observed.first_call.location, "own assertion": observed.first_call.location}
    if observed.second_call is not None:
        places["next prompt"] = observed.second_call.location
    found = ((name, oracle(observed, baseline)) for name, oracle in ORACLES.items())
    return tuple(OracleFinding(name, reason, places.get(name, "")) for name, reason in found if reason)


def _find_hang(observed: TestObservation, baseline: TestObservation) -> str:
    """Return how a call of the test function hung or took too long, or an empty string."""
    for call in observed.test_calls:
        if call.ending == "hung":
            return call.message or "the test does not end"
        if call.seconds > MAX_CALL_SECONDS:
            return f"the test takes {call.seconds:,.0f} s"
    return ""


def _find_request_flood(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if the test sent far more requests than in the baseline, or an empty string."""
    sent, usual = len(list(observed.prompts(1))), len(list(baseline.prompts(1)))
    return f"{sent} requests, not {usual}" if sent > 3 * usual + MAX_REQUESTS_ABOVE_BASELINE else ""


def _find_raw_exception(observed: TestObservation, baseline: TestObservation) -> str:
    """Return the message of the exception that the test function raised, or an empty string.

    An exception that reports a failure of the API does not count.
    """
    return observed.first_call.message if observed.first_call.ending == "raised" else ""


def _find_too_many_cache_marks(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if a request has more cache marks than the API accepts, or an empty string."""
    marks = max((_count_cache_marks(one.body) for one in observed.prompts()), default=0)
    return f"a request has {marks} cache marks; the API accepts {MAX_CACHE_MARKS}" if marks > MAX_CACHE_MARKS else ""


def _count_cache_marks(value: Any) -> int:
    """Return the number of cache marks (`cache_control`) in a JSON value."""
    if isinstance(value, list):
        return sum(map(_count_cache_marks, value))
    if isinstance(value, dict):
        own = 1 if isinstance(value.get("cache_control"), dict) else 0
        return own + sum(
            _count_cache_marks(part) for key, part in value.items() if key not in ("cache_control", "input")
        )
    return 0


def _find_illegal_request(observed: TestObservation, baseline: TestObservation) -> str:
    """Return why the API would refuse one of the requests, or an empty string."""
    return next((one.refusal for one in observed.exchanges if one.refusal), "")


def _find_executed_incomplete_call(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if the agent ran a tool call of an answer that was cut off or refused, or an empty string."""
    cut = dict(_calls_in_incomplete_answers(observed))
    for one in observed.prompts():
        for block in request_blocks_with_role(one, "user"):
            name = cut.get(str(block.get("tool_use_id")))
            if block.get("type") == "tool_result" and name and not block.get("is_error"):
                return f"the tool {name} ran although the answer that calls it was cut off or refused"
    return ""


def _calls_in_incomplete_answers(observed: TestObservation) -> Iterator[tuple[str, str]]:
    """Yield the id and tool name of each tool call that must not run, because its answer was cut off or refused."""
    for one in observed.prompts():
        calls = [block for block in one.answer.blocks if block.get("type") == "tool_use"]
        reason = one.answer.message.get("stop_reason")
        if one.is_complete and reason in _TRUNCATING_STOP_REASONS:
            calls = [block for block in calls[-1:] if block is one.answer.blocks[-1]]
        elif one.is_complete and reason != "refusal":
            continue
        yield from ((str(block.get("id")), str(block.get("name"))) for block in calls)


def _find_incomplete_answer_in_request(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if a request contains part of a cut-off answer as if it were complete, or an empty string."""
    whole = {line for one in observed.prompts() if one.is_complete for line in answer_lines(one)}
    whole |= {line for one in baseline.prompts() for line in (*request_lines(one), *answer_lines(one))}
    cut = {line for one in observed.prompts() if not one.is_complete for line in answer_lines(one)} - whole
    cut_ids = _ids_of_tool_calls(observed, is_complete=False) - _ids_of_tool_calls(observed, is_complete=True)
    for one in observed.prompts():
        kept = [line[1] for line in request_lines(one) if line in cut]
        kept += ["tool_use" for block in request_blocks_with_role(one, "assistant") if _tool_call_id(block) in cut_ids]
        if kept:
            return f"a request holds part of an answer that was cut off, as if it were complete: {kept[0]}"
    return ""


def _ids_of_tool_calls(observed: TestObservation, *, is_complete: bool) -> set[str]:
    """Return the ids of the tool calls in complete answers, or in answers that were cut off if `is_complete` is
    false.
    """
    answers = [one.answer for one in observed.prompts() if one.is_complete == is_complete]
    return {call for answer in answers for block in answer.blocks if (call := _tool_call_id(block))}


def _tool_call_id(block: Mapping[str, Any]) -> str:
    """Return the id of a tool call, which an agent keeps even if it changes the call's input, or an empty string."""
    return str(block.get("id") or "") if block.get("type") == "tool_use" else ""


def _find_repeated_user_turn(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if a request contains the user's turn more often than in the baseline, or an empty string."""
    for call in (1, 2):
        allowed = max_repetitions_of_user_texts(one for one in baseline.prompts() if one.call_number <= call)
        for one in observed.prompts(call):
            if text := find_repeated_user_text(request_lines(one), allowed):
                return f"a request holds the user's turn more than once: {text[:60]!r}"
    return ""


def _find_lost_turn(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if the last request lacks a turn that it has in the baseline, or an empty string."""
    if not has_recovered(observed, baseline) or not (prompts := list(observed.prompts(1))):
        return ""
    found, expected = request_lines(prompts[-1]), request_lines(list(baseline.prompts(1))[-1])
    if sum(count_user_texts(found).values()) < sum(count_user_texts(expected).values()):
        return "the last request lacks a turn of the user"
    own, usual = (sum(line[0] == "assistant" for line in lines) for lines in (found, expected))
    return "the last request lacks an answer of the model" if own < usual else ""


def _find_ignored_retry_after(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if the agent retried sooner than `retry-after` allows, or an empty string."""
    for first, second in pairwise(observed.prompts(1)):
        seconds = _retry_after_seconds(first)
        waited = second.sent_at - first.ended_at
        is_retry = first.body["messages"][-1:] == second.body["messages"][-1:]
        has_arrived = waited > -0.01  # an agent that gave up on the answer before has not read its headers
        if seconds and is_retry and has_arrived and waited < seconds - 0.01:
            return f"retry-after said {seconds:g} s, and the next request came after {waited:.2f} s"
    return ""


def _retry_after_seconds(exchange: ObservedExchange) -> float:
    """Return the seconds that an error asks the client to wait, or 0."""
    headers = exchange.response_headers
    milliseconds, seconds = header_value(headers, "retry-after-ms"), header_value(headers, "retry-after")
    if exchange.answer.status == 200:
        return 0.0
    try:
        wait = float(milliseconds) / 1000 if milliseconds else float(seconds or 0)
    except ValueError:
        return 0.0
    return wait if wait <= MAX_RETRY_AFTER_SECONDS else 0.0


def _find_broken_cache_prefixes(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if at least half of the requests changed their cached prefix, or an empty string."""
    marked = sum(_count_cache_marks(one.body) > 0 for one in observed.prompts())
    broken = observed.broken_prefix_count
    return f"{broken} of {marked} requests change the cached prefix" if broken >= 2 and broken * 2 >= marked else ""


def _find_failed_next_prompt(observed: TestObservation, baseline: TestObservation) -> str:
    """Return why the second call of the test function failed, or an empty string.

    The second call sends the next prompt. It only counts if it passed in the baseline.
    """
    again, usual = observed.second_call, baseline.second_call
    if again is None or usual is None or usual.ending != "returned":
        return ""
    if again.ending in ("reported", "raised"):
        return again.message
    return (
        again.message
        if again.ending == "assertion" and _has_baseline_answers(observed, baseline, call_number=2)
        else ""
    )


def _find_failed_assertion(observed: TestObservation, baseline: TestObservation) -> str:
    """Return the failed assertion of a test although its agent got all answers of the baseline, or an empty string."""
    is_assertion = observed.first_call.ending == "assertion"
    return (
        observed.first_call.message if is_assertion and _has_baseline_answers(observed, baseline, call_number=1) else ""
    )


def _has_baseline_answers(observed: TestObservation, baseline: TestObservation, call_number: int) -> bool:
    """Return whether the agent got, in one call of the test function, every answer that it got in the baseline.

    If so, the test's own assertions must hold.
    """
    return not observed.has_missing_turn and has_all_answers(observed, baseline, call_number)


def has_recovered(observed: TestObservation, baseline: TestObservation) -> bool:
    """Return whether the test function passed, and the agent got every answer that it got in the baseline."""
    return observed.first_call.ending == "returned" and _has_baseline_answers(observed, baseline, call_number=1)


ORACLES: Mapping[str, Oracle] = {
    "hang": _find_hang,
    "flood": _find_request_flood,
    "cache marks": _find_too_many_cache_marks,
    "cut call executed": _find_executed_incomplete_call,
    "cut answer kept": _find_incomplete_answer_in_request,
    "user turn repeated": _find_repeated_user_turn,
    "illegal request": _find_illegal_request,
    "turn lost": _find_lost_turn,
    "retry-after ignored": _find_ignored_retry_after,
    "tool error hidden": find_hidden_tool_error,
    "results mixed up": find_mixed_up_results,
    "cached prefix changes": _find_broken_cache_prefixes,
    "reported usage": find_wrong_usage,
    "raw exception": _find_raw_exception,
    "own assertion": _find_failed_assertion,
    "next prompt": _find_failed_next_prompt,
}
"""The oracles by name, in the order in which their findings are reported: a cause before its consequences."""
