"""What agents got wrong when they put streams together by hand."""

import json
from typing import Any

import pytest
from agent import IS_FIXED, LONG_PROMPT, MARK, THINKING, TOOLS, assistant, create, is_on, results, text_of, user

pytestmark = pytest.mark.scenario("bugs")


def collect(events: Any, ignored: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Put the content blocks of a stream together, without the deltas of ignored types."""
    blocks: list[dict[str, Any]] = []
    for event in events:
        if event.type == "content_block_start":
            blocks.append({**event.content_block.model_dump(exclude_none=True), "json": ""})
        elif event.type == "content_block_delta" and event.delta.type not in ignored:
            for name, value in event.delta.model_dump(exclude={"type"}, exclude_none=True).items():
                key = "json" if name == "partial_json" else name
                blocks[event.index][key] = blocks[event.index].get(key, "") + value
    for block in blocks:
        text = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(text or "{}")
    return blocks


@pytest.mark.flag_matrix("streaming", "thinking", "prompt_cache")
def test_a_lost_signature(cassette: Any) -> None:
    """JetBrains/koog#1959: the signature of streamed thinking is lost, and the next request is refused."""
    options: dict[str, Any] = {"thinking": THINKING} if is_on("thinking") else {}
    if is_on("prompt_cache"):
        options["system"] = [{"type": "text", "text": LONG_PROMPT, "cache_control": MARK}]
    asked = user("Look it up.")
    first = create([asked], tools=TOOLS, stream=is_on("streaming"), **options)
    if is_on("streaming"):
        content: Any = collect(first, frozenset() if IS_FIXED else frozenset({"signature_delta"}))
        result = [{"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "found"}]
    else:
        content, result = first.content, results([first.content[-1]])
    assert text_of(create([asked, assistant(content), user(result)], tools=TOOLS, **options))


@pytest.mark.flag_matrix("streaming", "thinking", "hide_thinking")
def test_hidden_thinking(cassette: Any) -> None:
    """langchain-ai/langchain#38977: without its text, a streamed block of thinking has no text at all."""
    options: dict[str, Any] = {}
    if is_on("thinking"):
        options["thinking"] = {**THINKING, "display": "omitted"} if is_on("hide_thinking") else THINKING
    asked = user("Look it up.")
    first = create([asked], tools=TOOLS, stream=is_on("streaming"), **options)
    if not is_on("streaming"):
        content: Any = first.content
        result = results([first.content[-1]])
    else:
        content = collect(first)
        result = [{"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "found"}]
        for block in content:
            if not IS_FIXED and block["type"] == "thinking" and not block["thinking"]:
                del block["thinking"]
    assert text_of(create([asked, assistant(content), user(result)], tools=TOOLS, **options))


@pytest.mark.flag_matrix("streaming", "tools", "prompt_cache")
def test_cache_tokens_counted_twice(cassette: Any) -> None:
    """langchain-ai/langchainjs#10249: the cache tokens of the first and the last event of a stream are added up."""
    options: dict[str, Any] = {"tools": TOOLS} if is_on("tools") else {}
    mark = {"cache_control": MARK} if is_on("prompt_cache") else {}
    options["system"] = [{"type": "text", "text": LONG_PROMPT, **mark}]
    answer = create("What is a kernel?", stream=is_on("streaming"), **options)
    if is_on("streaming"):
        counted = 0
        for event in answer:
            if event.type == "message_start":
                counted += event.message.usage.cache_creation_input_tokens
            elif event.type == "message_delta" and not IS_FIXED:
                counted += event.usage.cache_creation_input_tokens or 0
    else:
        counted = answer.usage.cache_creation_input_tokens
    assert cassette.usage.cache_creation_input_tokens == counted


@pytest.mark.flag_matrix("streaming", "parallel", "thinking")
def test_arguments_of_parallel_calls(cassette: Any) -> None:
    """langgenius/dify-official-plugins#2667: the arguments of the second streamed call follow those of the first."""
    options: dict[str, Any] = {"thinking": THINKING} if is_on("thinking") else {}
    asked = "Look up both." if is_on("parallel") else "Look it up."
    answer = create(asked, tools=TOOLS, stream=is_on("streaming"), **options)
    if not is_on("streaming"):
        words = [block.input["word"] for block in answer.content if block.type == "tool_use"]
    else:
        texts, text = [], ""
        for event in answer:
            if event.type == "content_block_start" and IS_FIXED:
                text = ""
            elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                text += event.delta.partial_json
            elif event.type == "content_block_stop" and text:
                texts.append(text)
        words = [json.loads(text)["word"] for text in texts]
    assert words == (["kernel", "shell"] if is_on("parallel") else ["kernel"])


@pytest.mark.flag_matrix("streaming", "tools", "prompt_cache")
def test_a_call_without_arguments(cassette: Any) -> None:
    """BerriAI/litellm#5063: the streamed arguments of a call without any are an empty string, and no JSON."""
    options: dict[str, Any] = {"tools": TOOLS} if is_on("tools") else {}
    if is_on("prompt_cache"):
        options["system"] = [{"type": "text", "text": LONG_PROMPT, "cache_control": MARK}]
    answer = create("List them." if is_on("tools") else "What is a kernel?", stream=is_on("streaming"), **options)
    if not is_on("streaming"):
        assert answer.content
        return
    text, has_call = "", False
    for event in answer:
        if event.type == "content_block_start":
            has_call |= event.content_block.type == "tool_use"
        elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
            text += event.delta.partial_json
    if has_call:
        assert {} == json.loads((text or "{}") if IS_FIXED else text)
