"""Decode JSON from other programs. Invalid or too deeply nested JSON gives a default value, not an error.

JSON can contain one half of a surrogate pair (an emoji is written as a pair of escapes), for example if a stream splits
the emoji over two deltas. Such a half cannot be encoded as UTF-8. `decode_json` replaces it by U+FFFD, unless the
caller wants to join the deltas.
"""

import json
import re
from typing import Any

import msgspec

MAX_JSON_NESTING = 100
"""The deepest nesting of lists and objects that is accepted. The deepest known body has 14 levels; recursive code would
exhaust the stack at about 200.
"""


_SURROGATE_PATTERN = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE_PATTERN = re.compile(r"\\u[dD][89a-fA-F]")


def decode_json(data: bytes | str, default: Any = None, *, keep_lone_surrogates: bool = False) -> Any:
    """Return the decoded JSON, or `default` if `data` is not JSON or is nested deeper than `MAX_JSON_NESTING`.

    A single half of a surrogate pair becomes U+FFFD; with `keep_lone_surrogates` it stays, so that the caller can join
    it to the other half.
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _decode_surrogates(data, default, keep_lone_surrogates=keep_lone_surrogates)
    return default if is_nested_too_deep(data, value) else value


def join_surrogates(text: str) -> str:
    """Join the halves of surrogate pairs in a text, and replace lone halves by U+FFFD."""
    if _SURROGATE_PATTERN.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def join_surrogates_in_value(value: Any) -> Any:
    """Apply `join_surrogates` to every text and key in a JSON value, and return the new value.

    If the value contains no surrogate, which is nearly always so, the same object is returned.
    """
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _copy_with_joined_surrogates(value)
    return value


def _copy_with_joined_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return join_surrogates(value)
    if isinstance(value, dict):
        return {join_surrogates(key): _copy_with_joined_surrogates(member) for key, member in value.items()}
    return [_copy_with_joined_surrogates(member) for member in value] if isinstance(value, list) else value


def decode_json_object(data: bytes | str) -> dict[str, Any]:
    """Return the decoded JSON object, or an empty dict if `data` is not a JSON object."""
    value = decode_json(data)
    return value if isinstance(value, dict) else {}


def _decode_surrogates(data: bytes | str, default: Any, *, keep_lone_surrogates: bool) -> Any:
    """Decode JSON that contains half a surrogate pair, which msgspec refuses. See `decode_json` for the parameters."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        if _ESCAPED_SURROGATE_PATTERN.search(text) is None:
            return default
        value = json.loads(text, parse_constant=_refuse_nan_and_infinity)
    except (ValueError, RecursionError):
        return default
    if is_nested_too_deep(data, value):
        return default
    return value if keep_lone_surrogates else join_surrogates_in_value(value)


def _refuse_nan_and_infinity(constant: str) -> Any:
    """Raise `ValueError` for `NaN` and `Infinity`, which Python's parser would accept."""
    raise ValueError(f"{constant} is not JSON")


def is_nested_too_deep(data: bytes | str, value: Any) -> bool:
    """Return whether the JSON `value`, decoded from `data`, is nested deeper than `MAX_JSON_NESTING`.

    It does not recurse, so that no value can exhaust the stack.
    """
    brackets = data.count(b"[") + data.count(b"{") if isinstance(data, bytes) else data.count("[") + data.count("{")
    if brackets <= MAX_JSON_NESTING:
        return False
    level = [value]
    for _ in range(MAX_JSON_NESTING):
        level = [member for parent in level for member in child_values(parent)]
    return any(isinstance(member, (dict, list)) for member in level)


def child_values(value: Any) -> Any:
    """Return the values of a dict, or the elements of a list. The result is empty for any other value."""
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
