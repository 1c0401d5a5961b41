"""Indented JSON for people: a list of plain values stands on one line, everything else on lines of its own."""

from typing import Any

import msgspec


def laid_out(value: Any) -> str:
    """The JSON text. Keys keep their order; non-ASCII characters stand as themselves."""
    return "".join(_parts(value, "\n"))


def _parts(value: Any, newline: str) -> list[str]:
    if isinstance(value, dict) and value:
        members = [[_plain(key), ": ", *_parts(member, newline + "  ")] for key, member in value.items()]
        return _block("{", members, "}", newline)
    if isinstance(value, (list, tuple)) and any(_is_nested(member) for member in value):
        return _block("[", [_parts(member, newline + "  ") for member in value], "]", newline)
    if isinstance(value, (list, tuple)):
        return ["[", ", ".join(map(_plain, value)), "]"]
    return [_plain(value)]


def _block(start: str, members: list[list[str]], stop: str, newline: str) -> list[str]:
    inner = newline + "  "
    parts = [start]
    for number, member in enumerate(members):
        parts.append("," + inner if number else inner)
        parts.extend(member)
    return [*parts, newline, stop]


def _is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple)) and bool(value)


def _plain(value: Any) -> str:
    return msgspec.json.encode(value).decode("utf-8")
