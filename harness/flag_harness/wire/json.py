"""Decode JSON that somebody else wrote: return `None` instead of raising, and refuse what is nested too deeply.

JSON can escape half a surrogate pair, which is no character and cannot be encoded: a stream may split an emoji over two
deltas. `decode_json` replaces lone halves by U+FFFD, unless its caller joins the deltas first.
"""

import json
import re
from typing import Any

import msgspec

DEPTH_LIMIT = 100
"""The deepest nesting of lists and objects that is read. The deepest body known has 14 levels; a recursive walk would
exhaust the stack at about 200."""


_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def decode_json(data: bytes | str, default: Any = None, *, keep_halves: bool = False) -> Any:
    """Return the decoded JSON, or `default` if `data` is not JSON or is nested deeper than `DEPTH_LIMIT`.

    Lone halves of surrogate pairs become U+FFFD; with `keep_halves` they stay, for a caller that joins texts.
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _decode_surrogates(data, default, keep_halves=keep_halves)
    return default if is_too_deep(data, value) else value


def join_surrogates(text: str) -> str:
    """Return a text in which the halves of surrogate pairs are joined, and lone halves are U+FFFD."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def join_all_surrogates(value: Any) -> Any:
    """Return a JSON value with `join_surrogates` applied to every text and key in it."""
    if isinstance(value, str):
        return join_surrogates(value)
    if isinstance(value, dict):
        return {join_surrogates(key): join_all_surrogates(member) for key, member in value.items()}
    return [join_all_surrogates(member) for member in value] if isinstance(value, list) else value


def decode_json_object(data: bytes | str) -> dict[str, Any]:
    """Return the decoded JSON object, or an empty one if `data` is not a JSON object; see `decode_json`."""
    value = decode_json(data)
    return value if isinstance(value, dict) else {}


def _decode_surrogates(data: bytes | str, default: Any, *, keep_halves: bool) -> Any:
    """Decode JSON with escaped surrogates, of which msgspec accepts whole pairs only."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        if _ESCAPED_SURROGATE.search(text) is None:
            return default
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return default
    if is_too_deep(data, value):
        return default
    return value if keep_halves else join_all_surrogates(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def is_too_deep(data: bytes | str, value: Any) -> bool:
    """Return whether the JSON `value`, decoded from `data`, is nested deeper than `DEPTH_LIMIT`. Does not recurse."""
    brackets = data.count(b"[") + data.count(b"{") if isinstance(data, bytes) else data.count("[") + data.count("{")
    if brackets <= DEPTH_LIMIT:
        return False
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [member for parent in level for member in _nested_values(parent)]
    return any(isinstance(member, (dict, list)) for member in level)


def _nested_values(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
