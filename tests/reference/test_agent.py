"""The agent as its user sees it: what it shows, what it keeps, and how a turn that fails can be gone on with."""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.errors import CommandRefused
from flag_harness.reference import (
    Agent,
    AgentError,
    ConversationContext,
    FeatureDropped,
    RequestUsage,
    RestoreNote,
    RetryPolicy,
    TextDelta,
    ThinkingDelta,
    ToolCallState,
    ToolOutcome,
    ToolResult,
    ToolUse,
    TurnDiscarded,
    TurnEnded,
    WaitingForRetry,
    load_context,
    save_context,
)
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.wire.timeline import Cut
from flag_harness.wire.usage import Usage

pytestmark = pytest.mark.asyncio

NOTE = {"type": "object", "properties": {"title": {"type": "string"}}}
STREAMING = {"ENABLE_STREAMING": "true"}
EXTENDED = {"ENABLE_EXTENDED_OUTPUT": "true"}
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}


def noting(log: list[Any]) -> Any:
    """A tool that notes what it was called with."""

    def run(**given: Any) -> str:
        log.append(given)
        return "noted"

    return function_tool("note", "Takes a note.", NOTE, run)


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize("environ", [{}, STREAMING], ids=["off", "streaming"])
async def test_a_turn_with_a_tool_is_told_step_by_step(
    start: Callable[..., Any], wire: SimpleNamespace, environ: Mapping[str, str]
) -> None:
    """Thinking and text, the usage, the call, half a second later its result, then the rest."""
    answer = wire.stream if environ else wire.message
    calls: list[Any] = []
    replies = [
        answer(THOUGHT, wire.text("One moment."), wire.call("toolu_1", input={"title": "Plan"}), stop="tool_use"),
        answer(wire.text("Done.")),
    ]
    session = start(replies, environ=environ, tools=[noting(calls)])
    await session.send("Note it.")

    shown = [event for event in session.events if not isinstance(event, (TextDelta, ThinkingDelta))]
    assert [RequestUsage, ToolUse, ToolResult, RequestUsage, TurnEnded] == [type(event) for event in shown]
    assert "Let me see." == "".join(event.text for event in session.events_of(ThinkingDelta))
    assert "One moment.Done." == "".join(event.text for event in session.events_of(TextDelta))
    assert [{"title": "Plan"}] == calls
    use, result = shown[1], shown[2]
    assert ToolUse(use.at, "toolu_1", "note", {"title": "Plan"}) == use
    assert ToolResult(pytest.approx(use.at + 0.5), "toolu_1", "noted") == result
    assert "end_turn" == shown[-1].stop_reason
    asked, result_turn = user(wire.text("Note it.")), user(ToolOutcome("toolu_1", "noted").result_block)
    called = assistant(THOUGHT, wire.text("One moment."), wire.call("toolu_1", input={"title": "Plan"}))
    assert [asked, called, result_turn] == session.bodies[1]["messages"]
    assert (asked, called, result_turn, assistant(wire.text("Done."))) == session.agent.context.messages


async def test_off_is_a_plain_request(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """With nothing set, the body holds five keys and none of the features'."""
    session = start([wire.message(wire.text("Hi."))], system="Be kind.", tools=[noting([])], model="claude-haiku-4-5")
    await session.send("Hello")
    tool = {"name": "note", "description": "Takes a note.", "input_schema": NOTE}
    assert session.bodies == [
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 4096,
            "system": "Be kind.",
            "tools": [tool],
            "messages": [user(wire.text("Hello"))],
        }
    ]
    assert "anthropic-beta" not in dict(session.requests[0].headers)


async def test_the_first_token_is_timed_from_the_sending(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Streamed: to the first delta; else to the answer; never, where the answer holds nothing."""
    replies = [wire.stream(wire.text("Hello")), wire.message(wire.text("Hello")), wire.message(stop="stop_sequence")]
    environ: dict[str, str] = dict(STREAMING)
    session = start(replies, environ=environ)
    await session.send("One")
    environ.clear()
    await session.send("Two")
    await session.send("Three")
    streamed, whole, empty = session.events_of(RequestUsage)
    assert (pytest.approx(0.3), pytest.approx(0.8)) == (streamed.first_token_seconds, streamed.total_seconds)
    assert (0.5, 0.5) == (pytest.approx(whole.first_token_seconds), pytest.approx(whole.total_seconds))
    assert empty.first_token_seconds is None
    assert [Usage(10, 5), Usage(20, 10), Usage(30, 15)] == [event.session_total for event in (streamed, whole, empty)]
    assert Usage(30, 15) == session.agent.context.usage


async def test_a_call_that_max_tokens_cut_is_not_run(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Whole calls before it are; the model is told why, and the turn goes on."""
    calls: list[Any] = []
    first, cut = wire.call("toolu_1", input={"title": "A"}), wire.call("toolu_2", input='{"title": "B')
    replies = [wire.stream(first, cut, stop="max_tokens"), wire.stream(wire.text("Sorry."))]
    session = start(replies, environ=STREAMING, tools=[noting(calls)])
    await session.send("Note both.")
    why = (
        "note was not run: max_tokens cut the answer off inside this call, so its input is not complete. "
        "Call it again with less input, or in several steps."
    )
    assert [{"title": "A"}] == calls
    outcomes = user(
        ToolOutcome("toolu_1", "noted").result_block, ToolOutcome("toolu_2", why, is_error=True).result_block
    )
    assert outcomes == session.bodies[1]["messages"][-1]
    assert {} == session.bodies[1]["messages"][1]["content"][1]["input"]


@pytest.mark.parametrize(
    ("environ", "cure"), [({}, "set ENABLE_EXTENDED_OUTPUT=true"), (EXTENDED, "raise MAX_TOKENS")], ids=["off", "on"]
)
async def test_calls_cut_again_and_again_end_the_turn(
    start: Callable[..., Any], wire: SimpleNamespace, environ: Mapping[str, str], cure: str
) -> None:
    """A model that keeps writing more than fits is not asked for ever."""
    replies = [wire.message(wire.call(f"toolu_{number}"), stop="max_tokens") for number in range(3)]
    session = start(replies, environ=environ)
    await session.send("Write it all.")
    (error,) = session.events_of(AgentError)
    words = f"max_tokens cut the call of a tool 3 times in a row; {cure}, or ask for less at once"
    assert AgentError(error.at, "truncated", words) == error


async def test_a_turn_in_circles_ends(
    start: Callable[..., Any], wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that only ever calls tools is stopped, and the session can go on."""
    monkeypatch.setattr("flag_harness.reference.turn.MAX_REQUESTS_PER_TURN", 2)
    replies = [wire.message(wire.call(f"toolu_{number}"), stop="tool_use") for number in range(2)]
    session = start([*replies, wire.message(wire.text("Fine."))], tools=[noting([])])
    await session.send("Go on.")
    words = "the turn took 2 requests without coming to an end; send again"
    assert ("limit", words) == (session.events_of(AgentError)[0].kind, session.events_of(AgentError)[0].message)
    await session.send(None)
    assert "end_turn" == session.events_of(TurnEnded)[0].stop_reason


async def test_a_pause_is_gone_on_with(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """After `pause_turn` the answer so far is sent back, and what follows joins it."""
    replies = [wire.message(wire.text("Searching."), stop="pause_turn"), wire.message(wire.text("Found."))]
    session = start(replies)
    await session.send("Look it up.")
    assert [user(wire.text("Look it up.")), assistant(wire.text("Searching."))] == session.bodies[1]["messages"]
    assert assistant(wire.text("Searching."), wire.text("Found.")) == session.agent.context.messages[-1]


async def test_pauses_without_a_word_end_the_turn(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Three in a row: the next request would be the same once more. A word in between is progress."""
    empty, word = wire.message(stop="pause_turn"), wire.message(wire.text("Searching."), stop="pause_turn")
    session = start([empty, empty, word, empty, wire.message(wire.text(" "), stop="pause_turn"), empty])
    await session.send("Look it up.")
    words = "the API paused the turn 3 times in a row without a word; send again"
    assert ("broken_answer", words) == (session.events[-1].kind, session.events[-1].message)
    assert 6 == len(session.requests)


async def test_the_limits_of_tools_are_the_agents_options(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """On time, of the agent's clock, and on what is sent back."""

    async def slow(**given: Any) -> str:
        await session.clock.async_sleep(2)
        return "done"

    tools = [noting([]), function_tool("slow", "Waits.", {}, slow)]
    calls = [wire.call("toolu_1"), wire.call("toolu_2", "slow")]
    replies = [wire.message(*calls, stop="tool_use"), wire.message(wire.text("Done."))]
    session = start(replies, tools=tools, tool_timeout=2, tool_output_limit=60)
    await session.send("Note it.")
    assert ["noted", "slow was stopped after 2 s; it\n[4 characters left out]\n or may not have taken effect."] == [
        event.content for event in session.events_of(ToolResult)
    ]


@pytest.mark.parametrize("stop", ["max_tokens", "stop_sequence", "refusal"])
async def test_other_ends_are_told(start: Callable[..., Any], wire: SimpleNamespace, stop: str) -> None:
    """The turn ends with the API's own reason."""
    session = start([wire.message(wire.text("So far"), stop=stop)])
    await session.send("Go.")
    assert [stop] == [event.stop_reason for event in session.events_of(TurnEnded)]


REFUSED: dict[str, Callable[[SimpleNamespace], list[Any]]] = {
    "without a word": lambda wire: [],
    "after half an answer": lambda wire: [wire.text("I can")],
    "with a call": lambda wire: [wire.call("toolu_1")],
}


@pytest.mark.parametrize("environ", [{}, STREAMING], ids=["whole", "streamed"])
@pytest.mark.parametrize("content", REFUSED.values(), ids=list(REFUSED))
async def test_what_was_refused_is_not_sent_again(
    start: Callable[..., Any], wire: SimpleNamespace, content: Any, environ: dict[str, str]
) -> None:
    """The next text starts where the refused one did; the earlier turns stay; no call is run."""
    calls: list[Any] = []
    answer = wire.stream if environ else wire.message
    replies = [
        answer(wire.text("Hello.")),
        answer(*content(wire), stop="refusal"),
        answer(wire.text("Yes?")),
    ]
    session = start(replies, tools=[noting(calls)], environ=environ)
    for text in ("Hi.", "Do it.", "Then not."):
        await session.send(text)
    earlier = [user(wire.text("Hi.")), {"role": "assistant", "content": [wire.text("Hello.")]}]
    assert [*earlier, user(wire.text("Then not."))] == session.bodies[2]["messages"]
    assert ["end_turn", "refusal", "end_turn"] == [event.stop_reason for event in session.events_of(TurnEnded)]
    assert [] == calls


async def test_a_turn_that_was_refused_after_a_call_is_taken_back_whole(
    start: Callable[..., Any], wire: SimpleNamespace
) -> None:
    """The call and its result may be what was refused; None sends them again, as they were."""
    calls: list[Any] = []
    replies = [
        wire.message(wire.call("toolu_1"), stop="tool_use"),
        wire.message(stop="refusal"),
        wire.message(stop="refusal"),
        wire.message(wire.text("Yes?")),
    ]
    session = start(replies, tools=[noting(calls)])
    await session.send("Do it.")
    await session.send(None)
    await session.send("Then not.")
    assert session.bodies[1]["messages"] == session.bodies[2]["messages"]
    assert [user(wire.text("Then not."))] == session.bodies[3]["messages"]
    assert 1 == len(calls)


@pytest.mark.parametrize("environ", [{}, STREAMING], ids=["whole", "streamed"])
@pytest.mark.parametrize("stop", ["end_turn", "stop_sequence", "quota_exceeded_2027"])
async def test_the_next_text_can_be_sent_after_an_empty_answer(
    start: Callable[..., Any], wire: SimpleNamespace, stop: str, environ: dict[str, str]
) -> None:
    """Also after tool results, where the API ends a turn without a word now and then."""
    answer = wire.stream if environ else wire.message
    replies = [
        answer(stop=stop),
        answer(wire.call("toolu_1"), stop="tool_use"),
        answer(wire.text(""), stop=stop),
        answer(wire.text("Yes?")),
    ]
    session = start(replies, tools=[noting([])], environ=environ)
    for text in ("Hi.", "Note it.", "And now?"):
        await session.send(text)
    assert [stop, stop, "end_turn"] == [event.stop_reason for event in session.events_of(TurnEnded)]
    contents = [message["content"] for message in session.bodies[3]["messages"]]
    assert [wire.text("Hi."), wire.text("Note it.")] == contents[0]
    assert ["tool_result", "text"] == [block["type"] for block in contents[2]]


async def test_tools_can_be_switched_off(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """ENABLE_TOOLS=0: none is offered, and a call of one is answered with an error."""
    calls: list[Any] = []
    replies = [wire.message(wire.call("toolu_1"), stop="tool_use"), wire.message(wire.text("Oh."))]
    session = start(replies, environ={"ENABLE_TOOLS": "0"}, tools=[noting(calls)])
    await session.send("Note it.")
    assert "tools" not in session.bodies[0]
    assert "There is no tool called 'note'. The tools are: none." == session.events_of(ToolResult)[0].content
    assert [] == calls


async def test_flags_are_read_at_each_send(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """A flag that is switched on between two sends is on in the second; the context says under which it stands."""
    environ: dict[str, str] = {}
    session = start([wire.message(wire.text("One.")), wire.stream(wire.text("Two."))], environ=environ)
    await session.send("First")
    environ.update(STREAMING)
    await session.send("Second")
    assert [None, True] == [body.get("stream") for body in session.bodies]
    assert "streaming" == session.agent.context.combination
    assert [] == session.events_of(RestoreNote)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            {"MAX_TOKENS": "abc"},
            "MAX_TOKENS='abc' is not a whole number; set it to one, or unset it for 16384",
        ),
        (
            {**EXTENDED, "MAX_TOKENS": "90000"},
            "MAX_TOKENS=90000 is more than claude-haiku-4-5 can give (64000 tokens); set MAX_TOKENS to at most 64000",
        ),
    ],
    ids=["no number", "above the model"],
)
async def test_limits_are_told_before_the_network(
    start: Callable[..., Any], wire: SimpleNamespace, environ: dict[str, str], words: str
) -> None:
    """Nothing is sent, the user's turn is kept, and once the setting is mended it is answered."""
    session = start([wire.message(wire.text("Hi."))], environ=environ, model="claude-haiku-4-5")
    await session.send("Hello")
    assert [AgentError(0.0, "limit", words)] == session.events
    assert [] == session.requests
    environ.clear()
    await session.send(None)
    assert [user(wire.text("Hello"))] == session.bodies[0]["messages"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (None, "there is no unanswered turn to continue; send a text"),
        (" \n", "the text is empty, which the API does not accept; send some words"),
        ("\ud83d", "the text holds half a surrogate pair, which is not a character; remove it"),
    ],
    ids=["nothing pending", "blank", "surrogate"],
)
async def test_what_cannot_be_sent_leaves_the_session_as_it_was(
    start: Callable[..., Any], words: str | None, told: str
) -> None:
    """A text that would make every later request fail is never added."""
    session = start([])
    before = session.agent.context
    await session.send(words)
    assert [AgentError(0.0, "request", told)] == session.events
    assert before == session.agent.context


async def test_a_text_joins_an_unanswered_turn(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """After a failure, the same text is one turn, another text a second block of it."""
    refused = wire.error(401, "authentication_error", "invalid x-api-key", x_should_retry="false")
    session = start([refused, refused, wire.message(wire.text("Hi."))])
    await session.send("Hello")
    await session.send("Hello")
    await session.send("Anybody there?")
    told = "401 authentication_error: invalid x-api-key (your turn is kept: check ANTHROPIC_API_KEY, then send again)"
    assert {("credentials", told, 401, "req_error")} == {
        (error.kind, error.message, error.status, error.request_id) for error in session.events_of(AgentError)
    }
    pending = [body["messages"] for body in session.bodies]
    assert [user(wire.text("Hello"))] == pending[0] == pending[1]
    assert [user(wire.text("Hello"), wire.text("Anybody there?"))] == pending[2]


async def test_an_overloaded_api_is_asked_again(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Waits double, on the clock; when they are used up it is told, and the next send has one user turn."""
    overloaded = wire.error(529, "overloaded_error", "Overloaded")
    session = start([*[overloaded] * 4, wire.message(wire.text("Hi."))])
    await session.send("Hello")
    assert [0.5, 1.0, 2.0] == [event.seconds for event in session.events_of(WaitingForRetry)]
    words = "529 overloaded_error: Overloaded (4 attempts in 5.5 s; your turn is kept: send again)"
    assert AgentError(5.5, "overloaded", words, 529, "req_error") == session.events[-1]
    await session.send("Hello")
    assert [user(wire.text("Hello"))] == session.bodies[-1]["messages"]


async def test_a_broken_stream_is_discarded_and_tried_once_more(
    start: Callable[..., Any], wire: SimpleNamespace
) -> None:
    """What was shown is void before the next attempt begins; a second break is told."""
    half = wire.events(wire.text("Once upon a time"))[:4]
    session = start([wire.played(half), wire.played(half, cut="reset")], environ=STREAMING)
    await session.send("Tell a story.")
    kinds = [type(event) for event in session.events]
    assert [
        TextDelta,
        TextDelta,
        TurnDiscarded,
        WaitingForRetry,
        TextDelta,
        TextDelta,
        TurnDiscarded,
        AgentError,
    ] == kinds
    first, second = session.events_of(TurnDiscarded)
    assert "the answer broke off: the stream ended before message_stop" == first.reason
    assert "the answer broke off: ReadError: the connection was cut: reset" == second.reason
    assert "broken_answer" == session.events[-1].kind
    assert (user(wire.text("Tell a story.")),) == session.agent.context.messages


async def test_an_error_event_in_a_stream_follows_the_policy(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Overloaded in mid-stream is tried again like a 529, as often; the retry-after of its 200 means nothing."""
    body = {"error": {"type": "overloaded_error", "message": "Overloaded"}}
    head, *pieces = wire.played([*wire.events(wire.text("Once"))[:3], ("error", body)])
    head = type(head)(head.at, head.status, (*head.headers, ("retry-after", "30")))
    session = start([(head, *pieces)] * 3 + [wire.stream(wire.text("Once."))], environ=STREAMING)
    await session.send("Tell a story.")
    assert [0.5, 1.0, 2.0] == [event.seconds for event in session.events_of(WaitingForRetry)]
    assert ["529 overloaded_error: Overloaded"] * 3 == [event.reason for event in session.events_of(TurnDiscarded)]
    assert "end_turn" == session.events[-1].stop_reason


async def test_a_stream_that_breaks_after_its_end_is_whole(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """`message_stop` is the end: a connection that breaks after it breaks nothing."""
    session = start([wire.played(wire.events(wire.text("Done.")), cut="eof")], environ=STREAMING)
    await session.send("Go.")
    assert "end_turn" == session.events[-1].stop_reason


async def test_a_connection_that_never_was_is_told(start: Callable[..., Any]) -> None:
    """No answer at all is tried again, then told with its cause."""
    session = start([(Cut(0.0, "refused"),)] * 2, retry=RetryPolicy(max_attempts=2))
    await session.send("Hello")
    words = (
        "no answer from the API: ConnectError: the connection was cut: refused "
        "(2 attempts in 0.5 s; your turn is kept: send again)"
    )
    assert AgentError(0.5, "connection", words) == session.events[-1]


class Screen:
    """A tool that needs a beta."""

    name = "computer"
    beta: str | None = "computer-use-2025-11-24"
    definition: Mapping[str, Any] = {"type": "computer_20251124", "name": "computer", "display_width_px": 8}
    input_schema: Mapping[str, Any] = {"type": "object"}

    async def run(self, arguments: Mapping[str, Any]) -> str:
        raise NotImplementedError


async def test_what_is_refused_is_dropped_for_the_session(
    start: Callable[..., Any], wire: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    """A keyword, a beta with its tool, the legacy header: each alone, each told and logged, none tried again."""
    beta = "Unexpected value(s) `computer-use-2025-11-24` for the `anthropic-beta` header."
    legacy = "Unexpected value(s) `prompt-caching-2024-07-31` for the `anthropic-beta` header."
    replies = [wire.error(400, "invalid_request_error", words, x_should_retry="false") for words in (beta, legacy)]
    environ = {"ENABLE_PROMPT_CACHE": "1", "PROMPT_CACHE_BETA": "prompt-caching-2024-07-31"}
    done = [wire.message(wire.text("Hi.")), wire.message(wire.text("Bye."))]
    session = start(
        [*replies, *done], environ=environ, tools=[Screen(), noting([])], parameters={"beta": "x", "metadata": {}}
    )
    with caplog.at_level(logging.WARNING, "flag_harness.reference"):
        await session.send("Hello")
    await session.send("Bye")

    dropped = ("beta", "computer-use-2025-11-24", "prompt-caching-2024-07-31")
    assert (
        dropped
        == tuple(event.feature for event in session.events_of(FeatureDropped))
        == session.agent.context.dropped_features
    )
    assert f"400 invalid_request_error: {beta}" == session.events_of(FeatureDropped)[1].reason
    assert dropped == tuple(record.fields["feature"] for record in caplog.records)  # type: ignore[attr-defined]
    sent = [dict(request.headers).get("anthropic-beta") for request in session.requests]
    assert ["computer-use-2025-11-24,prompt-caching-2024-07-31", "prompt-caching-2024-07-31", None, None] == sent
    assert [["computer", "note"], ["note"]] == [[tool["name"] for tool in body["tools"]] for body in session.bodies[:2]]
    assert {} == session.bodies[-1]["metadata"]
    assert all("cache_control" in body["tools"][-1] for body in session.bodies)


async def test_a_rejection_that_names_nothing_known_is_told(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Nothing is dropped on suspicion."""
    words = "prompt is too long: 3333404 tokens > 200000 maximum"
    session = start([wire.error(400, "invalid_request_error", words)], environ=EXTENDED)
    await session.send("Hello")
    told = f"400 invalid_request_error: {words} (your turn is kept: change what was refused, then send again)"
    assert AgentError(0.5, "request", told, 400, "req_error") == session.events[-1]
    assert () == session.agent.context.dropped_features


async def test_the_agent_sets_its_own_arguments() -> None:
    """A parameter that the agent sets itself is refused when the agent is made."""
    from anthropic import AsyncAnthropic

    async with AsyncAnthropic(api_key="offline") as client:
        with pytest.raises(ValueError, match="messages") as raised:
            Agent(client, clock=None, environ={}, parameters={"messages": [], "metadata": {}})  # type: ignore[arg-type]
    words = "parameters cannot hold 'messages': the agent sets it itself, from its arguments, flags and tools"
    assert words == str(raised.value)


async def test_each_step_is_saved_before_the_next(
    start: Callable[..., Any], wire: SimpleNamespace, tmp_path: Path
) -> None:
    """Whoever is killed at any event finds in the file all that the event stands on."""
    path = tmp_path / "context.json"
    seen: list[ConversationContext] = []

    def run(**given: Any) -> str:
        seen.append(load_context(path))
        return "noted"

    tool = function_tool("note", "Takes a note.", NOTE, run)
    replies = [wire.message(wire.call("toolu_1"), stop="tool_use"), wire.message(wire.text("Done."))]
    session = start(replies, tools=[tool], context_path=path)
    async for event in session.agent.send("Note it."):
        seen += [load_context(path)] if isinstance(event, (ToolUse, ToolResult)) else []
    called, running, finished = seen
    assert (user(wire.text("Note it.")), assistant(wire.call("toolu_1"))) == called.messages
    assert {} == called.call_states_by_id
    assert {"toolu_1": ToolCallState()} == running.call_states_by_id
    assert {"toolu_1": ToolCallState(ToolOutcome("toolu_1", "noted"))} == finished.call_states_by_id
    assert {} == session.agent.context.call_states_by_id
    assert session.agent.context == load_context(path)


async def test_a_tool_that_cannot_be_noted_down_does_not_run(
    start: Callable[..., Any], wire: SimpleNamespace, tmp_path: Path
) -> None:
    """Without a place to save, nothing runs that could run twice; the session goes on in memory."""
    calls: list[Any] = []
    path = tmp_path / "folder" / "context.json"
    replies = [wire.message(wire.call("toolu_1"), stop="tool_use"), wire.message(wire.text("Fine."))]
    session = start(replies, tools=[noting(calls)], context_path=path)
    async for event in session.agent.send("Note it."):
        session.events.append(event)
        if isinstance(event, ToolUse):
            path.unlink()
            path.mkdir()
    (error,) = session.events_of(AgentError)
    assert "save" == error.kind
    assert error.message.startswith(f"{path}: the context was not saved: ")
    assert [] == calls
    path.rmdir()
    await session.send("Again.")
    assert "it was not run" in session.bodies[1]["messages"][-1]["content"][0]["content"]


@pytest.mark.parametrize("where", [ToolUse, ToolResult, TextDelta])
async def test_a_turn_that_is_left_can_be_gone_on_with(
    start: Callable[..., Any], wire: SimpleNamespace, where: type
) -> None:
    """Whoever stops listening in the middle finds a session that sends a legal history, and runs no call again."""
    calls: list[Any] = []
    begun = (wire.text("Sure."), wire.call("toolu_1", input={"title": "A"}))
    replies = [wire.stream(*begun, stop="tool_use"), wire.stream(wire.text("Fine."))]
    session = start(replies, environ=STREAMING, tools=[noting(calls)])
    left = session.agent.send("Note it.")
    async for event in left:
        if isinstance(event, where):
            break
    await left.aclose()
    await session.send(None)
    assert "end_turn" == session.events[-1].stop_reason
    messages = session.bodies[-1]["messages"]
    assert ["user", "assistant", "user"][: len(messages)] == [message["role"] for message in messages]
    assert (where is ToolResult) == bool(calls)
    if where is ToolResult:
        assert user(ToolOutcome("toolu_1", "noted").result_block) == messages[-1]


async def test_a_cancelled_tool_is_told_of(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Cancellation passes through; the next send tells the model that the tool may have taken effect."""
    begun = asyncio.Event()

    async def run(**given: Any) -> str:
        begun.set()
        await asyncio.sleep(60)
        raise AssertionError

    tool = function_tool("note", "Takes a note.", NOTE, run)
    session = start([wire.message(wire.call("toolu_1"), stop="tool_use"), wire.message(wire.text("Oh."))], tools=[tool])
    task = asyncio.create_task(session.send("Note it."))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await session.send("Go on.")
    told = "The session was interrupted while this tool ran; it may or may not have taken effect."
    outcome = ToolOutcome("toolu_1", told, is_error=True)
    assert user(outcome.result_block, wire.text("Go on.")) == session.bodies[1]["messages"][-1]


async def test_a_refused_command_passes_through(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """What must not pass for an answer is no event."""

    def run(**given: Any) -> str:
        raise CommandRefused("touch pwned")

    tool = function_tool("note", "Takes a note.", NOTE, run)
    session = start([wire.message(wire.call("toolu_1"), stop="tool_use")], tools=[tool])
    with pytest.raises(CommandRefused, match="touch pwned"):
        await session.send("Note it.")


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        (ToolCallState(ToolOutcome("toolu_1", "noted before")), "noted before"),
        (ToolCallState(), "The session was interrupted while this tool ran; it may or may not have taken effect."),
    ],
    ids=["finished", "begun"],
)
async def test_no_call_runs_twice(
    start: Callable[..., Any], wire: SimpleNamespace, entry: ToolCallState, content: str
) -> None:
    """A call that the ledger knows is answered from it."""
    calls: list[Any] = []
    context = ConversationContext(call_states_by_id={"toolu_1": entry}, model="claude-haiku-4-5")
    replies = [wire.message(wire.call("toolu_1"), stop="tool_use"), wire.message(wire.text("Done."))]
    session = start(replies, tools=[noting(calls)], context=context)
    await session.send("Note it.")
    assert [] == calls
    assert [content] == [event.content for event in session.events_of(ToolResult)]
    assert ["claude-haiku-4-5"] * 2 == [body["model"] for body in session.bodies]


@pytest.mark.parametrize("environ", [{}, STREAMING], ids=["off", "streaming"])
async def test_an_id_that_is_used_again_is_no_call(
    start: Callable[..., Any], wire: SimpleNamespace, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """In one answer or in a later one: nobody gets the result of another call."""
    answer, calls = wire.stream if environ else wire.message, list[Any]()
    first, second, third = (wire.call("call_0", input={"title": title}) for title in "ABC")
    replies = [answer(first, second, stop="tool_use"), answer(third, stop="tool_use"), answer(wire.text("Hm."))]
    session = start(replies, tools=[noting(calls)], environ=environ)
    await session.send("Note it.")
    words = "note was not run: an earlier call has the id call_0 too. Call it again."
    assert [("noted", False), (words, True), (words, True)] == [
        (event.content, event.is_error) for event in session.events_of(ToolResult)
    ]
    assert [{"title": "A"}] == calls
    assert ["repeated_id"] * 2 == [r.event for r in caplog.records if r.event == "repeated_id"]  # type: ignore[attr-defined]


async def test_a_call_of_an_answer_that_ended_the_turn_is_not_run(
    start: Callable[..., Any], wire: SimpleNamespace
) -> None:
    """The model is told so with the user's next turn."""
    calls: list[Any] = []
    session = start([wire.message(wire.call("toolu_1"), stop="end_turn")], tools=[noting(calls)])
    await session.send("Note it.")
    words = "note was not run: the answer ended with end_turn."
    assert ([], [words]) == (calls, [event.content for event in session.events_of(ToolResult)])


async def test_a_session_that_was_settled_late_is_settled_when_it_goes_on(
    start: Callable[..., Any], wire: SimpleNamespace
) -> None:
    """What is left of finished calls goes where its result stands, also where that was mended just now."""
    context = ConversationContext(
        (user(wire.text("Go.")), assistant(wire.call("toolu_1"))),
        call_states_by_id={"toolu_1": ToolCallState(ToolOutcome("toolu_1", "noted"))},
    )
    session = start([], context=context)
    assert user(ToolOutcome("toolu_1", "noted").result_block) == session.agent.context.messages[-1]
    assert {} == session.agent.context.call_states_by_id


async def test_a_second_send_at_once_is_refused(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """It changes nothing; after the first has ended, or was left, the next one is taken."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def run(**given: Any) -> str:
        begun.set()
        await go_on.wait()
        return "noted"

    tool = function_tool("note", "Takes a note.", NOTE, run)
    replies = [wire.message(wire.call("toolu_1"), stop="tool_use"), wire.message(wire.text("Done."))]
    session = start([*replies, wire.message(wire.text("Fine."))], tools=[tool])
    first = asyncio.create_task(session.send("Note it."))
    await begun.wait()
    before = session.agent.context
    refused = [event async for event in session.agent.send("And this.")]
    words = "another send of this agent is under way; wait for its end, or close it"
    assert [("busy", words)] == [(event.kind, event.message) for event in refused]
    assert before == session.agent.context
    go_on.set()
    await first
    await session.send("And this.")
    assert 2 == len(session.events_of(TurnEnded))


async def test_a_send_that_nobody_listens_to_any_more_is_no_hindrance(
    start: Callable[..., Any], wire: SimpleNamespace
) -> None:
    """A loop that was left by `break` closes its generator a moment later."""
    session = start([wire.stream(wire.text("Once upon a time")), wire.stream(wire.text("Fine."))], environ=STREAMING)
    async for event in session.agent.send("Tell a story."):
        if isinstance(event, TextDelta):
            break
    await session.send(None)
    assert ["end_turn"] == [event.stop_reason for event in session.events_of(TurnEnded)]


async def test_a_restored_session_tells_the_model_what_changed(
    start: Callable[..., Any], wire: SimpleNamespace, tmp_path: Path
) -> None:
    """Once, in front of the user's text, and only where something did change."""
    path = tmp_path / "context.json"
    save_context(
        ConversationContext((user(wire.text("Hi")), assistant(wire.text("Hello"))), combination="streaming"), path
    )

    def restored(client: Any, **options: Any) -> Agent:
        return Agent.restore(path, client, **options)

    answers = [wire.message(wire.text("Yes.")), wire.message(wire.text("No."))]
    changed = start(answers, make=restored)
    await changed.send("Still there?")
    await changed.send("Sure?")
    told = "This session was saved and restored.\nSwitched off since: streaming."
    assert [told] == [event.text for event in changed.events_of(RestoreNote)]
    assert user(wire.text(told), wire.text("Still there?")) == changed.bodies[0]["messages"][-1]
    assert user(wire.text("Sure?")) == changed.bodies[1]["messages"][-1]

    same = start([wire.stream(wire.text("Yes."))], environ=STREAMING, make=restored)
    await same.send("Still there?")
    assert user(wire.text("Still there?")) == same.bodies[0]["messages"][-1]
    changed.agent.save(path)
    assert changed.agent.context == load_context(path)


async def test_a_restore_removes_what_a_killed_saver_left(
    start: Callable[..., Any], wire: SimpleNamespace, tmp_path: Path
) -> None:
    """Half a context is of no use to anybody."""
    path, part = tmp_path / "context.json", tmp_path / ".context.json.0123456789abcdef.part"
    save_context(ConversationContext(), path)
    part.touch()
    os.utime(part, (0, 0))
    start([], make=lambda client, **options: Agent.restore(path, client, **options))
    assert [path.name] == os.listdir(tmp_path)


async def test_a_session_saved_before_its_first_send_has_nothing_to_tell(
    start: Callable[..., Any], wire: SimpleNamespace, tmp_path: Path
) -> None:
    """No flags have changed where none were known, whichever are on."""
    path = tmp_path / "context.json"
    start([], environ=STREAMING).agent.save(path)
    assert load_context(path).combination is None
    restored = start([wire.stream(wire.text("Hi."))], environ=STREAMING, context=load_context(path))
    await restored.send("Hello")
    assert [] == restored.events_of(RestoreNote)
    assert "streaming" == restored.agent.context.combination


async def test_what_nobody_foresaw_is_told_too(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the agent itself ends in an event and a traceback in the log, and not in the caller's loop."""

    def broken(*arguments: Any) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("flag_harness.reference.agent.find_model", broken)
    session = start([])
    await session.send("Hello")
    assert [AgentError(0.0, "unexpected", "RuntimeError: a mistake")] == session.events
    assert "RuntimeError: a mistake" in caplog.text


async def test_the_log_tells_the_story(
    start: Callable[..., Any], wire: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests, retries, discarded turns, tools and errors, each with its fields, none with the key."""
    replies = [
        wire.played(wire.events(wire.text("Once"))[:3]),
        wire.stream(wire.call("toolu_1"), stop="tool_use"),
        wire.error(404, "not_found_error", "model: claude-test"),
    ]
    with caplog.at_level(logging.INFO, "flag_harness.reference"):
        session = start(replies, environ=STREAMING, tools=[noting([])])
        await session.send("Hello")
    told = [(record.event, record.fields) for record in caplog.records]  # type: ignore[attr-defined]
    names = [name for name, _ in told]
    assert names == ["request", "turn_discarded", "retry", "request", "answer", "tool_run", "request", "error"]
    assert {"tool": "note", "id": "toolu_1", "is_error": False, "seconds": 0.5} == told[5][1]
    assert 404 == told[-1][1]["status"]
    assert "offline" not in json.dumps(told)
