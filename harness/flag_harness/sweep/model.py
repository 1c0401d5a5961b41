"""The simulated model of a sweep, which calls one tool and answers once the tool has run."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flag_harness.simulator import ScenarioTurn
from flag_harness.simulator.scenario.scenario import ScriptedToolCall

SWEEP_TOOL_NAME = "note"
SWEEP_TOOL_INPUT = "the würfel is cast"
"""The input of the tool's call. It contains a character of more than one byte, which a fault can split."""
SWEEP_TOOL_RESULT = "noted"
FIRST_PROMPT = "Note the step down, then tell me that it is done."
CONTINUE_PROMPT = "Go on."
SECOND_PROMPT = "Thank you. Is there anything left to do?"


def turn_for_request(body: Mapping[str, Any]) -> ScenarioTurn:
    """Return the simulated model's answer to a request, which depends only on the messages in the request.

    If the result of a tool call is not the expected one, the model calls the tool again.
    """
    texts = set(_user_texts(body["messages"]))
    if SECOND_PROMPT in texts:
        return ScenarioTurn(thinking="Nothing comes to mind.", text="Nothing that I know of: tout est réglé.")
    if FIRST_PROMPT not in texts:
        return ScenarioTurn(text="Go on with what?")
    if any(
        block.get("content") == SWEEP_TOOL_RESULT or _is_note_tool_result(block)
        for block in _tool_results(body["messages"])
    ):
        return ScenarioTurn(
            thinking="The tool has answered; that was all.", text="It is done: the würfel is on record."
        )
    return ScenarioTurn(
        thinking="The step is short; one call of the tool will do.",
        text="I note it down, das Wörtchen für Wörtchen.",
        calls=(ScriptedToolCall(name=SWEEP_TOOL_NAME, input={"step": SWEEP_TOOL_INPUT}),),
    )


def _user_blocks(messages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the content blocks of the user's messages. A string becomes a text block."""
    for message in messages:
        if message["role"] == "user":
            content = message["content"]
            yield from [{"type": "text", "text": content}] if isinstance(content, str) else content


def _user_texts(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (block["text"] for block in _user_blocks(messages) if block["type"] == "text")


def _tool_results(messages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (block for block in _user_blocks(messages) if block["type"] == "tool_result")


def _is_note_tool_result(result: Mapping[str, Any]) -> bool:
    """Return whether a tool result has the text `SWEEP_TOOL_RESULT`, which the sweep's tool returns."""
    content = result.get("content")
    return isinstance(content, list) and any(block.get("text") == SWEEP_TOOL_RESULT for block in content)
