"""The flag matrix: one scripted bash round trip under every combination of the three shipped flags."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from harness import models
from harness.agent import AgentError, RequestUsage, TextDelta
from harness.conformance.stage import Talk, cache_marks, expected_transcript, keys, transcript
from harness.flags import MAX_TOKENS, THINKING_BUDGET
from harness.matrix import Combination
from harness.report.metrics import first_token, measured

PLAIN_MAX_TOKENS = 4096
"""What the agent asks for where extended output is off."""

LONG = 64_000
"""More tokens than the SDK takes without streaming."""

SCHEDULING = 0.25
"""Seconds by which two readings of a real clock may differ on a busy machine."""

FIRST, SECOND = "How many open lines has the plan?", "Put the list in order."
FIRST_LINES = 5
"""Lines of the transcript that belong to the first question."""

MARKED = [
    ["messages[0].content[0]", "system[0]", "tools[0]"],
    ["messages[0].content[0]", "messages[2].content[0]", "system[0]", "tools[0]"],
]
"""Where the two requests of the first question carry their cache marks: tools, system, and the latest user turns."""


@pytest.mark.flag_matrix("streaming", "prompt_cache", "extended_output")
@pytest.mark.scenario("round_trip")
@pytest.mark.asyncio
async def test_matrix(
    flags: Combination, cassette: Any, talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round trip works, and each flag changes what it is there to change and nothing else."""
    if flags.id == "streaming+extended_output":
        monkeypatch.setenv(MAX_TOKENS.env, str(LONG))
    conversation = talk()
    for question in (FIRST, SECOND) if len(flags.on) == len(flags.flags) else (FIRST,):
        await conversation.say(question)

    assert not conversation.of(AgentError), "the run ends well"
    _check_wire(flags, cassette.bodies)
    _check_transcript(cassette, conversation)
    CHECKS[flags.id](cassette, conversation)


def _check_wire(flags: Combination, bodies: tuple[Mapping[str, Any], ...]) -> None:
    """What every request of a combination says, whoever answers."""
    for body in bodies:
        assert "beta" not in keys(body), "no key of the body is named beta"
        assert ("streaming" in flags) == (body.get("stream", False) is True), "stream is set by its flag alone"
        assert ("prompt_cache" in flags) == bool(cache_marks(body)), "cache marks are set by their flag alone"
        extended = {"thinking", "output_config"} & body.keys()
        assert ("extended_output" in flags) == bool(extended), "thinking is set by its flag alone"
        assert ("extended_output" in flags) == (body["max_tokens"] != PLAIN_MAX_TOKENS), "max_tokens follows its flag"


def _check_transcript(cassette: Any, conversation: Talk) -> None:
    """A reader sees what they would see with every flag off; a live model's words are its own."""
    words = not cassette.live
    seen, expected = conversation.agent.context.messages, expected_transcript()
    lines = transcript(seen, words=words)
    if words:
        assert expected[: len(lines)] == lines, "the visible transcript equals that of off"
        assert len(lines) in (FIRST_LINES, len(expected)), "the visible transcript is complete"
    else:
        assert [line[0] for line in expected if line[1] == "tool_use"][:1] == [
            line[0] for line in lines if line[1] == "tool_use"
        ][:1], "the tool is called"


def _off(cassette: Any, conversation: Talk) -> None:
    assert {"model", "max_tokens", "system", "tools", "messages"} == set(cassette.bodies[0]), "the request is plain"
    assert PLAIN_MAX_TOKENS == cassette.bodies[0]["max_tokens"], "4096 tokens are asked for"


def _streaming(cassette: Any, conversation: Talk) -> None:
    shown = "".join(event.text for event in conversation.of(TextDelta))
    said = [line[2] for line in transcript(conversation.agent.context.messages) if line[:2] == ["assistant", "text"]]
    assert "".join(said) == shown, "the deltas join to the final text"
    assert len(said) < len(conversation.of(TextDelta)), "the text comes in more than one delta"
    tolerance = 1e-6 if cassette.virtual else SCHEDULING
    for (_, response), event in zip(cassette.exchanges, conversation.of(RequestUsage), strict=True):
        timeline = pytest.approx(first_token(response), abs=tolerance)
        assert timeline == event.first_token, "the agent's first-token time equals the timeline's"


def _prompt_cache(cassette: Any, conversation: Talk) -> None:
    assert MARKED == [cache_marks(body) for body in cassette.bodies[:2]], "tools, system and user turns are marked"
    marks = [value["cache_control"] for body in cassette.bodies for value in (body["tools"][-1], body["system"][-1])]
    assert all({"type": "ephemeral"} == mark for mark in marks), "cache marks are in object form"
    second = conversation.of(RequestUsage)[1].usage
    assert second.cache_read_input_tokens > 0, "the second turn reads the cache"


def _extended_output(cassette: Any, conversation: Talk) -> None:
    body = cassette.bodies[0]
    assert MAX_TOKENS.default == body["max_tokens"], "max_tokens is MAX_TOKENS"
    wanted = models.thinking_parameters(models.find(body["model"]), THINKING_BUDGET.default)
    assert wanted == {key: body[key] for key in wanted}, "thinking is what the model wants"
    assert "stream" not in body, "there is still no stream"


def _streaming_prompt_cache(cassette: Any, conversation: Talk) -> None:
    _streaming(cassette, conversation)
    _prompt_cache(cassette, conversation)
    wire, total = measured(cassette.exchanges).usage, conversation.of(RequestUsage)[-1].total
    assert wire == total, "usage of start and delta is not counted twice, and cache tokens are kept"


def _streaming_extended_output(cassette: Any, conversation: Talk) -> None:
    _streaming(cassette, conversation)
    assert LONG == cassette.bodies[0]["max_tokens"], "with a stream, 64,000 tokens are allowed"


def _prompt_cache_extended_output(cassette: Any, conversation: Talk) -> None:
    _prompt_cache(cassette, conversation)
    _extended_output(cassette, conversation)


def _all(cassette: Any, conversation: Talk) -> None:
    _streaming_prompt_cache(cassette, conversation)
    assert MAX_TOKENS.default == cassette.bodies[0]["max_tokens"], "max_tokens is MAX_TOKENS"
    done = [line for line in transcript(conversation.agent.context.messages) if line[1] == "tool_result"]
    assert 2 == len(done), "both tool turns are played"


CHECKS: Mapping[str, Callable[[Any, Talk], None]] = {
    "off": _off,
    "streaming": _streaming,
    "prompt_cache": _prompt_cache,
    "extended_output": _extended_output,
    "streaming+prompt_cache": _streaming_prompt_cache,
    "streaming+extended_output": _streaming_extended_output,
    "prompt_cache+extended_output": _prompt_cache_extended_output,
    "streaming+prompt_cache+extended_output": _all,
}
