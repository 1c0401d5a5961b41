"""Decode JSON that somebody else wrote: return `None` instead of raising, and refuse what is nested too deeply."""

from typing import Any

import msgspec

DEPTH_LIMIT = 100
"""The deepest nesting of lists and objects that is read. The deepest body known has 14 levels; a recursive walk would
exhaust the stack at about 200."""


def decode_json(data: bytes | str, default: Any = None) -> Any:
    """Return the decoded JSON, or `default` if `data` is not JSON or is nested deeper than `DEPTH_LIMIT`."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return default
    return default if is_too_deep(data, value) else value


def decode_json_object(data: bytes | str) -> dict[str, Any]:
    """Return the decoded JSON object, or an empty one if `data` is not a JSON object; see `decode_json`."""
    value = decode_json(data)
    return value if isinstance(value, dict) else {}


def is_too_deep(data: bytes | str, value: Any) -> bool:
    """Return whether the JSON `value`, decoded from `data`, is nested deeper than `DEPTH_LIMIT`. Does not recurse."""
    brackets = data.count(b"[") + data.count(b"{") if isinstance(data, bytes) else data.count("[") + data.count("{")
    if brackets <= DEPTH_LIMIT:
        return False
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [member for parent in level for member in _members(parent)]
    return any(isinstance(member, (dict, list)) for member in level)


def _members(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
