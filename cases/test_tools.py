"""Tools: the input that they get, the results that they return, and the calls that must not run."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from flag_harness.conformance.support import BUDGET_MODEL, Conversation, ToolSpy, deltas
from flag_harness.reference import AgentError, ToolResult, ToolUse

TOOL_DELAY = 0.5
"""Seconds on the clock between a call's event and the start of the tool, so that a screen can catch up."""

NOTE = {"properties": {"title": {"type": "string"}, "body": {"type": "string"}}, "required": ["title", "body"]}
LIST = {"properties": {"folder": {"type": "string", "default": "."}}, "required": ["folder"]}
PART = {"properties": {"part": {"type": "string"}}, "required": ["part"]}

pytestmark = [pytest.mark.features("tools"), pytest.mark.scenario("tools"), pytest.mark.asyncio]


def results(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tool results in the last message of a request."""
    return [block for block in body["messages"][-1]["content"] if block["type"] == "tool_result"]


@pytest.mark.flags(streaming=True)
async def test_stream_input_json(cassette: Any, start: Callable[..., Conversation]) -> None:
    """An input split over many deltas reaches the tool complete, half a second after its event."""
    shown: list[list[ToolUse]] = []

    def note(input: Any) -> str:
        shown.append(conversation.events_of(ToolUse))
        return "done"

    spy = ToolSpy(cassette.clock)
    conversation = start(tools=[spy.tool("write_note", NOTE, note)])
    await conversation.send("Write a long note.")

    parts = deltas(cassette.exchanges[0][1], "partial_json")
    assert 2 < len(parts), "the input came in several deltas"
    whole = json.loads("".join(parts))
    assert [whole] == [input for _, input in spy.calls], "the whole input reaches the tool"
    assert [[whole]] == [[call.input for call in calls] for calls in shown], "the tool_use event comes first"
    ((moment, _),), ((call,),) = spy.calls, shown
    assert pytest.approx(TOOL_DELAY, abs=0.05) == moment - call.at, "the tool runs half a second later"
    assert [False] == [result.is_error for result in conversation.events_of(ToolResult)], "the tool's result is shown"


async def test_missing_param(cassette: Any, start: Callable[..., Conversation]) -> None:
    """A missing parameter gets its declared default; one without a default is named in an error."""
    spy = ToolSpy(cassette.clock)
    conversation = start(tools=[spy.tool("list_notes", LIST)])
    await conversation.send("Now leave everything out.")

    assert [{"folder": "."}] == [input for _, input in spy.calls], "the declared default is used"
    assert [{}, {}] == [event.input for event in conversation.events_of(ToolUse)], "no command is invented"
    listed, refused = results(cassette.bodies[1])
    assert "is_error" not in listed, "the call with a default succeeds"
    assert refused.get("is_error") is True, "the call without one is answered with an error"
    assert "command" in refused["content"], "the error names the parameter"
    assert not conversation.events_of(AgentError), "the session goes on"


async def test_tool_raises(cassette: Any, start: Callable[..., Conversation]) -> None:
    """If a tool raises, its call gets an error result, and the conversation continues."""

    def refuse(input: Any) -> str:
        raise RuntimeError(f"no wrench for the {input['part']}")

    spy = ToolSpy(cassette.clock)
    conversation = start(tools=[spy.tool("break_down", PART, refuse)])
    await conversation.send("Take the pump apart, it fails.")

    assert 2 == len(cassette.bodies), "the next request goes out"
    (result,) = results(cassette.bodies[1])
    assert result.get("is_error") is True, "the result is marked as an error"
    assert "no wrench for the pump" in result["content"], "the result says what was raised"
    assert not conversation.events_of(AgentError), "the session goes on"


@pytest.mark.features("integration")
async def test_parallel_ids(cassette: Any, start: Callable[..., Conversation]) -> None:
    """Two calls of one turn are answered in one user turn, each result with its call's id."""
    conversation = start()
    await conversation.send("Run both at once.")

    roles = [message["role"] for message in cassette.bodies[1]["messages"]]
    assert ["user", "assistant", "user"] == roles, "both results are in one user turn"
    assistant, user = cassette.bodies[1]["messages"][-2:]
    calls = [block["id"] for block in assistant["content"] if block["type"] == "tool_use"]
    assert 2 == len(set(calls)), "two calls are made"
    answers = {block["tool_use_id"]: block["content"] for block in user["content"]}
    assert dict(zip(calls, ["one", "two"], strict=True)) == answers, "each result has its call's id"
    assert not conversation.events_of(AgentError), "the API accepts them"


@pytest.mark.flags(streaming=True, extended_output=True)
async def test_thinking_roundtrip(cassette: Any, start: Callable[..., Conversation]) -> None:
    """Thinking before a tool call is sent back first in its turn, with its signature."""
    conversation = start(model=BUDGET_MODEL)
    await conversation.send("Please think first.")

    assert {"type": "enabled", "budget_tokens": 12000} == cassette.bodies[0]["thinking"], "the budget is on the wire"
    thinking, signature = ("".join(deltas(cassette.exchanges[0][1], key)) for key in ("thinking", "signature"))
    assert thinking, "the model thinks before it calls"
    assert signature, "its thinking is signed"
    turn = cassette.bodies[1]["messages"][1]["content"]
    assert "thinking" == turn[0]["type"], "thinking is sent back first"
    assert signature == turn[0].get("signature"), "the signature is intact"
    assert thinking == turn[0]["thinking"], "the thinking is intact"
    assert "tool_use" == turn[-1]["type"], "the call is sent back after it"
    assert not conversation.events_of(AgentError), "the API accepts it"


@pytest.mark.flags(extended_output=True)
async def test_truncated_call(cassette: Any, start: Callable[..., Conversation]) -> None:
    """A call that max_tokens cuts is not run, although its defaults would be valid, and the model is told."""
    spy = ToolSpy(cassette.clock)
    conversation = start(tools=[spy.tool("list_notes", LIST)])
    await conversation.send("This one is cut short.")

    assert [] == spy.calls, "the cut call is not executed"
    (result,) = results(cassette.bodies[1])
    assert result.get("is_error") is True, "the call is answered with an error"
    assert "max_tokens" in result["content"], "the model is told that max_tokens cut it"
    assert [True] == [shown.is_error for shown in conversation.events_of(ToolResult)], "the result is shown as an error"
    assert not conversation.events_of(AgentError), "the session goes on"
