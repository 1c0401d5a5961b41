"""How many tokens a request or an answer has: an estimate, since the model's own tokenizer is not public.

Text is cut into words, numbers, punctuation and white space, and each piece counts by its length; the constants were
fitted to recorded `input_tokens` of 2025 and 2026. Every figure that comes from here is simulated.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from harness.simulator.matching import blocks_of
from harness.simulator.randomness import canonical

_PIECE = re.compile(r"[A-Za-z]+|[0-9]{1,3}|[^\x00-\x7f]|\n+|[ \t\r]{2,}|[^\sA-Za-z0-9]")
_LETTERS_A_TOKEN = 6.0
_MESSAGE_TOKENS = 4
_REQUEST_TOKENS = 3
_TOOL_PROMPT_TOKENS = 346
_FORCED_TOOL_PROMPT_TOKENS = 313
_TOOL_TOKENS = 40
_IMAGE_TOKENS = 1500
_PAGE_TOKENS = 2000


def text_tokens(text: str) -> int:
    """The estimate for a text."""
    return sum(_piece_tokens(piece) for piece in _PIECE.findall(text))


def input_tokens(body: Mapping[str, Any], model: str = "") -> int:
    """The estimate for everything that the model reads of a request, cached or not."""
    parts = [*tool_tokens(body), *(block_tokens(block) for block in blocks_of(body.get("system")))]
    for message in body["messages"]:
        parts.append(_MESSAGE_TOKENS)
        parts.extend(block_tokens(block) for block in blocks_of(message["content"]))
    return sum(parts) + _REQUEST_TOKENS


def message_tokens() -> int:
    """What a message costs beside its blocks."""
    return _MESSAGE_TOKENS


def request_tokens() -> int:
    """What a request costs beside its parts."""
    return _REQUEST_TOKENS


def tool_tokens(body: Mapping[str, Any]) -> list[int]:
    """The estimates for the tools; the first carries the prompt that tells the model how tools are used."""
    tools = [_tool_tokens(canonical(_unmarked(tool))) for tool in body.get("tools") or ()]
    choice = (body.get("tool_choice") or {}).get("type", "auto")
    if tools and choice != "none":
        tools[0] += _TOOL_PROMPT_TOKENS if choice == "auto" else _FORCED_TOOL_PROMPT_TOKENS
    return tools


def block_tokens(block: Mapping[str, Any]) -> int:
    """The estimate for one content block of a request or an answer."""
    kind = block["type"]
    if kind in ("text", "thinking"):
        return text_tokens(block[kind])
    if kind == "image":
        return _IMAGE_TOKENS
    if kind == "document":
        return _document_tokens(block)
    if kind == "tool_result":
        return _TOOL_TOKENS // 2 + sum(block_tokens(part) for part in blocks_of(block.get("content")))
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        return _TOOL_TOKENS + text_tokens(block["name"]) + text_tokens(canonical(block["input"]))
    return text_tokens(canonical(_unmarked(block)))


def answer_tokens(blocks: Iterable[Mapping[str, Any]]) -> int:
    """The estimate for an answer."""
    return sum(block_tokens(block) for block in blocks) + _REQUEST_TOKENS


def _unmarked(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}


def _document_tokens(block: Mapping[str, Any]) -> int:
    source = block["source"]
    return text_tokens(str(source.get("data", ""))) if source.get("type") == "text" else _PAGE_TOKENS


@lru_cache(maxsize=4096)
def _tool_tokens(tool: str) -> int:
    return _TOOL_TOKENS + text_tokens(tool)


def _piece_tokens(piece: str) -> int:
    if piece[0].isascii() and piece[0].isalpha():
        return 1 + int((len(piece) - 1) // _LETTERS_A_TOKEN)
    return 1
