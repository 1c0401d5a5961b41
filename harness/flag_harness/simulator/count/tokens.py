"""Estimates of the number of tokens of requests and answers. The model's own tokenizer is not public.

Text is split into words, numbers, punctuation and white space, and each piece counts by its length. The constants were
fitted to 1,180 recorded `input_tokens` of 2024 to 2026; the median error is 7 %, the 95th percentile 40 %. Figures
that come from this estimate are marked as simulated.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from flag_harness.simulator.answer.randomness import canonical_json
from flag_harness.simulator.count.images import image_tokens
from flag_harness.simulator.scenario.matching import content_blocks, is_thinking_requested, message_blocks

_WORD_OR_MARK_PATTERN = re.compile(r"[A-Za-z]+|[0-9]{1,3}|[^\x00-\x7f]|\n+|[ \t\r]{2,}|[^\sA-Za-z0-9]")
_LETTERS_PER_TOKEN = 8
_LONG_WORD_PATTERN = re.compile(rf"[A-Za-z]{{{_LETTERS_PER_TOKEN + 1},}}")
_CHARACTER_RUN_PATTERN = re.compile(r"[A-Za-z0-9]{20}")
_CHARACTER_KIND_CHANGE_PATTERN = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[a-z0-9])|(?<=[0-9])(?=[A-Za-z])")
_MIN_CHANGES_OF_RANDOM_RUN = 8
"""A run of twenty characters looks random if it changes this often between lower case, upper case and digits."""
_EXTRA_TOKENS_OF_RANDOM_RUN = 11
"""The tokens to add for twenty random-looking characters, whose words and numbers alone give too few tokens. In
recorded traffic such a run has 17 tokens.
"""
_MIN_UNCACHED_CHARACTERS = 32 * 1024
_CHARACTERS_PER_SLICE = 1_000_000
"""Longer texts are counted in slices of this length, so that other threads can run in between."""
_MAX_COUNTED_CHARACTERS = 8_000_000
"""At most this many characters of a text are counted, more than fit into any context window; the rest is
extrapolated.
"""
_OVERHEAD_TOKENS_PER_MESSAGE = 4
_OVERHEAD_TOKENS_PER_REQUEST = 3
_TOOL_PROMPT_TOKENS_BY_MODEL = (
    (re.compile(r"claude-3|-3-"), 192, 295),
    (re.compile(r"-4(-[01])?(-\d{8})?$"), 240, 215),
    (re.compile(r"claude-[a-z]+-5\b"), 306, 437),
    (re.compile(""), 414, 518),
)
"""The tokens of the prompt that the API adds for tools. Each entry has a pattern of model names, the tokens if the
model may call a tool, and the tokens if it must call one.
"""
_OVERHEAD_TOKENS_PER_TOOL = 40
_OVERHEAD_TOKENS_OF_THINKING = 29
_OVERHEAD_TOKENS_OF_OUTPUT_FORMAT = 110
_TOKENS_PER_PDF_PAGE = 1_610
"""The tokens of a page: the median of recorded documents of one page. The documentation says 1,500 to 3,000."""
_SERVER_TOOL_TOKENS: Mapping[str, int] = {
    "advisor": 900,
    "bash": 245,
    "code_execution": 2_000,
    "computer": 1_200,
    "memory": 1_200,
    "text_editor": 700,
    "tool_search": 400,
    "web_fetch": 500,
    "web_search": 1_750,
}
"""The tokens of each tool that the API defines, by tool type without its date. The tokens of the prompt that the API
adds for tools come on top.
"""


def text_tokens(text: str) -> int:
    """Return the estimated number of tokens of a text."""
    return _cached_text_tokens(text) if len(text) < _MIN_UNCACHED_CHARACTERS else _estimate_tokens(text)


@lru_cache(maxsize=512)
def _cached_text_tokens(text: str) -> int:
    """Return the estimated number of tokens of a short text, from a cache if the text was counted before.

    Most texts are counted often, since each turn of a conversation repeats all earlier texts.
    """
    return _estimate_tokens(text)


def _estimate_tokens(text: str) -> int:
    """Return the estimated tokens of a text. A very long text is estimated from its beginning."""
    if len(text) <= _CHARACTERS_PER_SLICE:
        return _estimate_tokens_of_slice(text)
    counted = min(len(text), _MAX_COUNTED_CHARACTERS)
    starts = range(0, counted, _CHARACTERS_PER_SLICE)
    tokens = sum(
        _estimate_tokens_of_slice(text[start : min(start + _CHARACTERS_PER_SLICE, counted)]) for start in starts
    )
    return tokens * len(text) // counted


def _estimate_tokens_of_slice(text: str) -> int:
    """Return the estimated tokens of a part of a text."""
    long_words = sum((len(word) - 1) // _LETTERS_PER_TOKEN for word in _LONG_WORD_PATTERN.findall(text))
    return (
        len(_WORD_OR_MARK_PATTERN.findall(text))
        + long_words
        + _EXTRA_TOKENS_OF_RANDOM_RUN * _count_random_character_runs(text)
    )


def _count_random_character_runs(text: str) -> int:
    """Return the number of runs of 20 letters and digits that look random, as in keys, ids and base64."""
    return sum(_looks_random(run) for run in _CHARACTER_RUN_PATTERN.findall(text))


def _looks_random(run: str) -> bool:
    """Return whether a run of letters and digits looks random, as in keys and ids."""
    has_both_cases = not (run.islower() or run.isupper() or run.isdigit())
    return has_both_cases and len(_CHARACTER_KIND_CHANGE_PATTERN.findall(run)) >= _MIN_CHANGES_OF_RANDOM_RUN


def truncate_text(text: str, max_tokens: int) -> str:
    """Return the longest beginning of a text that has at most `max_tokens` tokens."""
    end, left = 0, max_tokens
    for piece in _WORD_OR_MARK_PATTERN.finditer(text):
        left -= _estimate_tokens_of_word(piece[0])
        if left < 0:
            break
        end = piece.end()
    else:
        end = len(text)
    if not _count_random_character_runs(text[:end]):
        return text[:end]
    return text[: bisect_right(range(end + 1), max_tokens, key=lambda length: _estimate_tokens(text[:length])) - 1]


def tool_call_tokens(name: str, input_json: str) -> int:
    """Return the estimated number of tokens of a tool call with this name and this input, as JSON text."""
    return _OVERHEAD_TOKENS_PER_TOOL + text_tokens(name) + text_tokens(input_json)


def input_tokens(body: Mapping[str, Any], model: str = "") -> int:
    """Return the estimated number of input tokens of a request, cached or not."""
    parts = [*tokens_of_each_tool(body), *(block_tokens(block) for block in content_blocks(body.get("system")))]
    for message in body["messages"]:
        parts.append(_OVERHEAD_TOKENS_PER_MESSAGE)
        parts.extend(block_tokens(block) for block in message_blocks(message))
    return sum(parts) + request_overhead_tokens(body)


def message_overhead_tokens() -> int:
    """Return the number of tokens that each message has besides those of its blocks."""
    return _OVERHEAD_TOKENS_PER_MESSAGE


def request_overhead_tokens(body: Mapping[str, Any]) -> int:
    """Return the tokens of a request beyond those of its tools, system prompt and messages.

    These are a fixed number, and those for thinking and the output format.
    """
    thinking = _OVERHEAD_TOKENS_OF_THINKING if is_thinking_requested(body) else 0
    schema = body.get("output_format") or (body.get("output_config") or {}).get("format")
    return (
        _OVERHEAD_TOKENS_PER_REQUEST
        + thinking
        + (_OVERHEAD_TOKENS_OF_OUTPUT_FORMAT + text_tokens(canonical_json(schema)) if schema else 0)
    )


def tokens_of_each_tool(body: Mapping[str, Any]) -> list[int]:
    """Return the estimated number of tokens of each tool.

    The first number includes the prompt that the API adds for tool use.
    """
    tools = [_tool_definition_tokens(tool) for tool in body.get("tools") or ()]
    if tools:
        tools[0] += _tool_prompt_tokens(body)
    return tools


def _tool_prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return the tokens of the prompt that the API adds if a request has tools."""
    is_forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    model = str(body.get("model", ""))
    return next(
        forced if is_forced else free for pattern, free, forced in _TOOL_PROMPT_TOKENS_BY_MODEL if pattern.search(model)
    )


def block_tokens(block: Mapping[str, Any]) -> int:
    """Return the estimated number of tokens of one content block."""
    kind = block["type"]
    if kind in ("text", "thinking"):
        return text_tokens(block[kind])
    if kind == "image":
        return image_tokens(block["source"])
    if kind == "document":
        return _document_tokens(block)
    if kind == "tool_result":
        return _OVERHEAD_TOKENS_PER_TOOL // 2 + sum(block_tokens(part) for part in content_blocks(block.get("content")))
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        return tool_call_tokens(block["name"], canonical_json(block["input"]))
    return text_tokens(canonical_json(remove_cache_mark(block)))


def answer_tokens(blocks: Iterable[Mapping[str, Any]]) -> int:
    """Return the estimated number of tokens of the content blocks of an answer."""
    return sum(block_tokens(block) for block in blocks) + _OVERHEAD_TOKENS_PER_REQUEST


def remove_cache_mark(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a block without its cache mark (`cache_control`)."""
    return {key: value for key, value in block.items() if key != "cache_control"}


def _document_tokens(block: Mapping[str, Any]) -> int:
    source = block["source"]
    return text_tokens(str(source.get("data", ""))) if source.get("type") == "text" else _TOKENS_PER_PDF_PAGE


def _tool_definition_tokens(tool: Mapping[str, Any]) -> int:
    if tool.get("defer_loading"):
        return 0
    kind = (tool.get("type") or "custom").rstrip("0123456789").rstrip("_")
    own = next((cost for name, cost in _SERVER_TOOL_TOKENS.items() if kind.startswith(name)), None)
    return _estimate_tokens_of_tool(canonical_json(remove_cache_mark(tool))) if own is None else own


@lru_cache(maxsize=4096)
def _estimate_tokens_of_tool(tool_json: str) -> int:
    return _OVERHEAD_TOKENS_PER_TOOL + text_tokens(tool_json)


def _estimate_tokens_of_word(piece: str) -> int:
    """Return the estimated tokens of a word, number or punctuation mark."""
    if piece[0].isascii() and piece[0].isalpha():
        return 1 + (len(piece) - 1) // _LETTERS_PER_TOKEN
    return 1
