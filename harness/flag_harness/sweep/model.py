"""What the simulated model says in a sweep: it asks for one tool, and answers once the tool has run."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flag_harness.simulator import Turn
from flag_harness.simulator.scenario.scenario import Call

TOOL = "note"
STEP = "the würfel is cast"
"""What the tool is to note down: with a character of more than one byte, which faults can split."""
NOTED = "noted"
ASK = "Note the step down, then tell me that it is done."
GO_ON = "Go on."
NEXT = "Thank you. Is there anything left to do?"


def model(body: Mapping[str, Any]) -> Turn:
    """The answer to a request, by all that its conversation holds: what an agent has forgotten, the model cannot know.

    A call that failed is made again.
    """
    texts = set(_texts(body["messages"]))
    if NEXT in texts:
        return Turn(thinking="Nothing comes to mind.", text="Nothing that I know of: tout est réglé.")
    if ASK not in texts:
        return Turn(text="Go on with what?")
    if any(block.get("content") == NOTED or _is_noted(block) for block in _results(body["messages"])):
        return Turn(thinking="The tool has answered; that was all.", text="It is done: the würfel is on record.")
    return Turn(
        thinking="The step is short; one call of the tool will do.",
        text="I note it down, das Wörtchen für Wörtchen.",
        calls=(Call(name=TOOL, input={"step": STEP}),),
    )


def _blocks(messages: Iterable[Mapping[str, Any]], role: str) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        if message["role"] == role:
            content = message["content"]
            yield from [{"type": "text", "text": content}] if isinstance(content, str) else content


def _texts(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (block["text"] for block in _blocks(messages, "user") if block["type"] == "text")


def _results(messages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (block for block in _blocks(messages, "user") if block["type"] == "tool_result")


def _is_noted(result: Mapping[str, Any]) -> bool:
    """Whether a result whose content is a list of blocks says so."""
    content = result.get("content")
    return isinstance(content, list) and any(block.get("text") == NOTED for block in content)
