"""Tools: what reaches them, what comes back, and what must never be run."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from flag_harness.conformance.stage import BUDGET_MODEL, Probe, Talk, deltas
from flag_harness.reference import AgentError, ToolResult, ToolUse

TOOL_DELAY = 0.5
"""Seconds on the clock between a call's event and the tool, so that a screen can catch up."""

NOTE = {"properties": {"title": {"type": "string"}, "body": {"type": "string"}}, "required": ["title", "body"]}
LIST = {"properties": {"folder": {"type": "string", "default": "."}}, "required": ["folder"]}
PART = {"properties": {"part": {"type": "string"}}, "required": ["part"]}

pytestmark = [pytest.mark.features("tools"), pytest.mark.scenario("tools"), pytest.mark.asyncio]


def results(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool results in the last message of a request."""
    return [block for block in body["messages"][-1]["content"] if block["type"] == "tool_result"]


@pytest.mark.flags(streaming=True)
async def test_stream_input_json(cassette: Any, talk: Callable[..., Talk]) -> None:
    """Input that is split over many deltas reaches the tool whole, half a second after its event."""
    shown: list[list[ToolUse]] = []

    def note(given: Any) -> str:
        shown.append(conversation.of(ToolUse))
        return "done"

    probe = Probe(cassette.clock)
    conversation = talk(tools=[probe.tool("write_note", NOTE, note)])
    await conversation.say("Write a long note.")

    written = deltas(cassette.exchanges[0][1], "partial_json")
    assert 2 < len(written), "the input came in several deltas"
    whole = json.loads("".join(written))
    assert [whole] == [given for _, given in probe.calls], "the whole input reaches the tool"
    assert [[whole]] == [[call.input for call in calls] for calls in shown], "the tool_use event comes first"
    ((moment, _),), ((call,),) = probe.calls, shown
    assert pytest.approx(TOOL_DELAY, abs=0.05) == moment - call.at, "the tool runs half a second later"
    assert [False] == [result.is_error for result in conversation.of(ToolResult)], "the tool's result is shown"


async def test_missing_param(cassette: Any, talk: Callable[..., Talk]) -> None:
    """A parameter with a declared default gets it; one without is named in an error, and nothing is invented."""
    probe = Probe(cassette.clock)
    conversation = talk(tools=[probe.tool("list_notes", LIST)])
    await conversation.say("Now leave everything out.")

    assert [{"folder": "."}] == [given for _, given in probe.calls], "the declared default is used"
    assert [{}, {}] == [event.input for event in conversation.of(ToolUse)], "no command is invented"
    listed, refused = results(cassette.bodies[1])
    assert "is_error" not in listed, "the call with a default succeeds"
    assert refused.get("is_error") is True, "the call without one is answered with an error"
    assert "command" in refused["content"], "the error names the parameter"
    assert not conversation.of(AgentError), "the session goes on"


async def test_tool_raises(cassette: Any, talk: Callable[..., Talk]) -> None:
    """A tool that raises is answered for with an error, and the conversation goes on."""

    def refuse(given: Any) -> str:
        raise RuntimeError(f"no wrench for the {given['part']}")

    probe = Probe(cassette.clock)
    conversation = talk(tools=[probe.tool("break_down", PART, refuse)])
    await conversation.say("Take the pump apart, it fails.")

    assert 2 == len(cassette.bodies), "the next request goes out"
    (result,) = results(cassette.bodies[1])
    assert result.get("is_error") is True, "the result is marked as an error"
    assert "no wrench for the pump" in result["content"], "the result says what was raised"
    assert not conversation.of(AgentError), "the session goes on"


@pytest.mark.features("integration")
async def test_parallel_ids(cassette: Any, talk: Callable[..., Talk]) -> None:
    """Two calls of one turn are answered in one user turn, each result under its call's id."""
    conversation = talk()
    await conversation.say("Run both at once.")

    roles = [message["role"] for message in cassette.bodies[1]["messages"]]
    assert ["user", "assistant", "user"] == roles, "both results stand in one user turn"
    assistant, user = cassette.bodies[1]["messages"][-2:]
    called = [block["id"] for block in assistant["content"] if block["type"] == "tool_use"]
    assert 2 == len(set(called)), "two calls are made"
    answered = {block["tool_use_id"]: block["content"] for block in user["content"]}
    assert dict(zip(called, ["one", "two"], strict=True)) == answered, "each result stands under its call's id"
    assert not conversation.of(AgentError), "the API takes them"


@pytest.mark.flags(streaming=True, extended_output=True)
async def test_thinking_roundtrip(cassette: Any, talk: Callable[..., Talk]) -> None:
    """Thinking before a tool call goes back first in its turn, with the signature that it came with."""
    conversation = talk(model=BUDGET_MODEL)
    await conversation.say("Please think first.")

    assert {"type": "enabled", "budget_tokens": 12000} == cassette.bodies[0]["thinking"], "the budget is on the wire"
    thought, signature = ("".join(deltas(cassette.exchanges[0][1], key)) for key in ("thinking", "signature"))
    assert thought, "the model thinks before it calls"
    assert signature, "its thinking is signed"
    turn = cassette.bodies[1]["messages"][1]["content"]
    assert "thinking" == turn[0]["type"], "thinking is sent back first"
    assert signature == turn[0].get("signature"), "the signature is intact"
    assert thought == turn[0]["thinking"], "the thinking is intact"
    assert "tool_use" == turn[-1]["type"], "the call is sent back after it"
    assert not conversation.of(AgentError), "the API takes it"


@pytest.mark.flags(extended_output=True)
async def test_truncated_call(cassette: Any, talk: Callable[..., Talk]) -> None:
    """A call that max_tokens cuts is not executed, though its defaults would do, and the model is told so."""
    probe = Probe(cassette.clock)
    conversation = talk(tools=[probe.tool("list_notes", LIST)])
    await conversation.say("This one is cut short.")

    assert [] == probe.calls, "the cut call is not executed"
    (result,) = results(cassette.bodies[1])
    assert result.get("is_error") is True, "the call is answered with an error"
    assert "max_tokens" in result["content"], "the model is told that max_tokens cut it"
    assert [True] == [shown.is_error for shown in conversation.of(ToolResult)], "it is shown as one that failed"
    assert not conversation.of(AgentError), "the session goes on"
