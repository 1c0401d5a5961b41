"""Combinations of options that the API refuses, and that the agents sent nevertheless."""

from typing import Any

import pytest
from agent import IS_FIXED, LONG_PROMPT, MARK, THINKING, TOOLS, assistant, create, is_on, results, text_of, user

pytestmark = pytest.mark.scenario("bugs")


@pytest.mark.flag_matrix("streaming", "thinking", "structured")
def test_a_forced_tool(cassette: Any) -> None:
    """run-llama/llama_index#19641: structured output forces a tool, which thinking does not allow."""
    options: dict[str, Any] = {}
    if is_on("thinking"):
        options["thinking"] = THINKING
    if is_on("structured"):
        is_free = IS_FIXED and is_on("thinking")
        options["tools"] = TOOLS
        options["tool_choice"] = {"type": "auto"} if is_free else {"type": "tool", "name": "lookup"}
    answer = create("What is a kernel?", stream=is_on("streaming"), **options)
    assert list(answer) if is_on("streaming") else answer.content


@pytest.mark.flag_matrix("streaming", "thinking", "precise")
def test_a_temperature(cassette: Any) -> None:
    """danny-avila/LibreChat#11949: a temperature is sent together with thinking."""
    options: dict[str, Any] = {"extra_body": {}}
    if is_on("thinking"):
        options["thinking"] = THINKING
    if is_on("precise") and not (IS_FIXED and is_on("thinking")):
        options["extra_body"]["temperature"] = 0.05
    answer = create("What is a kernel?", stream=is_on("streaming"), **options)
    assert list(answer) if is_on("streaming") else answer.content


@pytest.mark.flag_matrix("thinking", "tools", "prompt_cache")
def test_five_cache_marks(cassette: Any) -> None:
    """BlockRunAI/Franklin#73: with tools, the cache marks of the system prompt and the messages are one too many."""
    mark = {"cache_control": MARK} if is_on("prompt_cache") else {}
    options: dict[str, Any] = {"thinking": THINKING} if is_on("thinking") else {}
    if is_on("tools"):
        options["tools"] = [TOOLS[0], {**TOOLS[1], **mark}]
    first = {} if IS_FIXED and is_on("tools") else mark
    options["system"] = [{"type": "text", "text": "Be brief.", **first}, {"type": "text", "text": LONG_PROMPT, **mark}]
    history = [
        user([{"type": "text", "text": "Hello.", **mark}]),
        assistant("Hello."),
        user([{"type": "text", "text": "What is a kernel?", **mark}]),
    ]
    assert text_of(create(history, **options))


@pytest.mark.flag_matrix("thinking", "tools", "prompt_cache")
def test_a_history_without_thinking(cassette: Any) -> None:
    """anomalyco/opencode#3077: thinking is left out of the history that a tool result is sent with."""
    options: dict[str, Any] = {"thinking": THINKING} if is_on("thinking") else {}
    if is_on("prompt_cache"):
        options["system"] = [{"type": "text", "text": LONG_PROMPT, "cache_control": MARK}]
    if not is_on("tools"):
        assert text_of(create("What is a kernel?", **options))
        return
    asked = user("Look it up.")
    first = create([asked], tools=TOOLS, **options)
    kept = [block for block in first.content if IS_FIXED or block.type != "thinking"]
    calls = [block for block in kept if block.type == "tool_use"]
    assert text_of(create([asked, assistant(kept), user(results(calls))], tools=TOOLS, **options))


@pytest.mark.flag_matrix("streaming", "thinking", "long_output")
def test_half_of_the_output_for_thinking(cassette: Any) -> None:
    """themaximalist/llm.js#30: half of the default max_tokens is less than the smallest thinking budget."""
    max_tokens = 8192 if is_on("long_output") else 1024
    options: dict[str, Any] = {}
    if is_on("thinking"):
        max_tokens = max(max_tokens, 2048) if IS_FIXED else max_tokens
        options["thinking"] = {"type": "enabled", "budget_tokens": max_tokens // 2}
    answer = create("What is a kernel?", max_tokens=max_tokens, stream=is_on("streaming"), **options)
    assert list(answer) if is_on("streaming") else answer.content


@pytest.mark.flag_matrix("thinking", "tools", "long_output")
def test_a_budget_on_top_of_the_output(cassette: Any) -> None:
    """anomalyco/opencode#2055: the thinking budget is added to max_tokens, beyond the model's limit."""
    max_tokens = 60_000 if is_on("long_output") else 20_000
    options: dict[str, Any] = {"tools": TOOLS} if is_on("tools") else {}
    if is_on("thinking"):
        max_tokens = min(max_tokens + 16_000, 64_000) if IS_FIXED else max_tokens + 16_000
        options["thinking"] = {"type": "enabled", "budget_tokens": 16_000}
    assert text_of(create("What is a kernel?", max_tokens=max_tokens, timeout=600, **options))


@pytest.mark.flag_matrix("streaming", "thinking", "tools")
def test_a_budget_of_the_whole_output(cassette: Any) -> None:
    """LionSR/TeXRA#2515: with tools, max_tokens is halved to what the thinking budget already is."""
    max_tokens, options = 8000, {"stream": is_on("streaming")}
    if is_on("tools"):
        max_tokens //= 2
        options["tools"] = TOOLS
    if is_on("thinking"):
        options["thinking"] = {"type": "enabled", "budget_tokens": max_tokens // 2 if IS_FIXED else 4000}
    answer = create("What is a kernel?", max_tokens=max_tokens, **options)
    assert list(answer) if is_on("streaming") else answer.content


@pytest.mark.flag_matrix("thinking", "tools", "prompt_cache")
def test_a_cache_mark_on_an_empty_text(cassette: Any) -> None:
    """NousResearch/hermes-agent#1216: a tool call without words has an empty text, which gets a cache mark."""
    options: dict[str, Any] = {"system": LONG_PROMPT, "tools": TOOLS}
    asked, call = user("Look it up."), {"type": "tool_use", "id": "toolu_01", "name": "lookup", "input": {}}
    text = "" if is_on("tools") else "A kernel."
    blocks: list[Any] = [{"type": "text", "text": text}] if text or not IS_FIXED else []
    if is_on("prompt_cache") and blocks:
        blocks[0]["cache_control"] = MARK
    if not text and not is_on("prompt_cache"):
        blocks = []  # the agent drops empty blocks, but not those with a mark
    if is_on("tools"):
        result = {"type": "tool_result", "tool_use_id": "toolu_01", "content": "found"}
        history = [asked, assistant([*blocks, call]), user([result])]
    else:
        history = [asked, assistant(blocks), user("What is a shell?")]
    assert text_of(create(history, **options))


@pytest.mark.flag_matrix("streaming", "thinking", "prompt_cache")
def test_a_cache_mark_on_thinking(cassette: Any) -> None:
    """lbjlaq/Antigravity-Manager#744: the first block of the last answer gets a cache mark, even if it is thinking."""
    options: dict[str, Any] = {"thinking": THINKING} if is_on("thinking") else {}
    first = create("What is a kernel?", **options)
    blocks = [block.model_dump(exclude_none=True) for block in first.content]
    if is_on("prompt_cache"):
        index = next(i for i, block in enumerate(blocks) if not IS_FIXED or block["type"] == "text")
        blocks[index]["cache_control"] = MARK
    history = [user("What is a kernel?"), assistant(blocks), user("And a shell?")]
    answer = create(history, stream=is_on("streaming"), **options)
    assert list(answer) if is_on("streaming") else answer.content


@pytest.mark.flag_matrix("tools", "prompt_cache", "long_cache")
def test_a_long_cache_after_a_short_one(cassette: Any) -> None:
    """vellum-ai/vellum-assistant#22191: the prompt is cached for an hour, the tools before it for five minutes."""
    options: dict[str, Any] = {"system": [{"type": "text", "text": LONG_PROMPT}]}
    mark = {**MARK, "ttl": "1h"} if is_on("long_cache") else MARK
    if is_on("tools"):
        options["tools"] = [dict(tool) for tool in TOOLS]
    if is_on("prompt_cache"):
        options["system"][0]["cache_control"] = mark
        if is_on("tools"):
            options["tools"][-1]["cache_control"] = mark if IS_FIXED else MARK
    assert text_of(create("What is a kernel?", **options))


@pytest.mark.flag_matrix("streaming", "thinking", "interleaved")
def test_a_stale_beta(cassette: Any) -> None:
    """pacifio/cersei#23: the beta header names a version of interleaved thinking that no longer exists."""
    options: dict[str, Any] = {"thinking": THINKING} if is_on("thinking") else {}
    if is_on("interleaved"):
        beta = "interleaved-thinking-2025-05-14" if IS_FIXED else "interleaved-thinking-2025-04-14"
        options["extra_headers"] = {"anthropic-beta": beta}
    answer = create("What is a kernel?", stream=is_on("streaming"), **options)
    assert list(answer) if is_on("streaming") else answer.content
