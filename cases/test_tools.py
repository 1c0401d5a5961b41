"""Tools: what reaches them, what comes back, and what must never be run."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.agent import AgentError, ToolResult, ToolUse
from harness.conformance.stage import BUDGET_MODEL, Probe, Talk
from harness.wire.sse import decode
from harness.wire.timeline import Chunk

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
    probe = Probe(cassette.clock)
    conversation = talk(tools=[probe.tool("write_note", NOTE)])
    await conversation.say("Write a long note.")

    ((moment, given),) = probe.calls
    (call,) = conversation.of(ToolUse)
    assert call.input == given, "the whole input reaches the tool"
    assert "übermorgen" in given["body"], "the input is what the model wrote"
    response = cassette.exchanges[0][1]
    pieces = decode(piece.data for piece in response if isinstance(piece, Chunk))
    assert 2 < sum("input_json_delta" in event.data for event in pieces), "the input came in several deltas"
    kinds = [type(event) for event in conversation.events if isinstance(event, (ToolUse, ToolResult))]
    assert [ToolUse, ToolResult] == kinds, "the tool_use event comes first"
    assert pytest.approx(TOOL_DELAY, abs=0.05) == moment - call.at, "the tool runs half a second later"


async def test_missing_param(cassette: Any, talk: Callable[..., Talk]) -> None:
    """A parameter with a declared default gets it; one without is named in an error, and nothing is invented."""
    probe = Probe(cassette.clock)
    conversation = talk(tools=[probe.tool("list_notes", LIST)])
    await conversation.say("Now leave everything out.")

    assert [{"folder": "."}] == [given for _, given in probe.calls], "the declared default is used"
    listed, refused = results(cassette.bodies[1])
    assert "is_error" not in listed, "the call with a default succeeds"
    assert refused.get("is_error") is True, "the call without one is answered with an error"
    assert "command" in refused["content"], "the error names the parameter"
    assert [{}, {}] == [event.input for event in conversation.of(ToolUse)], "no command is invented"


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

    assistant, user = cassette.bodies[1]["messages"][-2:]
    called = [block["id"] for block in assistant["content"] if block["type"] == "tool_use"]
    assert 2 == len(set(called)), "two calls are made"
    answered = {block["tool_use_id"]: block["content"] for block in user["content"]}
    assert dict(zip(called, ["one", "two"], strict=True)) == answered, "each result stands under its call's id"
    assert ["user", "assistant", "user"] == [message["role"] for message in cassette.bodies[1]["messages"]]


@pytest.mark.flags(streaming=True, extended_output=True)
async def test_thinking_roundtrip(cassette: Any, talk: Callable[..., Talk]) -> None:
    """Thinking before a tool call goes back first in its turn, with the signature that it came with."""
    conversation = talk(model=BUDGET_MODEL)
    await conversation.say("Please think first.")

    assert {"type": "enabled", "budget_tokens": 12000} == cassette.bodies[0]["thinking"], "the budget is on the wire"
    data = b"".join(piece.data for piece in cassette.exchanges[0][1] if isinstance(piece, Chunk))
    first, *_, last = cassette.bodies[1]["messages"][1]["content"]
    assert "thinking" == first["type"], "thinking is sent back first"
    assert "tool_use" == last["type"], "the call is sent back after it"
    assert first["signature"].encode() in data, "the signature is intact"
    assert first["signature"], "there is a signature"
    assert not conversation.of(AgentError), "the API takes it"


@pytest.mark.flags(extended_output=True)
async def test_truncated_call(cassette: Any, talk: Callable[..., Talk]) -> None:
    """A call that max_tokens cuts is not executed, and the model is told so."""
    conversation = talk()
    await conversation.say("This one is cut short.")

    (result,) = results(cassette.bodies[1])
    assert result.get("is_error") is True, "the call is answered with an error"
    assert "max_tokens" in result["content"], "the model is told that max_tokens cut it"
    (shown,) = conversation.of(ToolResult)
    assert shown.is_error, "the cut call is not executed"
