"""Errors: what is refused, late or broken, and what becomes of the user's turn."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from harness.agent import AgentError, FeatureDropped, RetryPolicy, TextDelta, TurnDiscarded, TurnEnded, Waiting
from harness.conformance.stage import BUDGET_MODEL, Talk, cache_marks
from harness.faults import clean_end, overloaded, rate_limited, stream_error
from harness.flags import MAX_TOKENS, THINKING_BUDGET

MOST_MARKS = 4
"""Cache breakpoints that the API takes: `A maximum of 4 blocks with cache_control may be provided.`"""

COMPUTER_BETA = "computer-use-2025-11-24"
LEGACY_CACHE_BETA = "prompt-caching-2024-07-31"
LONG_WAIT = 100_000
"""Seconds that no caller wants to be kept waiting for."""

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
        """Take no action: no case gets this far."""
        raise NotImplementedError(arguments)


@pytest.mark.flags(streaming=True, prompt_cache=True, extended_output=True)
@pytest.mark.asyncio
async def test_beta_rejected(
    cassette: Any, talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two betas and a keyword are refused: each is dropped with what needs it, and nothing else is."""
    monkeypatch.setenv("PROMPT_CACHE_BETA", LEGACY_CACHE_BETA)
    conversation = talk(tools=[Computer()], parameters={"beta": LEGACY_CACHE_BETA})
    with caplog.at_level("WARNING", "harness"):
        await conversation.say("Please use what you have.")

    dropped = {event.feature for event in conversation.of(FeatureDropped)}
    assert {COMPUTER_BETA, LEGACY_CACHE_BETA, "beta"} == dropped, "what was refused is dropped, and no more"
    assert all(any(name in record.getMessage() for record in caplog.records) for name in dropped), "it is logged"
    last = cassette.bodies[-1]
    assert ["bash"] == [tool["name"] for tool in last["tools"]], "the tool goes with its beta, the others stay"
    assert cache_marks(last), "prompt caching stays on without its legacy header"
    assert last["stream"] is True, "streaming stays on"
    assert conversation.of(TurnEnded), "the run ends well"
    assert not conversation.of(AgentError), "the run ends well"


@pytest.mark.faults(rate_limited(on=1, retry_after=7), rate_limited(on=1, retry_after=LONG_WAIT))
@pytest.mark.asyncio
async def test_rate_limited(cassette: Any, talk: Callable[..., Talk]) -> None:
    """A 429 is waited out as long as it asks, within reason, and leaves no trace in the conversation."""
    conversation = talk()
    start = cassette.clock.now()
    await conversation.say("Answer when you can.")

    first, second = conversation.of(Waiting)
    assert 7 == first.seconds, "retry-after is honoured"
    assert RetryPolicy().retry_after_cap == second.seconds, "a wait beyond reason is capped"
    assert cassette.clock.now() - start >= first.seconds + second.seconds, "the waiting is done on the clock"
    roles = [message["role"] for message in conversation.agent.context.messages]
    assert ["user", "assistant"] == roles, "there is one assistant turn"


@pytest.mark.faults(overloaded(until=RetryPolicy().attempts))
@pytest.mark.asyncio
async def test_overloaded(cassette: Any, talk: Callable[..., Talk]) -> None:
    """Overloaded until the retries end: it is told, the user's turn is kept, and the next send succeeds with it."""
    conversation = talk()
    await conversation.say("Answer when you can.")

    (error,) = conversation.of(AgentError)
    assert 529 == error.status, "the error has the API's status"
    assert "Overloaded" in error.message, "the error has the API's words"
    assert ["user"] == [message["role"] for message in conversation.agent.context.messages], "the user's turn is kept"

    await conversation.say("Answer when you can.")
    roles = [message["role"] for message in conversation.agent.context.messages]
    assert ["user", "assistant"] == roles, "the next send succeeds with one user turn"
    assert 1 == len(cassette.bodies[-1]["messages"][0]["content"]), "what was said once is sent once"


@pytest.mark.flags(streaming=True)
@pytest.mark.faults(stream_error(at="inside_text", on=1))
@pytest.mark.asyncio
async def test_stream_error(cassette: Any, talk: Callable[..., Talk]) -> None:
    """An error in mid-stream voids what was shown before the next attempt begins."""
    conversation = talk()
    await conversation.say("Tell a story.")

    kinds = [type(event) for event in conversation.events]
    assert 1 == kinds.count(TurnDiscarded), "the broken attempt is announced as discarded"
    place = kinds.index(TurnDiscarded)
    assert TextDelta in kinds[:place], "something of the broken attempt was shown"
    kept = "".join(event.text for event in conversation.events[place:] if isinstance(event, TextDelta))
    (message,) = [one for one in conversation.agent.context.messages if one["role"] == "assistant"]
    assert message["content"][0]["text"] == kept, "what was shown less what was discarded is the final message"
    assert 2 == len(cassette.bodies), "one new attempt is made"


@pytest.mark.flags(streaming=True)
@pytest.mark.faults(clean_end(at="inside_text", on=[1, 2, 3]))
@pytest.mark.asyncio
async def test_stream_cut(cassette: Any, talk: Callable[..., Talk]) -> None:
    """A stream that ends before message_stop is a failure: tried once more, then told; the next send goes well."""
    conversation = talk()
    await conversation.say("Tell a story.")
    (error,) = conversation.of(AgentError)
    assert "message_stop" in error.message, "it is told what was missing"
    assert 2 == len(cassette.exchanges), "it is retried once"
    assert ["user"] == [message["role"] for message in conversation.agent.context.messages], "no half turn is kept"

    await conversation.say("Tell a story.")
    assert 4 == len(cassette.exchanges), "a cut that is over is recovered from"
    assert conversation.of(TurnEnded), "the session goes on"


@pytest.mark.flags(extended_output=True)
@pytest.mark.harness_no_request
@pytest.mark.asyncio
async def test_token_guard(cassette: Any, talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that the API or the SDK would refuse are refused before the network, with the number to use."""
    refused = []
    for max_tokens, budget, model in ((4000, 5000, BUDGET_MODEL), (65_000, 12_000, BUDGET_MODEL), (30_000, 12_000, "")):
        monkeypatch.setenv(MAX_TOKENS.env, str(max_tokens))
        monkeypatch.setenv(THINKING_BUDGET.env, str(budget))
        conversation = talk(model=model)
        await conversation.say("Answer when you can.")
        refused += [error.message for error in conversation.of(AgentError)]

    budget_message, cap_message, stream_message = refused
    assert "3999" in budget_message, "a budget that leaves nothing to answer with is refused, with the number to use"
    assert "64000" in cap_message.replace(",", ""), "more than the model's most is refused, with the number to use"
    assert "21333" in stream_message.replace(",", ""), "too much without streaming is refused, with the number to use"
    assert not cassette.exchanges, "nothing reaches the network"


@pytest.mark.features("integration")
@pytest.mark.flags(prompt_cache=True)
@pytest.mark.asyncio
async def test_cache_marks(cassette: Any, talk: Callable[..., Talk]) -> None:
    """However long the conversation, there are never more marks than the API takes; the messages hold none."""
    conversation = talk()
    for turn in range(1, 8):
        before = copy.deepcopy(conversation.agent.context.messages)
        await conversation.say(f"Turn {turn}")
        assert before == conversation.agent.context.messages[: len(before)], "the caller's messages are untouched"

    assert 7 == len(cassette.bodies), "seven turns are played"
    assert all(1 <= len(cache_marks(body)) <= MOST_MARKS for body in cassette.bodies), "there are never more than four"
    assert not cache_marks({"messages": list(conversation.agent.context.messages)}), "the context holds no marks"
