"""Prompt cache marks: where the API may cut the prompt into what it has seen and what is new."""

from collections.abc import Mapping, Sequence
from typing import Any

MARK = {"type": "ephemeral"}
MOST_MARKS = 4
"""`A maximum of 4 blocks with cache_control may be provided. Found 5.` (quoted by users; no recording holds it)"""

_KEY = "cache_control"
_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})


def marked_tail(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A copy of system blocks or tools with one mark, on the last; every other mark is taken off."""
    copies = [_unmarked(block) for block in blocks]
    if copies:
        copies[-1][_KEY] = dict(MARK)
    return copies


def marked_turns(messages: Sequence[Mapping[str, Any]], most: int) -> list[dict[str, Any]]:
    """A copy of the messages in which the latest `most` user turns end with a mark, and nothing else has one.

    The turn before the latest is marked too, since that is where the last request wrote the cache.
    """
    copies = [{**message, "content": _unmarked_content(message["content"])} for message in messages]
    for message in [copy for copy in copies if copy["role"] == "user"][::-1][:most]:
        message["content"] = _with_mark(message["content"])
    return copies


def _with_mark(content: Any) -> Any:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for index in reversed(range(len(blocks))):
        if _can_be_marked(blocks[index]):
            return [*blocks[:index], {**blocks[index], _KEY: dict(MARK)}, *blocks[index + 1 :]]
    return content


def _can_be_marked(block: Mapping[str, Any]) -> bool:
    """`cache_control cannot be set for empty text blocks`, nor on thinking."""
    return block.get("type") not in _UNMARKABLE and not (block.get("type") == "text" and not block.get("text"))


def _unmarked_content(content: Any) -> Any:
    return [_unmarked(block) for block in content] if isinstance(content, list) else content


def _unmarked(block: Mapping[str, Any]) -> dict[str, Any]:
    """Blocks may hold blocks (a tool's result does), but a tool's input is the model's own and is not looked into."""
    copy = {key: value for key, value in block.items() if key != _KEY}
    if copy.get("type") == "tool_result" and isinstance(copy.get("content"), list):
        copy["content"] = _unmarked_content(copy["content"])
    return copy
