"""Errors: requests that are refused, delayed or broken, and what happens to the user's turn."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from flag_harness.conformance.support import BUDGET_MODEL, Conversation, cache_marks, transcript
from flag_harness.faults import clean_end, overloaded, rate_limited, stream_error
from flag_harness.reference import AgentError, FeatureDropped, RetryPolicy, TextDelta, TurnDiscarded, TurnEnded, Waiting
from flag_harness.reference.settings import MAX_TOKENS, PROMPT_CACHE_BETA, THINKING_BUDGET
from flag_harness.wire.timeline import header_value

MAX_MARKS = 4
"""The largest number of cache breakpoints that the API accepts: `A maximum of 4 blocks with cache_control may be
provided.`"""

COMPUTER_BETA = "computer-use-2025-11-24"
JUST_TOO_MUCH = ((4000, 4000, BUDGET_MODEL), (64_001, 12_000, BUDGET_MODEL), (21_334, 12_000, ""))
"""MAX_TOKENS, THINKING_BUDGET and model: each row exceeds one limit by one token."""

LEGACY_CACHE_BETA = "prompt-caching-2024-07-31"
ASKED_WAIT, LONG_WAIT = 7, 100_000
"""Seconds that a server can reasonably ask a client to wait, and seconds that no user would wait."""

LONGEST_WAIT = 60
"""Seconds after which a user takes the agent for dead."""

pytestmark = [pytest.mark.features("errors"), pytest.mark.scenario("errors")]


class Computer:
    """A tool that needs a beta."""

    name = "computer"
    beta: str | None = COMPUTER_BETA
    definition: Mapping[str, Any] = {
        "type": "computer_20251124",
        "name": "computer",
        "display_width_px": 800,
        "display_height_px": 600,
    }
    input_schema: Mapping[str, Any] = {"type": "object", "properties": {"action": {"type": "string"}}}

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Raise: no case gets this far."""
        raise NotImplementedError(arguments)


@pytest.mark.flags(streaming=True, prompt_cache=True, extended_output=True)
@pytest.mark.asyncio
async def test_beta_rejected(
    cassette: Any,
    start: Callable[..., Conversation],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two betas and a keyword are refused: each is dropped with the tool that needs it, and nothing else is."""
    monkeypatch.setenv(PROMPT_CACHE_BETA, LEGACY_CACHE_BETA)
    conversation = start(tools=[Computer()], parameters={"beta": LEGACY_CACHE_BETA})
    with caplog.at_level("WARNING", "flag_harness"):
        await conversation.send("Please use what you have.")

    dropped = sorted(event.feature for event in conversation.events_of(FeatureDropped))
    assert sorted([COMPUTER_BETA, LEGACY_CACHE_BETA, "beta"]) == dropped, "what was refused is dropped, and no more"
    assert all(any(name in record.getMessage() for record in caplog.records) for name in dropped), "it is logged"
    last = cassette.bodies[-1]
    assert ["bash"] == [tool["name"] for tool in last["tools"]], "the tool goes with its beta, the others stay"
    assert cache_marks(last), "prompt caching stays on without its legacy header"
    assert last["stream"] is True, "streaming stays on"
    assert MAX_TOKENS.default == last["max_tokens"], "extended output stays on"
    assert {"thinking", "output_config"} & last.keys(), "thinking stays on"
    assert not header_value(cassette.exchanges[-1][0].headers, "anthropic-beta"), "no refused header is sent again"
    assert conversation.events_of(TurnEnded), "the run ends well"
    assert not conversation.events_of(AgentError), "the run ends well"


@pytest.mark.faults(rate_limited(on=1, retry_after=ASKED_WAIT), rate_limited(on=1, retry_after=LONG_WAIT))
@pytest.mark.asyncio
async def test_rate_limited(cassette: Any, start: Callable[..., Conversation]) -> None:
    """After a 429 the agent waits as long as it says, up to a cap, and the conversation shows no trace of it."""
    conversation = start()
    began = cassette.clock.now()
    await conversation.send("Answer when you can.")

    waits = [event.seconds for event in conversation.events_of(Waiting)]
    assert [ASKED_WAIT] == waits[:1], "retry-after is honoured"
    assert [True] == [ASKED_WAIT < wait <= LONGEST_WAIT for wait in waits[1:]], "an excessive wait is capped"
    assert cassette.clock.now() - began >= sum(waits), "the agent waits on the clock"
    assert not conversation.events_of(AgentError), "the run ends well"
    roles = [message["role"] for message in conversation.agent.context.messages]
    assert ["user", "assistant"] == roles, "there is one assistant turn"


@pytest.mark.faults(overloaded(until=RetryPolicy().attempts))
@pytest.mark.asyncio
async def test_overloaded(cassette: Any, start: Callable[..., Conversation]) -> None:
    """If the API stays overloaded, the agent reports it and keeps the user's turn; the next send succeeds with it."""
    conversation = start()
    await conversation.send("Answer when you can.")

    errors = conversation.events_of(AgentError)
    assert [529] == [error.status for error in errors], "the error has the API's status"
    assert all("Overloaded" in error.message for error in errors), "the error has the API's words"
    assert ["user"] == [message["role"] for message in conversation.agent.context.messages], "the user's turn is kept"

    await conversation.send("Answer when you can.")
    roles = [message["role"] for message in conversation.agent.context.messages]
    assert ["user", "assistant"] == roles, "the next send succeeds with one user turn"
    assert 1 == len(cassette.bodies[-1]["messages"][0]["content"]), "what was said once is sent once"


@pytest.mark.flags(streaming=True)
@pytest.mark.faults(stream_error(at="inside_text", on=1))
@pytest.mark.asyncio
async def test_stream_error(cassette: Any, start: Callable[..., Conversation]) -> None:
    """An error during a stream discards what was shown before the next attempt starts."""
    conversation = start()
    await conversation.send("Tell a story.")

    kinds = [type(event) for event in conversation.events]
    assert 1 == kinds.count(TurnDiscarded), "the broken attempt is announced as discarded"
    index = kinds.index(TurnDiscarded)
    assert TextDelta in kinds[:index], "something of the broken attempt was shown"
    kept = "".join(event.text for event in conversation.events[index:] if isinstance(event, TextDelta))
    answers = [text for role, _, text in transcript(conversation.agent.context.messages) if role == "assistant"]
    assert [kept] == answers, "the text shown minus the text discarded is the final message"
    assert 2 == len(cassette.bodies), "one new attempt is made"


@pytest.mark.flags(streaming=True)
@pytest.mark.faults(clean_end(at="inside_text", on=[1, 2, 3]))
@pytest.mark.asyncio
async def test_stream_cut(cassette: Any, start: Callable[..., Conversation]) -> None:
    """A stream that ends before message_stop is retried once, then reported; the next send succeeds."""
    conversation = start()
    await conversation.send("Tell a story.")
    assert len(cassette.exchanges) > 1, "the cut is seen as a failure"
    assert 2 == len(cassette.exchanges), "it is retried once"
    assert ["user"] == [message["role"] for message in conversation.agent.context.messages], "no half turn is kept"
    messages = [error.message for error in conversation.events_of(AgentError)]
    assert ["message_stop" in message for message in messages] == [True], "the error says what was missing"
    assert 2 == len(conversation.events_of(TurnDiscarded)), "what was shown of either attempt is discarded"

    await conversation.send("Tell a story.")
    assert 4 == len(cassette.exchanges), "the agent recovers once the stream is complete"
    assert conversation.events_of(TurnEnded), "the session goes on"


@pytest.mark.flags(extended_output=True)
@pytest.mark.harness_no_request
@pytest.mark.asyncio
async def test_token_guard(cassette: Any, start: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that the API or the SDK would enforce are checked before the network, with the number to use."""
    refused = []
    for max_tokens, budget, model in JUST_TOO_MUCH:
        monkeypatch.setenv(MAX_TOKENS.env, str(max_tokens))
        monkeypatch.setenv(THINKING_BUDGET.env, str(budget))
        conversation = start(model=model)
        await conversation.send("Answer when you can.")
        refused += [error.message for error in conversation.events_of(AgentError)]

    assert not cassette.exchanges, "nothing reaches the network"
    assert 3 == len(refused), "each limit is enforced"
    budget_message, cap_message, stream_message = refused
    assert "3999" in budget_message, "a budget that leaves no token for the answer is refused, with the number to use"
    assert "64000" in cap_message.replace(",", ""), "more than the model's maximum is refused, with the number to use"
    assert "21333" in stream_message.replace(",", ""), "too much without streaming is refused, with the number to use"


@pytest.mark.features("integration")
@pytest.mark.flags(prompt_cache=True)
@pytest.mark.asyncio
async def test_cache_marks(cassette: Any, start: Callable[..., Conversation]) -> None:
    """No request has more marks than the API accepts, however long the conversation; the messages hold none."""
    conversation = start()
    for turn in range(1, 8):
        before = copy.deepcopy(conversation.agent.context.messages)
        await conversation.send(f"Turn {turn}")
        messages = conversation.agent.context.messages
        assert not cache_marks({"messages": list(messages)}), "the caller's messages hold no marks"
        assert before == messages[: len(before)], "the caller's messages are untouched"

    counts = [len(cache_marks(body)) for body in cassette.bodies]
    assert max(counts) <= MAX_MARKS, "there are never more than four"
    assert min(counts) >= 1, "there is always one"
    assert 7 == len(cassette.bodies), "seven turns are played"
