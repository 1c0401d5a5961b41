"""Checks of details that no conversation of a case reaches. The cases about the same subject call them."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.clock import VirtualClock
from flag_harness.conformance.support import cache_marks
from flag_harness.errors import CommandRefused
from flag_harness.reference import (
    Agent,
    AgentError,
    BashTool,
    ConversationContext,
    RetryPolicy,
    load_context,
    save_context,
)
from flag_harness.reference.context.conversation import remove_last_turn
from flag_harness.reference.request.cache_marks import add_cache_marks_to_latest_turns
from flag_harness.reference.request.failure import RequestFailure
from flag_harness.reference.request.fallback import find_rejected_features
from flag_harness.reference.request.refused_block import drop_refused_block
from flag_harness.reference.request.request import PreparedRequest, RequestTemplate
from flag_harness.reference.request.retry import RetryState
from flag_harness.reference.request.stream import AnswerAssembler
from flag_harness.reference.tools.function_tool import function_tool

ASK = {"role": "user", "content": [{"type": "text", "text": "Look it up."}]}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "found"}
THOUGHT = [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}]
ANSWER = {"role": "assistant", "content": [*THOUGHT, {"type": "text", "text": "I look."}, CALL]}
MARK = {"cache_control": {"type": "ephemeral"}}
RUNS = """kill -0 $pid 2>/dev/null && case $(cat /proc/$pid/stat 2>/dev/null) in *') Z '*) false ;; esac"""
"""A shell command that fails unless the process with the id `$pid` is running."""
MAX_REQUESTS = 300
"""A number of requests after which the agent must have given up a turn."""
OVERLOADED = RequestFailure("overloaded", "Overloaded", "policy", 529)


def check_patience(errors: Sequence[AgentError]) -> None:
    """Check that no attempt starts after the time limit of the retry policy, and that errors say what was tried and
    what to do.

    `errors` are those of the case.
    """
    assert all("(4 attempts in " in error.message for error in errors), "the error says how often was tried"
    assert all("your turn is kept: send again" in error.message for error in errors), "the error says what to do"
    attempts = RetryState(RetryPolicy(max_total_wait=10), 0.0)
    waits = [attempts.count_failed_attempt(OVERLOADED, now) for now in (9.0, 9.5)]
    assert [0.5, None] == waits, "no attempt starts later than the policy allows"


def _refusal(words: str) -> RequestFailure:
    return RequestFailure("request", words, status=400, original_message=words)


def check_rejections() -> None:
    """Check that an error message of the API makes the agent drop the feature or block that it names, and no other."""
    features = PreparedRequest(
        {}, betas=("tools-1", "tools-1-long"), droppable_features=("tools-1", "tools-1-long", "thinking")
    )
    for words, dropped in {
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`": ("thinking",),
        "Unexpected value(s) `tools-1-long` for the `anthropic-beta` header": ("tools-1-long",),
    }.items():
        assert dropped == find_rejected_features(_refusal(words), features), words

    context = ConversationContext(messages=(ASK, ANSWER, {"role": "user", "content": [RESULT]}))
    for index, kept in enumerate((["text", "tool_use"], ["text", "tool_use"], None, None)):
        found = drop_refused_block(context, _refusal(f"messages.1.content.{index}: Invalid block"))
        kinds = found and [block["type"] for block in found[0].messages[1]["content"]]
        assert kept == kinds, "thinking goes as a whole, and what the model said and called stays"


def check_parameters() -> None:
    """Check that betas in an agent's own headers can be dropped, and that its parameters cannot replace what the agent
    sets.
    """
    template = RequestTemplate("", parameters={"extra_headers": {"Anthropic-Beta": "one, two", "x-team": "a"}})
    assert ("one", "two") == template.betas, "betas in headers can be dropped like all others"
    assert {"extra_headers": {"x-team": "a"}} == template.parameters_without_betas, "other headers stay"
    with pytest.raises(ValueError, match="'model'"):
        RequestTemplate("", parameters={"model": "another"})


def check_nested_marks() -> None:
    """Check that cache marks inside a tool result are removed, because the API counts them as well."""
    result = {**RESULT, "content": [{"type": "text", "text": "found", **MARK}]}
    messages = add_cache_marks_to_latest_turns([ASK, ANSWER, {"role": "user", "content": [result]}], 1)
    assert 1 == len(cache_marks({"messages": messages})), "a result holds no marks of its own"


def check_refused_words() -> None:
    """Check that only the user's words are removed if the API refuses them, and the result of a call is kept."""
    results = {"role": "user", "content": [RESULT]}
    both = {"role": "user", "content": [RESULT, *ASK["content"]]}
    assert (ASK, ANSWER, results) == remove_last_turn((ASK, ANSWER, both)), "the result of a call stays"


def check_split_character() -> None:
    """Check that a character whose surrogate halves arrive in two deltas becomes one character of the answer."""
    from anthropic import types

    def delta(half: str) -> Any:
        part = types.TextDelta.model_construct(type="text_delta", text=half)
        return SimpleNamespace(type="content_block_delta", index=0, delta=part)

    assembler = AnswerAssembler()
    block = types.TextBlock.model_construct(type="text", text="")
    events = [
        SimpleNamespace(type="message_start", message=SimpleNamespace(usage={})),
        SimpleNamespace(type="content_block_start", index=0, content_block=block),
        *map(delta, ("\ud83d", "\ude00")),
        SimpleNamespace(type="content_block_stop", index=0),
        SimpleNamespace(type="message_delta", delta=SimpleNamespace(stop_reason="end_turn"), usage={}),
        SimpleNamespace(type="message_stop"),
    ]
    shown = [delta.text for event in events if (delta := assembler.add_event(event, 0.0)) is not None]
    assert ["\U0001f600"] == shown, "half a character is not shown"
    assert "\U0001f600" == assembler.finish_answer().content[0]["text"], "both halves are sent back as one"


def check_half_character(path: Path) -> None:
    """Check that a conversation with half a surrogate pair (half an emoji) can be saved and is loaded unchanged."""
    context = ConversationContext(messages=({"role": "user", "content": "\ud83d"},))
    save_context(context, path)
    assert context == load_context(path), "half a character is saved"


async def check_abandoned_send(agent: Agent) -> None:
    """Check that a `send` whose events are no longer read does not block the next `send`."""
    await anext(agent.send(" "))
    kinds = [getattr(event, "kind", None) async for event in agent.send(" ")]
    assert ["request"] == kinds, "an abandoned send gets time to close"


async def check_failed_save(agent: Agent) -> None:
    """Check that the agent reports an error and sends nothing if the session cannot be saved."""
    (event,) = [event async for event in agent.send("Answer when you can.")]
    assert "save" == getattr(event, "kind", None), "a session that cannot be saved is reported"


async def check_shell(directory: Path) -> None:
    """Check the tool `bash`: it has a time limit, runs only permitted commands, and leaves no processes behind."""
    environ = {"PATH": os.environ["PATH"]}
    bash = BashTool(environ=environ, directory=directory, timeout=0.05)
    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        await bash.run({"command": "sleep 5"})
    bash = BashTool(environ=environ, directory=directory)
    await bash.run({"command": "kept=yes; sleep 60 & pid=$!"})
    assert "[exit code 1]" == await bash.run({"command": RUNS}), "a background process is killed with its command"
    assert "yes" == await bash.run({"command": "printf %s $kept"}), "variables are kept"
    await bash.run({"restart": True})
    assert "(no output)" == await bash.run({"command": "printf %s $kept"}), "a restart forgets them"
    careful = BashTool(environ=environ, directory=directory, allowed_commands=("pwd",))
    with pytest.raises(CommandRefused):
        await careful.run({"command": "touch made"})
    assert not directory.joinpath("made").exists(), "a command that is not allowed is not run"


class EndlessClient:
    """A stand-in for the SDK's client whose model calls a tool in every answer. It counts the requests."""

    def __init__(self) -> None:
        self.messages, self.requests = self, 0

    def with_options(self, **options: Any) -> "EndlessClient":
        """Return this client, as the SDK's method returns a changed one."""
        return self

    async def create(self, **arguments: Any) -> Any:
        """Return an answer with another tool call."""
        self.requests += 1
        assert self.requests <= MAX_REQUESTS, "a turn without an end is given up"
        call = {"type": "tool_use", "id": f"toolu_{self.requests}", "name": "look", "input": {}}
        return SimpleNamespace(content=[call], stop_reason="tool_use", usage={})


async def check_endless_turn() -> None:
    """Check that a turn in which the model calls its tool again and again ends with an error."""
    client: Any = EndlessClient()
    tool = function_tool("look", "Look.", {"type": "object"}, lambda: "nothing")
    agent = Agent(client, clock=VirtualClock(), environ={}, tools=[tool])
    last = [event async for event in agent.send("Look.")][-1]
    assert "limit" == getattr(last, "kind", None), "a turn without an end is given up"
