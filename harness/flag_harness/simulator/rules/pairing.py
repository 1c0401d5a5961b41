"""Rules about calls and results: who may write them, and that they belong together."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from flag_harness.simulator.rules.asked import Asked
from flag_harness.simulator.scenario.matching import message_blocks

_CALLS = "tool_use"
_RESULTS = "tool_result"
_WRITERS = {_CALLS: "assistant", _RESULTS: "user"}
_SERVER_CALLS = "server_tool_use"
_SEARCH_TOOLS = "tool_search_tool"
"""The beginning of the names of the tools that search tools; their results have one name."""


def written_by_the_right_one(asked: Asked) -> str | None:
    """Assistants call, and users bring results."""
    for number, message in enumerate(asked.body["messages"]):
        for block in message_blocks(message):
            writer = _WRITERS.get(block["type"], message["role"])
            if writer != message["role"]:
                return f"messages.{number}: `{block['type']}` blocks can only be in `{writer}` messages"
    return None


def results_answer_calls(asked: Asked) -> str | None:
    """Every tool_result answers a tool_use of the assistant's turn right before it."""
    calls: set[str] = set()
    previous = ""
    for number, message in enumerate(asked.body["messages"]):
        role, blocks = message["role"], message_blocks(message)
        if role == "assistant":
            calls = (calls if previous == "assistant" else set()) | _ids(blocks, _CALLS, "id")
        for index, block in enumerate(blocks):
            if block["type"] == _RESULTS and block["tool_use_id"] not in calls:
                return (
                    f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )
        previous = role
    return None


def single_results(asked: Asked) -> str | None:
    """A call has one result in the turn that answers it; consecutive messages of one role are one turn."""
    messages = enumerate(asked.body["messages"])
    for _, turn in groupby(messages, key=lambda numbered: numbered[1]["role"]):
        seen: set[str] = set()
        for number, message in turn:
            for index, block in enumerate(message_blocks(message)):
                if block["type"] == _RESULTS and block["tool_use_id"] in seen:
                    return (
                        f"messages.{number}.content.{index}: each tool_use must have a single result. Found multiple "
                        f"`tool_result` blocks with id: {block['tool_use_id']}"
                    )
                seen |= _ids([block], _RESULTS, "tool_use_id")
    return None


def calls_are_answered(asked: Asked) -> str | None:
    """Every tool_use is answered in the user's turn right after it, before anything else is said there."""
    messages = asked.body["messages"]
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        calls = [block["id"] for block in message_blocks(message) if block["type"] == _CALLS]
        missing = set(calls) - _answers(messages[number + 1 :])
        if missing:
            names = ", ".join(call for call in calls if call in missing)
            return (
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: {names}"
                ". Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            )
    return None


def unique_calls(asked: Asked) -> str | None:
    """A call's id stands once in a conversation."""
    seen: set[str] = set()
    for message in asked.body["messages"]:
        for block in message_blocks(message):
            if block["type"] == _CALLS:
                if block["id"] in seen:
                    return "messages: `tool_use` ids must be unique"
                seen.add(block["id"])
    return None


def server_calls_are_answered(asked: Asked) -> str | None:
    """A server's call has its result once the user speaks on; a turn that is paused or waits for a client may lack it.

    Recorders take ids out: a message that has as many servers' results as calls is taken for whole.
    """
    messages = asked.body["messages"]
    answered = [block.get("tool_use_id") for message in messages for block in message_blocks(message)]
    for number, message in enumerate(messages[:-1]):
        blocks = message_blocks(message)
        calls = [block for block in blocks if block["type"] == _SERVER_CALLS]
        results = [block for block in blocks if block["type"].endswith(f"_{_RESULTS}")]
        open_calls = [call for call in calls if call["id"] not in answered]
        if open_calls and len(results) < len(calls) and _speaks_on(messages[number + 1]):
            name = open_calls[0]["name"]
            result = _SEARCH_TOOLS if name.startswith(_SEARCH_TOOLS) else f"{name}_tool"
            return (
                f"messages.{number}: `{name}` tool use with id `{open_calls[0]['id']}` was found without a "
                f"corresponding `{result}_result` block"
            )
    return None


def _speaks_on(message: Mapping[str, Any]) -> bool:
    """Whether a user says more than a client's results."""
    return message["role"] == "user" and any(block["type"] != _RESULTS for block in message_blocks(message))


def _answers(following: list[Mapping[str, Any]]) -> set[str]:
    """The ids that the next user's turn answers at its beginning; consecutive messages of one role are one turn."""
    answered: set[str] = set()
    for block in _next_turn(following):
        if block["type"] != _RESULTS:
            break
        answered.add(block["tool_use_id"])
    return answered


def _next_turn(following: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The blocks of the next user's turn; system messages among them are no part of it."""
    started = False
    for message in following:
        if message["role"] == "assistant" and started:
            return
        if message["role"] == "user":
            started = True
            yield from message_blocks(message)


def _ids(blocks: Iterable[Mapping[str, Any]], kind: str, key: str) -> set[str]:
    return {block[key] for block in blocks if block["type"] == kind}
