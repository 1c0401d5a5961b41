"""Outlines of request bodies: which parameters a request has, without what people or prompts say.

An outline has a value for each path in the body. Numbers, booleans, and words of the API such as the names of models
are kept. Anything else is replaced by a short keyed hash. It shows whether two runs sent the same, but is too short for
anybody to find out what was sent.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

BodyOutline: TypeAlias = tuple[tuple[str, int | float | bool | str | None], ...]
"""The outline of a request body: pairs of a path, such as `thinking.budget_tokens`, and the value, or a hash of it."""

_HASH_PREFIX = "#"
_HASH_BYTES = 3
"""The length of a hash. It is so short on purpose: with 24 bits, thousands of telephone numbers share each hash."""
_HASH_KEY = b"flag-harness outline"
_MAX_OUTLINE_PATHS = 60
"""The most paths in an outline. If a body has more, the outline ends with a hash of the rest, under the path `...`."""
_KEYS_OF_API_WORDS = frozenset({"model", "type", "effort", "ttl", "display", "service_tier", "speed"})
"""The keys whose texts are words of the API, such as model names. An outline shows them instead of a hash."""
_API_WORD_PATTERN = re.compile(r"[A-Za-z0-9._:@/-]{1,80}")
_PRIVATE_KEYS = frozenset({"messages", "system", "metadata", "tools", "mcp_servers", "container"})
"""The keys of a body under which people's or the project's own words stand. An outline has only hashes of these."""
_CACHE_MARK_KEY = "cache_control"
_CACHE_MARK_PATTERN = re.compile(r"ephemeral(?: \d{1,3}[mh])?(?:, ephemeral \d{1,3}[mh])*")
API_ID_PATTERN = re.compile(r"\b(?:msg|toolu|srvtoolu|mcptoolu|msgbatch|container|req|file)_[A-Za-z0-9]{6,}\b")
"""Matches an id that the API generated, such as `toolu_01AbCdEf`."""


def body_outline(body: Any) -> BodyOutline:
    """Return the outline of a decoded JSON body: pairs of a path and its value. It is empty if the body is not an
    object.

    Texts of people or of the project are replaced by hashes.
    """
    if not isinstance(body, Mapping):
        return ()
    found = [pair for key in sorted(body, key=str) for pair in _member_outline(str(key), body[key])]
    rest = [("...", _short_hash(found[_MAX_OUTLINE_PATHS:]))] if len(found) > _MAX_OUTLINE_PATHS else []
    return (*found[:_MAX_OUTLINE_PATHS], *rest)


def mask_api_ids(text: str) -> str:
    """Return a text in which every id that the API generated is replaced by `<id>`."""
    return API_ID_PATTERN.sub("<id>", text)


def is_hashed_value(value: object) -> bool:
    """Return whether a value in an outline is a hash that stands for the real value."""
    return isinstance(value, str) and value.startswith(_HASH_PREFIX)


def _member_outline(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield `(path, value)` pairs of the outline for the member `key` of a body.

    Private values are replaced by hashes.
    """
    if key == "tools" and isinstance(value, list):
        for number, tool in enumerate(value):
            name = tool.get("name") if isinstance(tool, Mapping) else None
            yield (
                f"tools[{name if isinstance(name, str) and _API_WORD_PATTERN.fullmatch(name) else number}]",
                _short_hash(_without_cache_marks(tool)),
            )
        yield from _cache_mark_outline("tools[*]", value)
    elif key == "messages" and isinstance(value, list):
        for number, message in enumerate(value):
            yield f"messages[{number}]", _short_hash(_without_cache_marks(message))
        yield from _cache_mark_outline(
            "messages[*].content[*]", [block for one in value for block in _content_blocks(one)]
        )
    elif key == "system" and isinstance(value, list):
        for number, block in enumerate(value):
            yield from _leaf_outline(f"system[{number}]", block, is_private=True)
    else:
        yield from _leaf_outline(key, value, is_private=key in _PRIVATE_KEYS)


def _cache_mark_outline(path: str, blocks: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield one `(path, kinds)` pair if any of the blocks has a cache mark.

    `kinds` is a text such as `ephemeral 1h`.
    """
    marks = [
        block[_CACHE_MARK_KEY]
        for block in blocks
        if isinstance(block, Mapping) and isinstance(block.get(_CACHE_MARK_KEY), Mapping)
    ]
    kinds = {f"{mark.get('type', '')} {mark.get('ttl', '')}".strip() for mark in marks}
    if kinds:
        text = ", ".join(sorted(kinds))
        yield f"{path}.{_CACHE_MARK_KEY}", text if _CACHE_MARK_PATTERN.fullmatch(text) else _short_hash(text)


def _without_cache_marks(part: Any) -> Any:
    """Return a message or a tool without its cache marks, because the outline has a separate path for cache marks.

    Content that is a single text block becomes a plain text: agents use a block only to have something to mark.
    """
    if not isinstance(part, Mapping):
        return part
    bare = {key: value for key, value in part.items() if key != _CACHE_MARK_KEY}
    if isinstance(part.get("content"), list):
        blocks = [_without_cache_marks(block) for block in part["content"]]
        is_text = len(blocks) == 1 and isinstance(blocks[0], Mapping) and blocks[0].keys() == {"type", "text"}
        bare["content"] = blocks[0]["text"] if is_text else blocks
    return bare


def _content_blocks(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, list) else []


def _leaf_outline(path: str, value: Any, *, is_private: bool) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of each number, text or constant below `path`.

    Values that must stay private become hashes.
    """
    if isinstance(value, Mapping) and value:
        for key in sorted(value, key=str):
            yield from _leaf_outline(f"{path}.{key}", value[key], is_private=is_private)
    else:
        yield path, value if _can_be_shown(path, value, is_private) else _short_hash(value)


def _can_be_shown(path: str, value: Any, is_private: bool) -> bool:
    """Return whether an outline may show this value. If not, it shows a hash."""
    if isinstance(value, str):
        return path.rpartition(".")[2] in _KEYS_OF_API_WORDS and _API_WORD_PATTERN.fullmatch(value) is not None
    return not is_private and (value is None or isinstance(value, (bool, int, float)))


def _short_hash(value: Any) -> str:
    """Return a short hash of a value. Ids that the API generated do not change the hash."""
    text = mask_api_ids(json.dumps(value, sort_keys=True, ensure_ascii=False))
    data = text.encode("utf-8", "surrogatepass")
    return _HASH_PREFIX + hashlib.blake2b(data, digest_size=_HASH_BYTES, key=_HASH_KEY).hexdigest()
