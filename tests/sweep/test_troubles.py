"""The troubles of a sweep over tests: which are derived from a baseline, how they are parsed, and what they do."""

import asyncio
import json
from collections.abc import Mapping
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

from flag_harness.clock import VirtualClock
from flag_harness.errors import HarnessError
from flag_harness.faults import Fault, parse_fault
from flag_harness.simulator import Scenario, ScenarioTurn, ScriptedBlock, ScriptedToolCall, Simulator
from flag_harness.simulator.scenario.scenario import ErrorAnswer
from flag_harness.sweep.judge import ObservedExchange, ObservedToolCall, TestObservation
from flag_harness.sweep.troubles import (
    FAULT_KINDS_TO_TRY,
    SIGNALS,
    SURPRISES,
    TOOL_TROUBLES,
    Interruption,
    SurprisingAnswer,
    Trouble,
    derive_faults,
    derive_interrupts,
    derive_signal_troubles,
    derive_surprising_answers,
    derive_tool_troubles,
    parse_interrupt,
    parse_signal,
    parse_surprising_answer,
    parse_tool_trouble,
)
from flag_harness.sweep.troubles.interrupts import make_interrupt
from flag_harness.sweep.troubles.schedule import join_random_troubles, join_troubles, shrink_schedule
from flag_harness.sweep.troubles.surprises import LONG_TEXT
from flag_harness.sweep.troubles.tools import LONG_TOOL_RESULT, ActiveToolTrouble, ToolTrouble
from flag_harness.wire.layers import faulty
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Cut, Request, Response

ADD, SEND = ScriptedToolCall(name="add", input={"a": 2}), ScriptedToolCall(name="send", input={"to": "Ann"})
ASK = {"role": "user", "content": "What is 2 + 3?"}
CALL_TURN = ScenarioTurn(
    blocks=(ScriptedBlock(thinking="I add."), ScriptedBlock(text="I add."), ScriptedBlock(call=ADD))
)
TEXT_TURN = ScenarioTurn(text="It is 5.")


def _exchange(*blocks: Mapping[str, Any], streamed: bool = True, points: tuple[str, ...] = ()) -> ObservedExchange:
    answer = ParsedResponse(200, streamed, {"content": list(blocks)}, is_complete=True, error=None)
    return ObservedExchange(1, "/v1/messages", {"messages": [ASK], "top_k": 1}, (), 0.0, 1.0, (), answer, points)


def _baseline(*exchanges: ObservedExchange, processes: int = 0) -> TestObservation:
    return TestObservation((), exchanges, process_count=processes)


ANSWER = _exchange({"type": "text", "text": "It is 5."}, points=("before_first_block", "inside_text"))
CALLS = _exchange({"type": "tool_use", "name": "add", "input": {"a": 2}}, points=("inside_text", "mid_partial_json"))


def test_slow_faults_are_not_tried_in_real_time() -> None:
    """A test with other processes would wait for minutes."""
    assert [] == derive_faults("stall", _baseline(ANSWER), is_real_time=True)
    assert derive_faults("stall", _baseline(ANSWER))


def test_long_waits_are_not_tried_in_real_time() -> None:
    """A `retry_after` of a minute is left out; the other arguments of the fault are tried."""
    found = {
        is_real: derive_faults("rate_limited", _baseline(ANSWER), is_real_time=is_real) for is_real in (False, True)
    }
    left_out = {one.name for one in found[False]} - {one.name for one in found[True]}
    assert found[True]
    assert left_out
    assert all("retry_after=" in name for name in left_out)


@pytest.mark.parametrize("kind", SIGNALS)
def test_a_test_without_processes_gets_no_signals(kind: str) -> None:
    """There is nothing to kill."""
    assert [] == derive_signal_troubles(kind, _baseline(ANSWER))


def test_a_kill_is_tried_at_each_point_of_each_answer() -> None:
    """The other signals strike each point once, and the last one."""
    baseline = _baseline(CALLS, ANSWER, _exchange(streamed=False), processes=1)
    expected = [
        "sigkill:at=inside_text,on=1",
        "sigkill:at=mid_partial_json,on=1",
        "sigkill:at=before_first_block,on=2",
        "sigkill:at=inside_text,on=2",
        "sigkill:at=inside_body,on=3",
    ]
    assert expected == [one.name for one in derive_signal_troubles("sigkill", baseline)]
    once = [name.removeprefix("sigkill:") for name in expected if name != "sigkill:at=inside_text,on=2"]
    assert once == [one.name.removeprefix("sigterm:") for one in derive_signal_troubles("sigterm", baseline)]
    assert once == [one.name.removeprefix("cancelled:") for one in derive_interrupts(baseline)]


def test_a_surprise_strikes_the_first_and_the_last_answer_that_it_fits() -> None:
    """Here the second answer has the only call, and the others have a text."""
    baseline = _baseline(ANSWER, CALLS, ANSWER)
    assert ["cut_call:on=2"] == [one.name for one in derive_surprising_answers("cut_call", baseline)]
    assert ["long_answer:on=1", "long_answer:on=3"] == [
        one.name for one in derive_surprising_answers("long_answer", baseline)
    ]


def _edited(name: str, turn: ScenarioTurn, *calls: ScriptedToolCall) -> tuple[ScenarioTurn, int]:
    surprise = Trouble(name, SurprisingAnswer(SURPRISES[name], 1), calls).activate().surprising_answers[0]
    assert surprise is not None
    return surprise.edit_turn(turn), surprise.fired_count


@pytest.mark.parametrize(
    ("name", "blocks", "stop_reason"),
    [
        (
            "parallel_calls",
            [ScriptedBlock(text="I add."), ScriptedBlock(call=ADD), ScriptedBlock(call=SEND)],
            "tool_use",
        ),
        (
            "invalid_input",
            [ScriptedBlock(call=ScriptedToolCall(name="add", input={"no_such_argument": True}))],
            "tool_use",
        ),
        (
            "text_after_call",
            [ScriptedBlock(text="I add."), ScriptedBlock(call=ADD), ScriptedBlock(text="I wait for the result.")],
            "tool_use",
        ),
        ("refusal", [ScriptedBlock(text="I a")], "refusal"),
        ("refused_call", [ScriptedBlock(text="I add."), ScriptedBlock(call=ADD)], "refusal"),
        (
            "same_call_twice",
            [ScriptedBlock(text="I add."), ScriptedBlock(call=ADD), ScriptedBlock(call=ADD)],
            "tool_use",
        ),
        ("unknown_tool", [ScriptedBlock(call=ScriptedToolCall(name="no_such_tool", input={"value": 1}))], "tool_use"),
    ],
)
def test_a_surprise_changes_the_turn(name: str, blocks: list[ScriptedBlock], stop_reason: str) -> None:
    """Its thinking stays in front."""
    changed, fired = _edited(name, CALL_TURN, ADD, SEND)
    assert (1, stop_reason) == (fired, changed.final_stop_reason)
    assert (ScriptedBlock(thinking="I add."), *blocks) == tuple(changed.content)


def test_redacted_thinking_comes_before_the_thinking() -> None:
    """An answer without thinking stays as it is."""
    changed, fired = _edited("redacted_thinking", CALL_TURN)
    assert (1, "what nobody may read") == (fired, changed.content[0].redacted_thinking)
    assert tuple(CALL_TURN.content) == tuple(changed.content[1:])
    assert (TEXT_TURN, 0) == _edited("redacted_thinking", TEXT_TURN)


def test_a_long_answer_says_more_than_the_turn() -> None:
    """An answer with a call is not made longer."""
    changed, fired = _edited("long_answer", TEXT_TURN)
    assert (1, (ScriptedBlock(text=f"It is 5.{LONG_TEXT}"),)) == (fired, tuple(changed.content))
    assert (CALL_TURN, 0) == _edited("long_answer", CALL_TURN)


def test_calls_are_parallel_only_if_the_test_has_another() -> None:
    """With a single call there is nothing to add, so the trouble does not apply."""
    assert (CALL_TURN, 0) == _edited("parallel_calls", CALL_TURN, ADD)


def test_an_error_turn_is_not_surprising() -> None:
    """The scenario's own error stays."""
    turn = ScenarioTurn(error=ErrorAnswer(status=529, type="overloaded_error", message="Overloaded"))
    assert (turn, 0) == _edited("empty_answer", turn)


def _upstream() -> Simulator:
    return Simulator(Scenario(turns=(TEXT_TURN,)), VirtualClock(), 0)


def _request(*, stream: bool) -> Request:
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [ASK]} | ({"stream": True} if stream else {})
    headers = (("x-api-key", "x"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
    return Request("POST", "https://api.anthropic.com/v1/messages", headers, json.dumps(body).encode())


@pytest.mark.parametrize("stream", [True, False])
def test_a_plain_answer_replaces_a_stream(stream: bool) -> None:
    """A request without a stream gets what it asks for, so nothing has fired."""
    armed = Trouble("plain_answer", parse_surprising_answer("plain_answer")).activate()
    armed.surprising_answers[0].simulator = _upstream()
    answer = parse_response(faulty(_upstream(), *armed.layers)(_request(stream=stream)))
    assert (False, "It is 5.", int(stream)) == (answer.is_stream, answer.blocks[0]["text"], armed.count_fired())


def _answer(fault: Fault, *, stream: bool) -> Response:
    return faulty(_upstream(), fault)(_request(stream=stream))


@pytest.mark.parametrize(("point", "stream"), [("inside_text", True), ("inside_body", False)])
def test_an_interrupt_is_raised_in_code_without_a_task(point: str, stream: bool) -> None:
    """As Ctrl-C would be."""
    fault = make_interrupt(point, 1)
    with pytest.raises(Interruption, match="the sweep interrupts the turn"):
        _answer(fault, stream=stream)
    assert 1 == fault.fired


@pytest.mark.parametrize(("point", "stream"), [("inside_text", True), ("inside_body", False)])
def test_an_interrupt_cancels_the_running_task(point: str, stream: bool) -> None:
    """The task ends at its next `await`."""

    async def ask() -> None:
        _answer(make_interrupt(point, 1), stream=stream)
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())


@pytest.mark.parametrize(("point", "stream"), [("inside_text", True), ("inside_body", False)])
def test_an_answer_stops_at_the_point_of_a_signal(point: str, stream: bool) -> None:
    """Nothing more arrives, so that the process is in the middle of the answer if the signal reaches it."""
    fault = SIGNALS["sigterm"](at=point, on=1)
    answer = _answer(fault, stream=stream)
    last = answer[-1]
    assert isinstance(last, Cut)
    assert ("read_timeout", 1, False) == (last.kind, fault.fired, parse_response(answer).is_complete)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inside_txt", "there is no point 'inside_txt'; .*inside_text"),
        ("inside_text:on=0", "on=0 must be 1 or more; type inside_text:on=1"),
    ],
)
def test_a_wrong_interrupt_is_an_error(text: str, message: str) -> None:
    """The message says what to type."""
    with pytest.raises(HarnessError, match=message):
        parse_interrupt(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sigkil/inside_text", "there is no signal 'sigkil'; .*sigkill"),
        ("sigkill/inside_txt", "there is no point 'inside_txt'; .*inside_text"),
        ("sigkill/inside_text:on=0", "on=0 is no number from 1; type sigkill/inside_text:on=1"),
    ],
)
def test_a_wrong_signal_is_an_error(text: str, message: str) -> None:
    """The message says what to type."""
    with pytest.raises(HarnessError, match=message):
        parse_signal(text)


def _troubles(*names: str) -> list[Trouble]:
    return [trouble for name in names for trouble in derive_surprising_answers(name, _baseline(ANSWER, CALLS))]


def test_a_schedule_without_a_failing_part_stays_whole() -> None:
    """Only all of its troubles together make the test fail."""
    schedule = join_troubles(_troubles("cut_call", "long_answer"))
    assert schedule == shrink_schedule(schedule, lambda part: False)
    assert schedule.parts[1] == shrink_schedule(schedule, lambda part: part == schedule.parts[1])


def test_a_trouble_that_only_adds_requests_is_left_out() -> None:
    """The others then strike as many requests earlier: here a retry leads to the third request."""
    faults = [Trouble(fault.name, fault) for fault in map(parse_fault, ("rate_limited:on=1", "overloaded:on=3"))]
    refused, long = (
        Trouble("surprise", parse_surprising_answer(f"{kind}:on=3")) for kind in ("refused_call", "long_answer")
    )

    def is_failing(trouble: Trouble) -> bool:
        names = set(trouble.name.split(" + "))
        third = 3 if "rate_limited:on=1" in names else 2
        return {f"refused_call:on={third}", f"overloaded:on={third}"} <= names

    smallest = shrink_schedule(join_troubles([long, *faults, refused]), is_failing)
    assert "overloaded:on=2 + refused_call:on=2" == smallest.name


def _tool_calls(*names: str) -> TestObservation:
    """Return a baseline whose tools are called after each comma, and together before it."""
    calls = [ObservedToolCall(1, name, index) for index, group in enumerate(names) for name in group.split("+")]
    return TestObservation((), (), tool_calls=(*calls, ObservedToolCall(2, "sell", 9)))


@pytest.mark.parametrize(
    ("kind", "baseline", "numbers"),
    [
        ("tool_raises", _tool_calls("buy", "buy", "sell", "buy"), [1, 3, 4]),
        ("tool_is_slow", _tool_calls("buy"), [1]),
        ("tool_answers_late", _tool_calls("buy", "buy"), []),
        ("tool_answers_late", _tool_calls("buy", "buy+sell+sell", "sell+buy"), [2, 5]),
    ],
)
def test_tool_troubles_strike_calls_of_the_first_call(kind: str, baseline: TestObservation, numbers: list[int]) -> None:
    """The first call of each tool, and the last; or the first of the calls in one answer."""
    assert [f"{kind}:on={number}" for number in numbers] == [one.name for one in derive_tool_troubles(kind, baseline)]


def test_slow_tools_are_not_tried_in_real_time() -> None:
    """A test with other processes would wait for 20 minutes."""
    tried = [kind for kind in TOOL_TROUBLES if derive_tool_troubles(kind, _tool_calls("a+b"), is_real_time=True)]
    assert ["tool_raises", "tool_returns_none", "tool_returns_empty", "tool_returns_megabytes"] == tried


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tool_raise", "there is no tool trouble 'tool_raise'; the nearest is 'tool_raises'"),
        ("tool_raises:on=x", "on=x must be 1 or more; type tool_raises:on=1"),
        ("tool_raises:on=0", "on=0 must be 1 or more; type tool_raises:on=1"),
    ],
)
def test_a_wrong_tool_trouble_is_an_error(text: str, words: str) -> None:
    """The message names the nearest one, or what to type."""
    assert "tool_is_slow:on=1" == str(parse_tool_trouble("tool_is_slow"))
    with pytest.raises(HarnessError, match=words):
        parse_tool_trouble(text)


TEXT_BLOCK = {"type": "text", "text": "socks"}
MUCH = {"type": "text", "text": LONG_TOOL_RESULT}


class McpResult(pydantic.BaseModel):
    """A result of an MCP server, as far as a sweep looks at it."""

    content: list[Any]


@pytest.mark.parametrize(
    ("value", "none", "empty", "much"),
    [
        ("socks", None, "", LONG_TOOL_RESULT),
        (7, None, 7, 7),
        ([], None, [], []),
        ([7, "socks", "shoes"], None, [], [7, LONG_TOOL_RESULT, "shoes"]),
        ({"a": 1}, None, {}, {"a": 1}),
        (TEXT_BLOCK, None, {}, MUCH),
        ([TEXT_BLOCK], None, [], [MUCH]),
        (McpResult(content=[TEXT_BLOCK]), Ellipsis, McpResult(content=[]), McpResult(content=[MUCH])),
        (SimpleNamespace(content="socks"), Ellipsis, Ellipsis, Ellipsis),
    ],
)
def test_a_tool_returns_nothing_or_much(value: Any, none: Any, empty: Any, much: Any) -> None:
    """A trouble that does not fit what the tool returned changes nothing, and does not count as one."""
    for kind, expected in (
        ("tool_returns_none", none),
        ("tool_returns_empty", empty),
        ("tool_returns_megabytes", much),
    ):
        armed = ActiveToolTrouble(parse_tool_trouble(kind))
        assert TOOL_TROUBLES[kind] == armed.start_call()
        changed = armed.edit_result(value)
        assert (value if expected is Ellipsis else expected) == changed
        assert armed.fired_count == (changed is not value)


def _many_troubles() -> list[Trouble]:
    """Return troubles of all kinds that a schedule can hold, many of some kinds and few of others."""
    baseline = _baseline(ANSWER, CALLS, ANSWER)
    faults = [one for kind in FAULT_KINDS_TO_TRY for one in derive_faults(kind, baseline)]
    calls = _tool_calls("buy+sell", "buy", "count")
    tools = [one for kind in TOOL_TROUBLES for one in derive_tool_troubles(kind, calls)]
    return [*faults, *(one for kind in SURPRISES for one in derive_surprising_answers(kind, baseline)), *tools]


def _ends_the_turn(part: Trouble) -> bool:
    """Return whether a fault strikes every request, or cannot be retried."""
    is_refusal = part.kind in ("bad_request", "unauthorized", "forbidden", "not_found", "too_large")
    return isinstance(part.cause, Fault) and (is_refusal or "on=" not in part.name)


def test_500_schedules_hold_nearly_every_pair_of_kinds() -> None:
    """Each has six to ten troubles of different kinds, of which one at most leaves nothing to the others."""
    troubles = _many_troubles()
    schedules = [schedule.parts for seed in range(500) if (schedule := join_random_troubles(troubles, seed))]
    assert {6, 7, 8, 9, 10} == {len(parts) for parts in schedules}
    assert all(len({part.kind for part in parts}) == len(parts) for parts in schedules)
    assert all(sum(map(_ends_the_turn, parts)) <= 1 for parts in schedules)
    tool_calls = [
        [part.cause.call_number for part in parts if isinstance(part.cause, ToolTrouble)] for parts in schedules
    ]
    assert all(len(set(calls)) == len(calls) for calls in tool_calls)
    assert any(len(calls) > 1 for calls in tool_calls)
    kinds = len({one.kind for one in troubles})
    pairs = {frozenset(pair) for parts in schedules for pair in combinations((one.kind for one in parts), 2)}
    assert len(pairs) > 0.98 * kinds * (kinds - 1) / 2
    assert schedules[7] == join_random_troubles(troubles, 7).parts  # type: ignore[union-attr]


def test_two_surprises_strike_in_one_run() -> None:
    """Each on its own answer; a turn that was replaced is given back once."""
    names = {"cut_call": 1, "unknown_tool": 2}
    armed = join_troubles(
        [Trouble(name, SurprisingAnswer(SURPRISES[name], on), (ADD,)) for name, on in names.items()]
    ).activate()
    turn = ScenarioTurn(text="I add.", calls=(ADD,))
    for expected in ("max_tokens", None):
        changed = turn
        for surprise in armed.surprising_answers:
            changed = surprise.edit_turn(changed)
        assert expected == changed.stop_reason
    assert 2 == armed.count_fired()
    assert [turn, None] == [armed.surprising_answers[0].pop_original_turn() for _ in range(2)]
