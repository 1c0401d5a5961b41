"""The flag matrix: one scripted bash round trip under every combination of the three default flags."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from flag_harness import models
from flag_harness.analysis.metrics import seconds_to_first_token
from flag_harness.conformance.support import (
    TOKENS,
    Conversation,
    body_keys,
    cache_marks,
    deltas,
    expected_transcript,
    streamed_tokens,
    transcript,
)
from flag_harness.matrix import Combination
from flag_harness.reference import AgentError, RequestUsage, TextDelta
from flag_harness.reference.settings import MAX_TOKENS, PROMPT_CACHE_BETA, THINKING_BUDGET
from flag_harness.wire.timeline import header_value

ALL = "streaming+prompt_cache+extended_output"

PLAIN_MAX_TOKENS = 4096
"""The agent's `max_tokens` if extended output is off."""

LONG = 64_000
"""More tokens than the SDK allows without streaming.

The combination `streaming+extended_output` requests this number.
"""

SCHEDULING = 0.25
"""The most seconds by which two readings of a real clock may differ on a busy machine."""

FIRST, SECOND = "How many open lines has the plan?", "Put the list in order."
FIRST_LINES = 5
"""The number of lines that the first question has in the transcript."""

MARKED = [
    ["messages[0].content[0]", "system[0]", "tools[0]"],
    ["messages[0].content[0]", "messages[2].content[0]", "system[0]", "tools[0]"],
]
"""The paths with cache marks in the two requests of the first question: tools, system, and the latest user turns."""


@pytest.mark.flag_matrix("streaming", "prompt_cache", "extended_output")
@pytest.mark.scenario("round_trip")
@pytest.mark.asyncio
async def test_matrix(
    flags: Combination, cassette: Any, start: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scripted conversation works under every combination, and each flag changes only what it should."""
    with monkeypatch.context() as earlier:
        for flag in flags.flags:
            earlier.setenv(flag.env, "false" if flag.name in flags else "true")
        conversation = start()  # the agent reads its flags at each call, not here
    if "prompt_cache" not in flags:
        monkeypatch.setenv(PROMPT_CACHE_BETA, "prompt-caching-2024-07-31")
    if flags.id == "streaming+extended_output":
        monkeypatch.setenv(MAX_TOKENS.variable, str(LONG))
        cassette.exclude_from_effects("the case sets MAX_TOKENS here")
    if flags.id == ALL:
        cassette.exclude_from_effects("the case asks a second question here")
    for question in (FIRST, SECOND) if flags.id == ALL else (FIRST,):
        await conversation.send(question)

    _check_tokens(flags, cassette.bodies)
    for body in cassette.bodies:
        _check_wire(flags, body)
    assert not conversation.events_of(AgentError), "the run ends well"
    CHECKS[flags.id](cassette, conversation)
    _check_transcript(flags, cassette, conversation)


def _check_tokens(flags: Combination, bodies: tuple[Mapping[str, Any], ...]) -> None:
    """Check the `max_tokens` of each request under this combination."""
    max_tokens = {body["max_tokens"] for body in bodies}
    if flags.id == "streaming+extended_output":
        assert {LONG} == max_tokens, "with a stream, 64,000 tokens are allowed"
    elif "extended_output" in flags:
        assert {MAX_TOKENS.default} == max_tokens, "max_tokens is MAX_TOKENS"
    else:
        assert {PLAIN_MAX_TOKENS} == max_tokens, "4096 tokens are requested"


def _check_wire(flags: Combination, body: Mapping[str, Any]) -> None:
    """Check what must hold for every request under this combination, whoever answers it."""
    assert "beta" not in body_keys(body), "no key of the body is named beta"
    assert ("streaming" in flags) == (body.get("stream", False) is True), "stream is set by its flag alone"
    marks = cache_marks(body)
    assert all({"type": "ephemeral"} == mark for mark in marks.values()), "cache marks are in object form"
    assert ("prompt_cache" in flags) == bool(marks), "cache marks are set by their flag alone"
    thinking = {key: body[key] for key in ("thinking", "output_config") if key in body}
    assert ("extended_output" in flags) == bool(thinking), "thinking is set by its flag alone"
    expected = models.thinking_parameters(models.find_model(body["model"]), THINKING_BUDGET.default)
    assert thinking in ({}, expected), "thinking has the form that the model needs"


def _check_transcript(flags: Combination, cassette: Any, conversation: Conversation) -> None:
    """Check that the visible transcript equals that of the combination `off`. A live model may use other words."""
    words = not cassette.is_live
    expected = expected_transcript()[: None if flags.id == ALL else FIRST_LINES]
    lines = transcript(conversation.agent.context.messages, words=words)
    if words:
        assert expected == lines, "the visible transcript equals that of off"
    else:
        calls = [[line for line in one if line[1] == "tool_use"] for one in (expected, lines)]
        assert calls[0][:1] == calls[1][:1], "the tool is called"


def _off(cassette: Any, conversation: Conversation) -> None:
    plain = {"model", "max_tokens", "system", "tools", "messages"}
    assert all(plain == set(body) for body in cassette.bodies), "the request is plain"
    assert not any(header_value(request.headers, "anthropic-beta") for request, _ in cassette.exchanges), (
        "no beta is requested"
    )


def _streaming(cassette: Any, conversation: Conversation) -> None:
    shown = [event.text for event in conversation.events_of(TextDelta)]
    sent = [text for _, response in cassette.exchanges for text in deltas(response, "text")]
    assert sent == shown, "deltas are shown as they come"
    messages = conversation.agent.context.messages
    texts = [line[2] for line in transcript(messages) if line[:2] == ["assistant", "text"]]
    assert "".join(texts) == "".join(shown), "the deltas join to the final text"
    assert len(texts) < len(shown), "the text comes in more than one delta"
    tolerance = 0.005 if cassette.is_virtual else SCHEDULING  # real time passes too while a thread of the process works
    for (_, response), event in zip(cassette.exchanges, conversation.events_of(RequestUsage), strict=True):
        timeline = pytest.approx(seconds_to_first_token(response), abs=tolerance)
        assert timeline == event.first_token_seconds, "the agent's first-token time equals the timeline's"


def _prompt_cache(cassette: Any, conversation: Conversation) -> None:
    assert MARKED == [[*cache_marks(body)] for body in cassette.bodies[:2]], "tools, system and user turns are marked"
    first, second = (event.usage for event in conversation.events_of(RequestUsage)[:2])
    cached = first.cache_creation_input_tokens + first.cache_read_input_tokens
    assert 0 < cached <= second.cache_read_input_tokens, "the second turn reads the cache"


def _extended_output(cassette: Any, conversation: Conversation) -> None:
    assert all("stream" not in body for body in cassette.bodies), "there is still no stream"


def _streaming_prompt_cache(cassette: Any, conversation: Conversation) -> None:
    _streaming(cassette, conversation)
    _prompt_cache(cassette, conversation)
    stated, total = streamed_tokens(cassette.exchanges), conversation.events_of(RequestUsage)[-1].session_total
    counted = {name: getattr(total, name) for name in TOKENS}
    assert stated == counted, "usage of start and delta is not counted twice, and cache tokens are kept"
    assert total == conversation.agent.context.usage, "the session's usage is that of its requests"


def _prompt_cache_extended_output(cassette: Any, conversation: Conversation) -> None:
    _prompt_cache(cassette, conversation)
    _extended_output(cassette, conversation)


def _all(cassette: Any, conversation: Conversation) -> None:
    _streaming_prompt_cache(cassette, conversation)
    words = not cassette.is_live
    both = (expected_transcript(), transcript(conversation.agent.context.messages))
    expected, done = ([line[2] for line in lines if line[1] == "tool_result"] for lines in both)
    assert expected == done if words else len(expected) <= len(done), "both tool turns are played"


CHECKS: Mapping[str, Callable[[Any, Conversation], None]] = {
    "off": _off,
    "streaming": _streaming,
    "prompt_cache": _prompt_cache,
    "extended_output": _extended_output,
    "streaming+prompt_cache": _streaming_prompt_cache,
    "streaming+extended_output": _streaming,
    "prompt_cache+extended_output": _prompt_cache_extended_output,
    ALL: _all,
}
