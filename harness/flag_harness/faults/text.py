"""Faults as the command line spells them: `overloaded:on=2`, `stream_error:kind=api_error,at=mid_partial_json`."""

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

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ARGUMENT = re.compile(rf"\s*(?P<name>\w+)\s*=\s*(?P<value>{_QUOTED}|.*?)\s*(?:,(?=\s*\w+\s*=)|$)", re.DOTALL)
"""One argument: a value ends where the next argument begins, or, in quotes (as in JSON), with them."""
_LISTS = {"on": int, "combination": str}
_WHENS = {"every": int, "until": int, "probability": float, "seed": int}
_NUMBER = "a number"


def parse_fault(text: str) -> Fault:
    """The fault that `name:argument=value,...` spells; lists are written `on=1|3`. Raises `FaultError`.

    A text may stand in quotes: `message="a, b=c"`.

    >>> str(parse("overloaded:on=2"))
    'overloaded:on=2'
    """
    name, _, rest = text.partition(":")
    kind = FAULT_KINDS.get(name.strip())
    if kind is None:
        nearest, known = checks.suggest_name(name, FAULT_KINDS), ", ".join(FAULT_KINDS)
        raise FaultError(f"no fault is called {name.strip()!r}{nearest}; there are: {known}")
    return kind.make(**_arguments(kind, rest)) if rest.strip() else kind.make()


def _arguments(kind: FaultKind, text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    hints = get_annotations(kind.make)
    try:
        for name, value in _parts(text):
            found[name] = _value(name, value, hints)
    except FaultError as error:
        raise FaultError(f"{kind.name}: {error}") from None
    return found


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """The names and values of the arguments. Raises `FaultError` for anything else, and for a name given twice."""
    place, names = 0, set[str]()
    while place < len(text):
        match = _ARGUMENT.match(text, place)
        if match is None:
            raise FaultError(f"{text[place:].strip()!r} must be spelled argument=value")
        if match["name"] in names:
            raise FaultError(f"{match['name']} is given twice")
        names.add(match["name"])
        yield match["name"], match["value"]
        place = match.end()


def _value(name: str, value: str, hints: dict[str, Any]) -> object:
    if value.startswith('"') and re.fullmatch(_QUOTED, value):
        return _unquoted(name, value)
    if name == "when":
        raise checks.argument_error(name, value, "a Python function, which a text cannot hold")
    if name in _LISTS:
        values = [_read(name, one, (_LISTS[name],)) for one in value.split("|")]
        return values[0] if len(values) == 1 else values
    hint = _WHENS.get(name, hints.get(name, str))
    return _read(name, value, get_args(hint) or (hint,))


def _unquoted(name: str, value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        raise checks.argument_error(name, value, "a text, in quotes as in JSON") from None


def _read(name: str, value: str, kinds: tuple[Any, ...]) -> object:
    """`value` as the first of `kinds` that it can be; text last, since every value is text."""
    for kind, read in _READERS:
        if kind in kinds:
            try:
                return read(value)
            except (KeyError, ValueError):
                continue
    raise checks.argument_error(name, value, " or ".join(said for kind, said in _SAID if kind in kinds))


_READERS: tuple[tuple[type, Callable[[str], object]], ...] = (
    (NoneType, lambda value: {"none": None}[value.lower()]),
    (bool, lambda value: {"true": True, "false": False}[value.lower()]),
    (int, int),
    (float, float),
    (str, str),
)
_SAID: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, _NUMBER),
    (NoneType, "none"),
)
