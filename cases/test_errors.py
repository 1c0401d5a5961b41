"""Errors: requests that are refused, delayed or broken, and what happens to the user's turn."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.conformance import details, failures
from flag_harness.conformance.support import BUDGET_MODEL, Conversation, about, cache_marks, transcript
from flag_harness.faults import (
    bad_gateway,
    bad_request,
    clean_end,
    connection_reset,
    overloaded,
    parameter_rejected,
    rate_limited,
    stall,
    stream_error,
    trickle,
)
from flag_harness.reference import (
    AgentError,
    ConversationContext,
    FeatureDropped,
    RetryPolicy,
    TextDelta,
    TurnDiscarded,
    TurnEnded,
    WaitingForRetry,
)
from flag_harness.reference.request.retry import retry_after_seconds
from flag_harness.reference.settings import MAX_TOKENS, PROMPT_CACHE_BETA, THINKING_BUDGET
from flag_harness.wire.timeline import header_value

MAX_MARKS = 4
"""The largest number of cache breakpoints that the API accepts: `A maximum of 4 blocks with cache_control may be
provided.`"""

JUST_TOO_MUCH = ((4000, 4000, BUDGET_MODEL), (64_001, 12_000, BUDGET_MODEL), (21_334, 12_000, ""))
"""Values of MAX_TOKENS, THINKING_BUDGET and the model. Each row exceeds one limit by one token."""

LEGACY_CACHE_BETA = "prompt-caching-2024-07-31"
ASKED_WAIT, LONG_WAIT = 7, 100_000
"""The seconds of a `retry-after` that a client should respect, and of one too long for any user."""

LONGEST_WAIT = 60
"""The most seconds that the agent may wait: after a longer silence a user would think that it is dead."""

pytestmark = [pytest.mark.features("errors"), pytest.mark.scenario("errors")]


@pytest.mark.flags(streaming=True, prompt_cache=True, extended_output=True)
@pytest.mark.faults(
    parameter_rejected(parameter="output_config", when=about("And the rest"), on=1),
    bad_request(message=failures.OTHER_TOOL, when=about("Answer when you can"), on=1),
)
@pytest.mark.asyncio
async def test_beta_rejected(
    cassette: Any,
    start: Callable[..., Conversation],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two betas and a keyword are refused: each is dropped, with the tool that needs it, and nothing else is."""
    monkeypatch.setenv(PROMPT_CACHE_BETA, LEGACY_CACHE_BETA)
    conversation = start(tools=[failures.Computer()], parameters={"beta": LEGACY_CACHE_BETA})
    with caplog.at_level("INFO", "flag_harness"):
        await conversation.send("Please use what you have.")

    dropped = sorted(event.feature for event in conversation.events_of(FeatureDropped))
    assert sorted([failures.COMPUTER_BETA, LEGACY_CACHE_BETA, "beta"]) == dropped, (
        "what was refused is dropped, and no more"
    )
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

    await conversation.send("And the rest.")
    assert "output_config" == conversation.events_of(FeatureDropped)[-1].feature, "a refused parameter is dropped"
    monkeypatch.delenv(PROMPT_CACHE_BETA)
    other = start(tools=[failures.Computer()])
    await other.send("Answer when you can.")
    assert [failures.COMPUTER_BETA] == [event.feature for event in other.events_of(FeatureDropped)], (
        "a tool names its beta"
    )
    assert isinstance(other.events[-1], TurnEnded), "the run ends well"
    details.check_rejections()
    details.check_parameters()


@pytest.mark.faults(
    rate_limited(on=1, retry_after=ASKED_WAIT),
    rate_limited(on=1, retry_after=LONG_WAIT),
    connection_reset(on=1, when=about("Status of the line")),
    bad_gateway(when=about("Status of the gateway")),
)
@pytest.mark.asyncio
async def test_rate_limited(cassette: Any, start: Callable[..., Conversation]) -> None:
    """After a 429 the agent waits as long as the answer says, up to a cap; the conversation shows no trace of it."""
    conversation = start()
    began = cassette.clock.now()
    await conversation.send("Answer when you can.")

    waits = [event.seconds for event in conversation.events_of(WaitingForRetry)]
    assert [ASKED_WAIT] == waits[:1], "retry-after is honoured"
    assert [True] == [ASKED_WAIT < wait <= LONGEST_WAIT for wait in waits[1:]], "an excessive wait is capped"
    assert cassette.clock.now() - began >= sum(waits), "the agent waits on the clock"
    assert not conversation.events_of(AgentError), "the run ends well"
    roles = [message["role"] for message in conversation.agent.context.messages]
    assert ["user", "assistant"] == roles, "there is one assistant turn"

    for status, seconds in failures.STATUSES.items():
        await conversation.send(f"Status {status}.")
        assert seconds == conversation.events_of(WaitingForRetry)[-1].seconds, f"{status} is retried after its time"
        assert isinstance(conversation.events[-1], TurnEnded), "the next attempt succeeds"
    assert 9 == retry_after_seconds(failures.DATES), "a date in retry-after is compared with the answer's own"
    for status, kind in failures.FINAL.items():
        requests = len(cassette.bodies)
        await conversation.send(f"Status {status}.")
        assert kind == conversation.events_of(AgentError)[-1].kind, f"{status} is reported as what it is"
        assert requests + 1 == len(cassette.bodies), f"{status} is not retried"
    await conversation.send("Status of the line.")
    assert isinstance(conversation.events[-1], TurnEnded), "a broken connection is tried again"
    await conversation.send("Status of the gateway.")
    assert "gateway" in conversation.events_of(AgentError)[-1].message, "a gateway's page is named as one"


@pytest.mark.faults(overloaded(until=RetryPolicy().max_attempts))
@pytest.mark.asyncio
async def test_overloaded(cassette: Any, start: Callable[..., Conversation]) -> None:
    """If the API stays overloaded, the agent reports it and keeps the user's turn; the next send includes it."""
    conversation = start()
    await conversation.send("Answer when you can.")

    errors = conversation.events_of(AgentError)
    assert [529] == [error.status for error in errors], "the error has the API's status"
    assert all("Overloaded" in error.message for error in errors), "the error has the API's words"
    assert ["user"] == [message["role"] for message in conversation.agent.context.messages], "the user's turn is kept"
    details.check_patience(errors)

    await conversation.send("Answer when you can.")
    roles = [message["role"] for message in conversation.agent.context.messages]
    assert ["user", "assistant"] == roles, "the next send succeeds with one user turn"
    assert 1 == len(cassette.bodies[-1]["messages"][0]["content"]), "what was said once is sent once"


@pytest.mark.flags(streaming=True)
@pytest.mark.faults(
    stream_error(at="inside_text", on=1),
    stream_error(kind="rate_limit_error", when=about("And the rest")),
    stream_error(kind="invalid_request_error", when=about("Turn 1")),
)
@pytest.mark.asyncio
async def test_stream_error(cassette: Any, start: Callable[..., Conversation]) -> None:
    """After an error in a stream, the agent discards what it has shown before it starts the next attempt."""
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

    await conversation.send("And the rest.")
    await conversation.send("Turn 1")
    ends = [(error.kind, error.status) for error in conversation.events_of(AgentError)]
    assert [("rate_limit", 429), ("request", 400)] == ends, "an error in a stream has the status of its type"
    assert 7 == len(cassette.bodies), "and is retried as that status is"


@pytest.mark.flags(streaming=True)
@pytest.mark.faults(
    clean_end(at="inside_text", on=[1, 2, 3]),
    *(fault(on=1, when=about(words)) for words, fault in failures.BROKEN_STREAMS.items()),
    trickle(size=64, interval=8, when=about("Status of the line")),
    stall(at="after_message_stop", seconds=900, on=4),
)
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

    began = cassette.clock.now()
    await conversation.send("Tell a story.")
    assert 4 == len(cassette.exchanges), "the agent recovers once the stream is complete"
    assert cassette.clock.now() - began < LONGEST_WAIT, "a complete answer is not waited for until its line closes"
    assert conversation.events_of(TurnEnded), "the session goes on"

    for words in failures.BROKEN_STREAMS:
        discarded = len(conversation.events_of(TurnDiscarded))
        await conversation.send(words)
        assert discarded + 1 == len(conversation.events_of(TurnDiscarded)), (
            f"a stream that breaks is no answer: {words}"
        )
        assert isinstance(conversation.events[-1], TurnEnded), "the next attempt succeeds"
    began, requests = cassette.clock.now(), len(cassette.exchanges)
    await conversation.send("Status of the line.")
    assert requests + 1 == len(cassette.exchanges), "a slow stream is waited for as long as it moves"
    assert cassette.clock.now() - began > 150, "it took longer than a silent one would"


@pytest.mark.flags(extended_output=True)
@pytest.mark.harness_no_request
@pytest.mark.asyncio
async def test_token_guard(
    cassette: Any, start: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Limits that the API or the SDK would enforce are checked before sending; the error names a number to use."""
    refused = []
    for max_tokens, budget, model in JUST_TOO_MUCH:
        monkeypatch.setenv(MAX_TOKENS.variable, str(max_tokens))
        monkeypatch.setenv(THINKING_BUDGET.variable, str(budget))
        conversation = start(model=model)
        await conversation.send("Answer when you can.")
        refused += [error.message for error in conversation.events_of(AgentError)]

        kept = [block["text"] for block in conversation.agent.context.messages[-1]["content"]]
        assert ["Answer when you can."] == kept, "the user's turn is kept"
    for name, value in failures.INVALID:
        with monkeypatch.context() as invalid:
            invalid.setenv(name, value)
            conversation = start()
            await conversation.send("Answer when you can.")
        assert f"{name}={value}" in str(conversation.events).replace("'", ""), "an invalid setting is named"
    conversation = start(tools=[failures.UnreadyTool()])
    for text, word in failures.UNSENDABLE.items():
        await conversation.send(text)
        assert word in conversation.events_of(AgentError)[-1].message, "a text that cannot be sent is refused"
    await conversation.send(None)
    assert "no unanswered turn" in conversation.events_of(AgentError)[-1].message, "there is nothing to continue"
    monkeypatch.delenv(MAX_TOKENS.variable)
    await conversation.send("Answer when you can.")
    assert "unexpected" == conversation.events_of(AgentError)[-1].kind, "no exception leaves the agent"

    tmp_path.joinpath("file").touch()
    await details.check_failed_save(start(context_path=tmp_path / "file" / "context.json").agent)

    assert not cassette.exchanges, "nothing reaches the network"
    assert 3 == len(refused), "each limit is enforced"
    budget_message, cap_message, stream_message = refused
    assert "3999" in budget_message, "a budget that leaves no token for the answer is refused, with the number to use"
    assert "64000" in cap_message.replace(",", ""), "more than the model's maximum is refused, with the number to use"
    assert "21333" in stream_message.replace(",", ""), "too much without streaming is refused, with the number to use"


@pytest.mark.features("integration")
@pytest.mark.flags(prompt_cache=True)
@pytest.mark.asyncio
async def test_cache_marks(cassette: Any, start: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch) -> None:
    """No request has more cache marks than the API accepts; the messages of the conversation have none."""
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
    await _check_other_marks(cassette, start, conversation)


async def _check_other_marks(cassette: Any, start: Callable[..., Conversation], marked: Conversation) -> None:
    """Check that the mark of the whole request, and marks in a restored conversation, count towards the limit."""
    details.check_nested_marks()
    automatic = start(parameters={"cache_control": {"type": "ephemeral"}})
    messages = json.loads(json.dumps(marked.agent.context.messages))
    for message in messages:
        message["content"][-1]["cache_control"] = {"type": "ephemeral"}
    restored = start(context=ConversationContext(messages=tuple(messages)))
    for conversation in (automatic, automatic, restored):
        await conversation.send("And the rest.")
    assert all(1 <= len(cache_marks(body)) <= MAX_MARKS for body in cassette.bodies), "there are never more than four"
