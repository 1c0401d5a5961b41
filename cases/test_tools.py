"""Tools: the input that they get, the results that they return, and calls that must not be run."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from flag_harness.conformance import details
from flag_harness.conformance.support import BUDGET_MODEL, Conversation, ToolSpy, about, deltas
from flag_harness.faults import bad_request
from flag_harness.reference import AgentError, BashTool, BlockDropped, ToolResult, ToolUse, TurnEnded
from flag_harness.reference.settings import ENABLE_TOOLS, THINKING_BUDGET
from flag_harness.reference.tools.function_tool import function_tool

TOOL_DELAY = 0.5
"""The seconds on the clock between the event of a tool call and the start of the tool, so that a screen can show the
call.
"""

BAD_SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"

LIMIT = 1000
"""The limit that one case sets for the seconds that a tool may take and for the characters of its result."""

NOTE = {"properties": {"title": {"type": "string"}, "body": {"type": "string"}}, "required": ["title", "body"]}
LIST = {"properties": {"folder": {"type": "string", "default": "."}}, "required": ["folder"]}
PART = {"properties": {"part": {"type": "string"}}, "required": ["part"]}

pytestmark = [pytest.mark.features("tools"), pytest.mark.scenario("tools"), pytest.mark.asyncio]


def results(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tool results in the last message of a request's body."""
    return [block for block in body["messages"][-1]["content"] if block["type"] == "tool_result"]


@pytest.mark.flags(streaming=True)
async def test_stream_input_json(cassette: Any, start: Callable[..., Conversation]) -> None:
    """A tool input split over many deltas reaches the tool complete, half a second after the call's event."""
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
    details.check_split_character()
    assert [[whole]] == [[call.input for call in calls] for calls in shown], "the tool_use event comes first"
    ((moment, _),), ((call,),) = spy.calls, shown
    assert pytest.approx(TOOL_DELAY, abs=0.05) == moment - call.at, "the tool runs half a second later"
    assert [False] == [result.is_error for result in conversation.events_of(ToolResult)], "the tool's result is shown"


async def test_missing_param(cassette: Any, start: Callable[..., Conversation]) -> None:
    """A missing parameter gets the default that the schema declares; without one, an error result names it."""
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
    if not cassette.is_live:
        await _check_misbehaving_tools(cassette, start)


async def _check_misbehaving_tools(cassette: Any, start: Callable[..., Conversation]) -> None:
    """Check that a tool that is slow, long-winded, silent or unknown gets a result that can be sent, and the turn goes
    on.
    """

    async def break_down(part: str) -> Any:
        await cassette.clock.async_sleep(10 * LIMIT if part == "slow" else 0)
        return {"slow": "late", "long": "x" * 10 * LIMIT, "half": "\ud83d", "silent": None}[part]

    schema = {"type": "object", **PART}
    tool = function_tool("break_down", "Break a part down.", schema, break_down)
    conversation = start(tools=[tool], tool_timeout=LIMIT, tool_output_limit=LIMIT)
    await conversation.send("Take everything at once.")

    slow, long, half, silent, wrong, unknown = results(cassette.bodies[-1])
    assert f"stopped after {LIMIT} s" in slow["content"], "a slow tool is stopped, and the model is told"
    assert LIMIT < len(long["content"]) < 2 * LIMIT, "a long result is shortened"
    assert f"{9 * LIMIT} characters left out" in long["content"], "the model is told how much is missing"
    assert ["?", ""] == [half["content"], silent["content"]], "every result can be sent"
    assert "part must be a string" in wrong["content"], "an input that does not fit is refused"
    assert "The tools are: bash, break_down" in unknown["content"], "an unknown tool is answered with those there are"
    assert [True, False, False, False, True, True] == [
        "is_error" in one for one in cassette.bodies[-1]["messages"][-1]["content"]
    ]


@pytest.mark.features("integration")
async def test_parallel_ids(cassette: Any, start: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tool calls of one turn are answered in one user turn, in which each result has the id of its call."""
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
    if not cassette.is_live:
        await _check_one_shell(cassette, conversation)
        await _check_one_send_at_a_time(conversation)
        monkeypatch.setenv(ENABLE_TOOLS, "false")
        await conversation.send("And now?")
        assert "tools" not in cassette.bodies[-1], "no tool is offered if ENABLE_TOOLS is off"


async def _check_one_shell(cassette: Any, conversation: Conversation) -> None:
    """Check that the shell commands of a session share directory and variables, see no secret, and report their exit
    codes.
    """
    await conversation.send("Run them one after another.")
    _, said, zeros, again = (one["content"] for one in results(cassette.bodies[-1]))
    assert "kept in deck, key hidden\noops\n[exit code 3]" == said, "a command continues from the one before"
    assert 500 == len(zeros), "the output is complete"
    assert "bash has been restarted" == again, "bash can be restarted"
    bash = BashTool(
        environ={"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": "sk-ant-secret"}, output_limit=100, timeout=1
    )
    assert "[400 bytes left out]" in await bash.run({"command": "printf %0500d 0"}), "a long output is shortened"
    assert "sk-ant-secret" not in await bash.run({"command": "env"}), "no command gets the key"
    await details.check_shell(bash.directory)


async def _check_one_send_at_a_time(conversation: Conversation) -> None:
    """Check that a second `send` during the first one ends at once with an error, and that the first goes on."""
    first = conversation.agent.send("And now?")
    events = [await anext(first)]
    second = [event async for event in conversation.agent.send("And now, and then?")]
    events += [event async for event in first]
    assert ["busy"] == [getattr(event, "kind", None) for event in second], "only one send runs at a time"
    assert isinstance(events[-1], TurnEnded), "the first send is not disturbed"
    await details.check_abandoned_send(conversation.agent)


@pytest.mark.flags(streaming=True, extended_output=True)
@pytest.mark.faults(bad_request(message=BAD_SIGNATURE, when=about("And now"), on=1))
async def test_thinking_roundtrip(
    cassette: Any, start: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
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
    if not cassette.is_live:
        monkeypatch.setenv(THINKING_BUDGET.variable, "2000")
        await conversation.send("Please look it up.")
        kinds = ["thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result", "text", "tool_use"]
        sent = cassette.bodies[-1]["messages"][-2]["content"]
        assert kinds == [block["type"] for block in sent], "every block but a blank text is sent back"
        assert "web_search_result_location" == sent[4]["citations"][0]["type"], "citations are sent back"
        assert {"query": "lighthouse"} == sent[2]["input"], "the input of the API's own tool is sent back"
        await conversation.send("And now?")
        assert ["thinking"] == [event.block_type for event in conversation.events_of(BlockDropped)], (
            "a refused block goes"
        )
        assert isinstance(conversation.events[-1], TurnEnded), "the session goes on without it"


@pytest.mark.flags(extended_output=True)
async def test_truncated_call(cassette: Any, start: Callable[..., Conversation]) -> None:
    """A call that `max_tokens` cuts off is not run, although defaults would make it valid; the model is told."""
    spy = ToolSpy(cassette.clock)
    conversation = start(tools=[spy.tool("list_notes", LIST)])
    await conversation.send("This one is cut short.")

    assert [] == spy.calls, "the cut call is not executed"
    (result,) = results(cassette.bodies[1])
    assert result.get("is_error") is True, "the call is answered with an error"
    assert "max_tokens" in result["content"], "the model is told that max_tokens cut it"
    assert [True] == [shown.is_error for shown in conversation.events_of(ToolResult)], "the result is shown as an error"
    assert not conversation.events_of(AgentError), "the session goes on"
    if not cassette.is_live:
        await _check_other_ends(cassette, start(tools=[spy.tool("list_notes", LIST)]), spy)


async def _check_other_ends(cassette: Any, conversation: Conversation, spy: ToolSpy) -> None:
    """Check other ends of an answer: only calls of a complete answer are run, a pause is continued, a refused turn is
    removed.
    """
    await conversation.send("Cut only the last one.")
    assert [{"folder": "hold"}] == [input for _, input in spy.calls], "the complete call is run, the cut one is not"
    await conversation.send("Now change your mind.")
    assert 1 == len(spy.calls), "a call is not run if the answer ended for another reason"

    await conversation.send("Answer in two parts.")
    words = [block["text"] for block in conversation.agent.context.messages[-1]["content"]]
    assert ["First I look,", "then I speak."] == words, "an answer after a pause joins the one before it"
    kept = conversation.agent.context
    await conversation.send("Do the forbidden thing.")
    assert kept.messages == conversation.agent.context.messages, "a refused turn is taken out of the conversation"
    await conversation.send(None)
    assert "On second thought, yes." == _last_text(conversation), "a refused turn can be sent again"

    for text in ("This never fits.", "Please say nothing."):
        requests = len(cassette.bodies)
        await conversation.send(text)
        assert isinstance(conversation.events[-1], AgentError), "a turn without an end is given up"
        assert 3 == len(cassette.bodies) - requests, "after three requests"
    calls = len(spy.calls)
    await conversation.send("Call it twice with one id.")
    assert calls + 1 == len(spy.calls), "a second call with the same id is not run"
    await conversation.send("And now?")
    assert "Now we go on." == _last_text(conversation), "the session goes on"
    await conversation.send(None)
    assert "no unanswered turn" in conversation.events_of(AgentError)[-1].message, "a refused turn is sent once again"
    details.check_refused_words()
    await details.check_endless_turn()


def _last_text(conversation: Conversation) -> str:
    return str(conversation.agent.context.messages[-1]["content"][-1]["text"])
