"""Set prompt cache marks (`cache_control`), up to which the API caches the prompt."""

from collections.abc import Mapping, Sequence
from typing import Any

CACHE_MARK = {"type": "ephemeral"}
MAX_CACHE_MARKS = 4
"""The most cache marks that the API accepts in a request. For a fifth it answers `A maximum of 4 blocks with
cache_control may be provided. Found 5.` (quoted by users; no recording holds it).
"""

_CACHE_MARK_KEY = "cache_control"
_BLOCK_TYPES_WITHOUT_MARK = frozenset({"thinking", "redacted_thinking"})


def add_cache_mark_to_last_block(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a copy of the blocks (of the system prompt or the tools) with one cache mark, on the last block."""
    copies = [_remove_cache_marks_in_block(block) for block in blocks]
    if copies:
        copies[-1][_CACHE_MARK_KEY] = dict(CACHE_MARK)
    return copies


def add_cache_marks_to_latest_turns(messages: Sequence[Mapping[str, Any]], turn_count: int) -> list[dict[str, Any]]:
    """Return a copy of the messages with cache marks only at the end of the latest `turn_count` user turns.

    The turn before the latest needs a mark, since the previous request wrote the cache up to there.
    """
    copies = [{**message, "content": _remove_cache_marks_in_content(message["content"])} for message in messages]
    for message in [copy for copy in copies if copy["role"] == "user"][::-1][:turn_count]:
        message["content"] = _add_cache_mark_to_last_content_block(message["content"])
    return copies


def _add_cache_mark_to_last_content_block(content: Any) -> Any:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for index in reversed(range(len(blocks))):
        if _can_have_cache_mark(blocks[index]):
            return [*blocks[:index], {**blocks[index], _CACHE_MARK_KEY: dict(CACHE_MARK)}, *blocks[index + 1 :]]
    return content


def _can_have_cache_mark(block: Mapping[str, Any]) -> bool:
    """Return whether a block can have a cache mark (`cache_control`).

    The API answers 400 if a thinking block or an empty text block has one.
    """
    return block.get("type") not in _BLOCK_TYPES_WITHOUT_MARK and not (
        block.get("type") == "text" and not block.get("text")
    )


def _remove_cache_marks_in_content(content: Any) -> Any:
    return [_remove_cache_marks_in_block(block) for block in content] if isinstance(content, list) else content


def _remove_cache_marks_in_block(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a block without cache marks, including those inside a tool result.

    The input of a tool call is the model's own, so it stays unchanged.
    """
    copy = {key: value for key, value in block.items() if key != _CACHE_MARK_KEY}
    if copy.get("type") == "tool_result" and isinstance(copy.get("content"), list):
        copy["content"] = _remove_cache_marks_in_content(copy["content"])
    return copy
