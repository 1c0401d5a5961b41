"""Faults as the command line spells them: `overloaded:on=2`, `stream_error:kind=api_error,at=mid_partial_json`."""

import re
from collections.abc import Callable
from inspect import get_annotations
from types import NoneType
from typing import Any, get_args

from harness.faults import checks
from harness.faults.errors import FaultError
from harness.faults.fault import Fault, Kind
from harness.faults.table import KINDS

_BEFORE_NEXT_ARGUMENT = re.compile(r",\s*(?=\w+\s*=)")
_LISTS = {"on": int, "combination": str}
_WHENS = {"every": int, "until": int, "probability": float, "seed": int}
_NUMBER = "a number"


def parse(text: str) -> Fault:
    """The fault that `name:argument=value,...` spells; lists are written `on=1|3`. Raises `FaultError`.

    >>> str(parse("overloaded:on=2"))
    'overloaded:on=2'
    """
    name, _, rest = text.partition(":")
    kind = KINDS.get(name.strip())
    if kind is None:
        known = ", ".join(KINDS)
        raise FaultError(f"no fault is called {name.strip()!r}{checks.did_you_mean(name, KINDS)}; there are: {known}")
    return kind.make(**_arguments(kind, rest)) if rest.strip() else kind.make()


def _arguments(kind: Kind, text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    hints = get_annotations(kind.make)
    for part in _BEFORE_NEXT_ARGUMENT.split(text.strip()):
        name, equals, value = (one.strip() for one in part.partition("="))
        if not equals:
            raise FaultError(f"{kind.name}: {part!r} must be spelled argument=value")
        try:
            found[name] = _value(name, value, hints)
        except FaultError as error:
            raise FaultError(f"{kind.name}: {error}") from None
    return found


def _value(name: str, value: str, hints: dict[str, Any]) -> object:
    if name == "when":
        raise checks.wrong(name, value, "a Python function, which a text cannot hold")
    if name in _LISTS:
        values = [_read(name, one, (_LISTS[name],)) for one in value.split("|")]
        return values[0] if len(values) == 1 else values
    hint = _WHENS.get(name, hints.get(name, str))
    return _read(name, value, get_args(hint) or (hint,))


def _read(name: str, value: str, kinds: tuple[Any, ...]) -> object:
    """`value` as the first of `kinds` that it can be; text last, since every value is text."""
    for kind, read in _READERS:
        if kind in kinds:
            try:
                return read(value)
            except (KeyError, ValueError):
                continue
    raise checks.wrong(name, value, " or ".join(said for kind, said in _SAID if kind in kinds))


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
