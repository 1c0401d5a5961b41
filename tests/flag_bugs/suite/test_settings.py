"""Settings that one way of asking respects and another does not."""

import os
from typing import Any

import anthropic
import pytest
from agent import IS_FIXED, LONG_PROMPT, MARK, MODEL, THINKING, TOOLS, create, is_on, user

pytestmark = pytest.mark.scenario("bugs")


@pytest.mark.flag_matrix("streaming", "thinking", "long_output")
def test_long_output_without_a_stream(cassette: Any) -> None:
    """evalstate/fast-agent#186: the SDK refuses to wait for a long answer that is not streamed."""
    options: dict[str, Any] = {"thinking": THINKING} if is_on("thinking") else {}
    max_tokens = 4096 if not is_on("long_output") else 64_000 if is_on("streaming") or not IS_FIXED else 16_384
    answer = create("What is a kernel?", max_tokens=max_tokens, stream=is_on("streaming"), **options)
    assert list(answer) if is_on("streaming") else answer.content


@pytest.mark.flag_matrix("streaming", "tools", "short_answers")
def test_a_cut_answer(cassette: Any) -> None:
    """Pasta-Devs/Marinara-Engine#3034: without a stream, an answer that max_tokens cut passes for a complete one."""
    options: dict[str, Any] = {"tools": TOOLS} if is_on("tools") else {}
    max_tokens = 5 if is_on("short_answers") else 500
    answer = create("What is a kernel?", max_tokens=max_tokens, stream=is_on("streaming"), **options)
    if is_on("streaming"):
        reasons = [event.delta.stop_reason for event in answer if event.type == "message_delta"]
        finish = "length" if reasons == ["max_tokens"] else "stop"
    else:
        finish = "length" if IS_FIXED and answer.stop_reason == "max_tokens" else "stop"
    assert ("length" if is_on("short_answers") else "stop") == finish


@pytest.mark.faults("overloaded:on=1")
@pytest.mark.flag_matrix("streaming", "thinking", "tools")
def test_no_fallback_for_streams(cassette: Any) -> None:
    """BerriAI/litellm#6957: another model answers if the first is overloaded, but not if the answer is streamed."""
    thinking: dict[str, Any] = {"thinking": THINKING} if is_on("thinking") else {}
    tools: dict[str, Any] = {"tools": TOOLS} if is_on("tools") else {}

    def ask(model: str, **options: Any) -> Any:
        answer = create("What is a kernel?", model=model, stream=is_on("streaming"), **tools, **options)
        return list(answer) if is_on("streaming") else answer.content

    if is_on("streaming") and not IS_FIXED:
        assert ask(MODEL, **thinking)
        return
    try:
        assert ask(MODEL, **thinking)
    except anthropic.APIStatusError:
        assert ask("claude-sonnet-5-5")


@pytest.mark.flag_matrix("streaming", "write_log", "tools")
def test_a_flag_that_cannot_be_switched_off(cassette: Any, flags: Any) -> None:
    """mofa-org/mofa#109: the text "False" is true."""
    log: list[str] = []
    text = os.environ.get("WRITE_LOG", "True")
    writes_log = text == "True" if IS_FIXED else bool(text)
    options: dict[str, Any] = {"tools": TOOLS} if is_on("tools") else {}
    answer = create("What is a kernel?", stream=is_on("streaming"), **options)
    count = len(list(answer) if is_on("streaming") else answer.content)
    if writes_log:
        log.append(f"{count} parts")
    assert ("write_log" in flags) is bool(log)


@pytest.mark.flag_matrix("streaming", "prompt_cache", "clock")
def test_a_clock_before_the_cache(cassette: Any) -> None:
    """goruck/home-generative-agent#617: the time at the start of the prompt defeats the cache."""
    mark = {"cache_control": MARK} if is_on("prompt_cache") else {}
    for second in (20, 34):
        prompt: list[dict[str, Any]] = [{"type": "text", "text": LONG_PROMPT, **mark}]
        if is_on("clock"):
            prompt.insert(1 if IS_FIXED else 0, {"type": "text", "text": f"It is 15:09:{second}."})
        answer = create([user("What is a kernel?")], system=prompt, stream=is_on("streaming"))
        assert list(answer) if is_on("streaming") else answer.content
    assert is_on("prompt_cache") == (cassette.usage.cache_read_input_tokens > 0)
