"""Format JSON for people: indented, with a list of plain values on one line."""

from typing import Any

import msgspec


def format_json(value: Any) -> str:
    """Return a value as indented JSON. Keys keep their order; non-ASCII characters are not escaped."""
    return "".join(_format_in_pieces(value, "\n"))


def _format_in_pieces(value: Any, newline: str) -> list[str]:
    """Return the JSON text of a value in pieces. `newline` is a line break followed by the indentation of the value."""
    if isinstance(value, dict) and value:
        members = [
            [_format_on_one_line(key), ": ", *_format_in_pieces(member, newline + "  ")]
            for key, member in value.items()
        ]
        return _format_members_on_lines("{", members, "}", newline)
    if isinstance(value, (list, tuple)) and any(_is_nested(member) for member in value):
        return _format_members_on_lines(
            "[", [_format_in_pieces(member, newline + "  ") for member in value], "]", newline
        )
    if isinstance(value, (list, tuple)):
        return ["[", ", ".join(map(_format_on_one_line, value)), "]"]
    return [_format_on_one_line(value)]


def _format_members_on_lines(start: str, members: list[list[str]], stop: str, newline: str) -> list[str]:
    """Return the JSON text of an object or list with one member per line, in pieces.

    `start` and `stop` are its brackets, and `members` the pieces of each member. `newline` is as in
    `_format_in_pieces`.
    """
    inner = newline + "  "
    parts = [start]
    for number, member in enumerate(members):
        parts.append("," + inner if number else inner)
        parts.extend(member)
    return [*parts, newline, stop]


def _is_nested(value: Any) -> bool:
    """Return whether a value is an object or list that is not empty."""
    return isinstance(value, (dict, list, tuple)) and bool(value)


def _format_on_one_line(value: Any) -> str:
    """Return a value as JSON on one line."""
    return msgspec.json.encode(value).decode("utf-8")
