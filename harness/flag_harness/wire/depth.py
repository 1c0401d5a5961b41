"""How deep JSON may go: what is deeper is text to whoever reads bodies, for walking it would exhaust the stack."""

from typing import Any

DEPTH_LIMIT = 100
"""Lists and objects inside each other. The deepest body known to us has 14; the stack holds some 200 of our walks."""


def is_too_deep(data: bytes | str, value: Any) -> bool:
    """Return whether the JSON `value`, decoded from `data`, is nested deeper than `DEPTH_LIMIT`. Does not recurse."""
    opened = data.count(b"[") + data.count(b"{") if isinstance(data, bytes) else data.count("[") + data.count("{")
    if opened <= DEPTH_LIMIT:
        return False
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [member for one in level for member in _members(one)]
    return any(isinstance(member, (dict, list)) for member in level)


def _members(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
