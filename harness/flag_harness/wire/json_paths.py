"""JSON paths such as `metadata.user_id`, `messages[*].content` and `**.created_at`: the package's only
parser of them.
"""

import re
from enum import Enum
from typing import Any, TypeAlias

_PATH_STEP_PATTERN = re.compile(
    r"(?P<dot>\.?)(?:(?P<any>\*\*)|(?P<member>\*)|(?P<name>[^.\[\]*]+))|\[(?P<index>[0-9]+|\*)\]"
)


class PathWildcard(Enum):
    """A step of a JSON path that can match several values."""

    MEMBER = "*"
    """Every member of an object."""
    ELEMENT = "[*]"
    """Every element of a list."""
    ANY_DEPTH = "**"
    """The value itself and everything below it."""


JsonStep: TypeAlias = str | int | PathWildcard
"""One step of a path: the name of a member, the index of an element, or a wildcard."""


def parse_json_path(path: str) -> tuple[JsonStep, ...]:
    """Split a JSON path into its steps. Raise `ValueError` if it is malformed.

    >>> parse_json_path("messages[0].content")
    ('messages', 0, 'content')
    """
    steps: list[JsonStep] = []
    position = 0
    while position < len(path):
        step = _PATH_STEP_PATTERN.match(path, position)
        if step is None or bool(step["dot"]) != (position > 0 and step["index"] is None):
            break
        steps.append(_parse_step(step))
        position = step.end()
    if not path or position < len(path):
        raise ValueError(
            f"{path!r} is not a JSON path; separate names by dots and use [0], [*], * or ** in between, as in "
            "'messages[*].content' or '**.created_at'"
        )
    return tuple(steps)


def json_path_pattern(path: str) -> re.Pattern[str]:
    """Return a regular expression that matches the path of each value that a JSON path selects, and of all values
    inside it.

    Raise `ValueError` if the JSON path is malformed.
    """
    steps = "".join(map(_pattern_of_path_step, parse_json_path(path)))
    return re.compile(rf"{steps}(?![^.\[])", re.DOTALL)


def replace_at_json_path(value: Any, steps: tuple[JsonStep, ...], replacement: Any) -> Any:
    """Return a JSON value in which every value at the path `steps` is replaced by `replacement`.

    In this function, `*` and `[*]` mean the same: each matches all members of objects and all elements of lists.
    """
    if not steps:
        return replacement
    step, rest = steps[0], steps[1:]
    if step is PathWildcard.ANY_DEPTH:
        value = replace_at_json_path(value, rest, replacement) if rest else replacement
        rest = steps
    if isinstance(value, dict):
        return {
            key: replace_at_json_path(member, rest, replacement)
            if isinstance(step, PathWildcard) or step == key
            else member
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [
            replace_at_json_path(member, rest, replacement)
            if isinstance(step, PathWildcard) or step == index
            else member
            for index, member in enumerate(value)
        ]
    return value


def join_json_paths(path: str, inner: str) -> str:
    """Join two JSON paths. `inner` starts at the value that `path` leads to; either may be empty."""
    return path + ("." if path and inner and not inner.startswith("[") else "") + inner


def _parse_step(step: re.Match[str]) -> JsonStep:
    """Return one step of a JSON path: a key, an index or a wildcard."""
    if step["any"]:
        return PathWildcard.ANY_DEPTH
    if step["member"]:
        return PathWildcard.MEMBER
    if step["index"] == "*":
        return PathWildcard.ELEMENT
    return int(step["index"]) if step["index"] else step["name"]


def _pattern_of_path_step(step: JsonStep) -> str:
    """Return a regular expression that matches the text of one step of a JSON path."""
    match step:
        case PathWildcard.ANY_DEPTH:
            return r"(?:(?:\.|^)[^.\[].*|\[.*)?"
        case PathWildcard.MEMBER:
            return r"(?:\.|^)[^.\[\]]+"
        case PathWildcard.ELEMENT:
            return r"\[[0-9]+\]"
        case int():
            return rf"\[{step}\]"
        case _:
            return r"(?:\.|^)" + re.escape(step)
