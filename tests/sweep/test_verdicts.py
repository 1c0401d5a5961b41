"""The verdicts of a sweep over tests, on observations made by hand; and the file of known failures."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flag_harness.errors import HarnessError
from flag_harness.sweep.earlier_outcomes import EarlierOutcomes, load_earlier_outcomes, save_outcomes
from flag_harness.sweep.judge import (
    ObservedExchange,
    OracleFinding,
    TestCallResult,
    TestObservation,
    TroubleResult,
    judge_run_under_trouble,
)
from flag_harness.sweep.judge.turns import answer_lines, request_lines
from flag_harness.sweep.judge.usage import find_wrong_usage
from flag_harness.sweep.probe import TooManyRequestsError, TrafficProbe
from flag_harness.wire.message import ParsedResponse
from flag_harness.wire.timeline import Request

ASK, MORE = {"role": "user", "content": "What is 2 + 3?"}, {"role": "user", "content": "And 4 more?"}
SAID = {"role": "assistant", "content": "It is 5."}


def _exchange(messages: Sequence[Any], *blocks: Any) -> ObservedExchange:
    answer = ParsedResponse(200, False, {"content": list(blocks)}, is_complete=True, error=None)
    return ObservedExchange(1, "/v1/messages", {"messages": list(messages)}, (), 0.0, 1.0, (), answer)


TEXT = {"type": "text", "text": "It is 5."}
BASELINE = TestObservation(
    (TestCallResult("returned"),),
    (_exchange([ASK], TEXT), _exchange([ASK, SAID, MORE], {"type": "text", "text": "9."})),
)
FIRED = replace(BASELINE, fired_count=1)


def _judge(observed: TestObservation) -> tuple[str, tuple[tuple[str, str], ...]]:
    result = judge_run_under_trouble("test_sum", "overloaded", "overloaded:on=1", observed, BASELINE)
    return result.outcome, tuple((one.oracle, one.reason) for one in result.findings)


@pytest.mark.parametrize(
    ("observed", "outcome", "findings"),
    [
        (BASELINE, "does not apply", ()),
        (FIRED, "recovered", ()),
        (
            replace(FIRED, test_calls=(), setup_problem="setup: no database"),
            "failed",
            (("fixture", "setup: no database"),),
        ),
        (replace(FIRED, test_calls=(TestCallResult("refused", "not recorded"),)), "not shown", ()),
        (replace(FIRED, test_calls=(TestCallResult("hung", "it waits"),)), "failed", (("hang", "it waits"),)),
        (replace(FIRED, test_calls=(TestCallResult("hung"),)), "failed", (("hang", "the test does not end"),)),
        (
            replace(FIRED, test_calls=(TestCallResult("returned", seconds=9000),)),
            "failed",
            (("hang", "the test takes 9,000 s"),),
        ),
    ],
)
def test_a_run_is_judged_by_how_it_ended(
    observed: TestObservation, outcome: str, findings: tuple[tuple[str, str], ...]
) -> None:
    """A problem of a fixture fails, and so does a test that does not end."""
    assert (outcome, findings) == _judge(observed)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([SAID, MORE], "the last request lacks a turn of the user"),
        ([ASK, MORE], "the last request lacks an answer of the model"),
    ],
)
def test_a_lost_turn_is_found(messages: list[Any], reason: str) -> None:
    """The test passes, but the agent has forgotten a part of the conversation."""
    first, last = BASELINE.exchanges
    observed = replace(FIRED, exchanges=(first, replace(last, body={"messages": messages})))
    assert ("failed", (("turn lost", reason),)) == _judge(observed)


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [("reset:on=1 + overloaded:on=2", "failed"), ("reset:on=1 + tool_returns_none:on=2", "recovered")],
)
def test_the_assertions_of_a_test_do_not_count_after_another_result_of_a_tool(trouble: str, outcome: str) -> None:
    """Not in a schedule either."""
    observed = replace(FIRED, test_calls=(TestCallResult("assertion", "assert 5 in answer"),))
    result = judge_run_under_trouble("test_sum", "schedule", trouble, observed, BASELINE)
    assert (outcome == "failed") == bool(result.findings)


def test_an_answer_that_the_agent_asked_for_again_did_not_arrive() -> None:
    """The agent could not read it, and gave up after the next one, so it may leave the turn out."""
    first, last = BASELINE.exchanges
    exchanges = (first, _exchange([ASK]), replace(last, body={"messages": [MORE]}))
    assert ("accepted", ()) == _judge(replace(FIRED, exchanges=exchanges))


@pytest.mark.parametrize("value", [{}, {"a": 2}, '{"a": 2'])
def test_a_call_that_was_cut_off_and_repaired_is_found(value: object) -> None:
    """The agent keeps the call under its id, with a part of its input or none."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "add"}
    cut = _exchange([ASK], {**call, "input": '{"a": 2'})
    cut = replace(cut, answer=replace(cut.answer, is_complete=False))
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "b is missing", "is_error": True}
    turns = [ASK, {"role": "assistant", "content": [{**call, "input": value}]}, {"role": "user", "content": [result]}]
    outcome, findings = _judge(replace(FIRED, exchanges=(cut, _exchange(turns, TEXT))))
    assert "failed" == outcome
    assert ["cut answer kept"] == [oracle for oracle, _ in findings]


def _with_results(*results: tuple[str, str]) -> ObservedExchange:
    """Return a prompt with two calls of a tool, and results by the ids of calls."""
    calls = [{"type": "tool_use", "id": item, "name": "stock", "input": {"item": item}} for item in ("socks", "shoes")]
    blocks = [{"type": "tool_result", "tool_use_id": item, "content": text} for item, text in results]
    user = {"role": "user", "content": [*blocks, {"type": "text", "text": "Go on."}]}
    return _exchange([ASK, {"role": "assistant", "content": calls}, user], TEXT)


@pytest.mark.parametrize(
    ("results", "findings"),
    [
        ([("socks", "7"), ("shoes", "8"), ("hats", "9")], ()),
        ([("socks", "9"), ("shoes", "8")], ()),
        (
            [("socks", "8"), ("shoes", "7")],
            (
                (
                    "results mixed up",
                    'the result of stock {"item": "shoes"} was sent for the call stock {"item": "socks"}',
                ),
            ),
        ),
    ],
)
def test_a_result_that_belongs_to_another_call_is_found(
    results: list[tuple[str, str]], findings: tuple[tuple[str, str], ...]
) -> None:
    """A result that is merely new may come from a tool that returns something else each time."""
    baseline = replace(BASELINE, exchanges=(_with_results(("socks", "7"), ("shoes", "8")),))
    observed = replace(baseline, fired_count=1, exchanges=(_with_results(*results),))
    result = judge_run_under_trouble("test_sum", "tool_answers_late", "tool_answers_late:on=1", observed, baseline)
    assert findings == tuple((one.oracle, one.reason) for one in result.findings)


@pytest.mark.parametrize("message", [{"role": "user"}, {"role": "user", "content": 5}, "text"])
def test_a_malformed_request_has_no_lines(message: Any) -> None:
    """The API refuses it; the comparison of turns goes on with the other requests."""
    assert () == request_lines(_exchange([message]))


def test_a_malformed_answer_has_no_lines() -> None:
    """A fault may have cut the type of a block off."""
    assert () == answer_lines(_exchange([ASK], {"text": "It is 5."}))


def test_a_new_failure_fails_beside_known_ones() -> None:
    """The file knows another trouble of the test only."""
    result = TroubleResult("test_sum", "stall", "stall:on=1", "failed", (OracleFinding("hang", "it waits"),))
    assert result == EarlierOutcomes({"test_sum": {"overloaded:on=1": "failed: hang"}}).compare_result(result)
    assert "known" == EarlierOutcomes({"test_sum": {"stall:on=1": "failed: hang"}}).compare_result(result).outcome


def test_a_file_of_outcomes_of_another_version_is_an_error(tmp_path: Path) -> None:
    """The message says what to do."""
    path = tmp_path / "seen.json"
    path.write_text('{"version": 99, "outcomes": {}}')
    with pytest.raises(HarnessError, match="version 99 is unknown; delete the file to write it anew"):
        load_earlier_outcomes(path)


def test_an_outcome_that_does_not_apply_is_not_saved(tmp_path: Path) -> None:
    """It is no promise for the next sweep."""
    path = tmp_path / "seen.json"
    recovered = TroubleResult("test_sum", "stall", "stall:on=1", "recovered", ())
    save_outcomes(path, [recovered, replace(recovered, trouble="stall:on=9", outcome="does not apply")])
    assert EarlierOutcomes({"test_sum": {"stall:on=1": "recovered"}}) == load_earlier_outcomes(path)


def test_tokens_that_no_readable_answer_has_are_wrong() -> None:
    """A fault has garbled the count of the answer."""
    answer = ParsedResponse(
        200, False, {"content": [TEXT], "usage": {"input_tokens": "many"}}, is_complete=True, error=None
    )
    exchange = replace(BASELINE.exchanges[0], answer=answer)
    observed = TestObservation((TestCallResult("returned", usage={"input_tokens": 5}),), (exchange,))
    assert "the agent reports 5 input_tokens, and its answers have 0" == find_wrong_usage(observed, observed)


def test_a_repeated_request_may_have_an_answer_that_does_not_count() -> None:
    """An agent that failed elsewhere sends as many requests as without a trouble."""
    usage = {"input_tokens": 5}
    answer = ParsedResponse(200, False, {"content": [TEXT], "usage": usage}, is_complete=True, error=None)
    exchange = replace(BASELINE.exchanges[0], answer=answer)
    other = replace(exchange, body={"messages": [MORE]})
    calls = (TestCallResult("returned", usage=usage),)
    baseline = TestObservation(calls, (exchange, other))
    assert "" == find_wrong_usage(TestObservation(calls, (exchange, exchange)), baseline)
    assert "the agent reports 5 input_tokens, and its answers have 10" == find_wrong_usage(baseline, baseline)


@pytest.mark.parametrize(("sent", "oracles"), [(0.5, []), (1.0, ["retry-after ignored"]), (4.0, [])])
def test_a_wait_counts_from_the_answer_that_asks_for_it(sent: float, oracles: list[str]) -> None:
    """An agent that repeats the request before the answer has come does not know what it asks for."""
    limit = ParsedResponse(429, False, {}, is_complete=True, error={"type": "rate_limit_error"})
    first = replace(BASELINE.exchanges[0], answer=limit, response_headers=(("retry-after", "3"),))
    exchanges = (first, *(replace(one, sent_at=sent + index) for index, one in enumerate(BASELINE.exchanges)))
    assert oracles == [name for name, _ in _judge(replace(FIRED, exchanges=exchanges))[1]]


def test_a_test_that_sends_far_too_many_requests_is_stopped() -> None:
    """By an exception that no agent catches."""
    (layer,) = TrafficProbe(None, request_limit=2).make_layers(())
    request = Request("POST", "https://api.anthropic.com/v1/messages", (), b"{}")
    for _ in range(2):
        layer(request)
    with pytest.raises(TooManyRequestsError, match="more than 2 requests"):
        layer(request)
