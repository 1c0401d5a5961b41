"""Parsing of faults from text, such as `overloaded:on=2` or `stream_error:kind=api_error,at=mid_partial_json`."""

import json
import re
from collections.abc import Callable, Iterator
from inspect import get_annotations
from types import NoneType
from typing import Any, get_args

from flag_harness.faults import checks
from flag_harness.faults.errors import FaultError
from flag_harness.faults.fault import Fault, FaultKind
from flag_harness.faults.table import FAULT_KINDS

_QUOTED_TEXT_PATTERN = r'"(?:[^"\\]|\\.)*"'
_ARGUMENT_PATTERN = re.compile(
    rf"\s*(?P<name>\w+)\s*=\s*(?P<value>{_QUOTED_TEXT_PATTERN}|.*?)\s*(?:,(?=\s*\w+\s*=)|$)", re.DOTALL
)
"""Matches one argument. A quoted value (as in JSON) ends at its closing quote, any other value before the next
argument.
"""
_TYPES_OF_LIST_ARGUMENTS = {"on": int, "path": str, "combination": str}
_CONDITION_TYPES = {"every": int, "until": int, "probability": float, "seed": int}
_NUMBER_DESCRIPTION = "a number"


def parse_fault(text: str) -> Fault:
    """Parse a fault from text such as `overloaded:on=2,seed=1`. Raise `FaultError` if it is invalid.

    Lists are written as `on=1|3`. Values may be quoted: `message="a, b=c"`.

    >>> str(parse_fault("overloaded:on=2"))
    'overloaded:on=2'
    """
    name, _, rest = text.partition(":")
    kind = FAULT_KINDS.get(name.strip())
    if kind is None:
        nearest, known = checks.suggest_name(name, FAULT_KINDS), ", ".join(FAULT_KINDS)
        raise FaultError(f"no fault is called {name.strip()!r}{nearest}; there are: {known}")
    return kind.make_fault(**_parse_arguments(kind, rest)) if rest.strip() else kind.make_fault()


def _parse_arguments(kind: FaultKind, text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    hints = get_annotations(kind.make_fault)
    try:
        for name, value in _split_arguments(text):
            found[name] = _parse_value(name, value, hints)
    except FaultError as error:
        raise FaultError(f"{kind.name}: {error}") from None
    return found


def _split_arguments(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and value of each argument. Raise `FaultError` if one is malformed or repeated."""
    position, names = 0, set[str]()
    while position < len(text):
        match = _ARGUMENT_PATTERN.match(text, position)
        if match is None:
            raise FaultError(f"{text[position:].strip()!r} must be spelled argument=value")
        if match["name"] in names:
            raise FaultError(f"{match['name']} is given twice")
        names.add(match["name"])
        yield match["name"], match["value"]
        position = match.end()


def _parse_value(name: str, value: str, type_hints: dict[str, Any]) -> object:
    """Return the value of the argument `name`, converted from text to its type in `type_hints`."""
    if value.startswith('"') and re.fullmatch(_QUOTED_TEXT_PATTERN, value):
        return _decode_quoted_text(name, value)
    if name == "when":
        raise checks.argument_error(name, value, "a Python function, which a text cannot hold")
    if name in _TYPES_OF_LIST_ARGUMENTS:
        values = [_convert_argument(name, one, (_TYPES_OF_LIST_ARGUMENTS[name],)) for one in value.split("|")]
        return values[0] if len(values) == 1 else values
    hint = _CONDITION_TYPES.get(name, type_hints.get(name, str))
    return _convert_argument(name, value, get_args(hint) or (hint,))


def _decode_quoted_text(name: str, value: str) -> str:
    try:
        return str(json.loads(value))
    except ValueError:
        raise checks.argument_error(name, value, "a text, in quotes as in JSON") from None


def _convert_argument(name: str, value: str, types: tuple[Any, ...]) -> object:
    """Return the text of the argument `name`, converted to the first of `types` that fits.

    Every text fits `str`, so `str` is tried last.
    """
    for kind, read in _PARSER_BY_TYPE:
        if kind in types:
            try:
                return read(value)
            except (KeyError, ValueError):
                continue
    raise checks.argument_error(
        name, value, " or ".join(description for kind, description in _DESCRIPTION_BY_TYPE if kind in types)
    )


_PARSER_BY_TYPE: tuple[tuple[type, Callable[[str], object]], ...] = (
    (NoneType, lambda value: {"none": None}[value.lower()]),
    (bool, lambda value: {"true": True, "false": False}[value.lower()]),
    (int, int),
    (float, float),
    (str, str),
)
_DESCRIPTION_BY_TYPE: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, _NUMBER_DESCRIPTION),
    (NoneType, "none"),
)
