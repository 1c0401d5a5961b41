"""The rules that arguments follow; each error names the argument, the value and the rule."""

import math
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches

from flag_harness.faults.errors import FaultError


def argument_error(argument: str, value: object, rule: str) -> FaultError:
    """The error for one argument: `on=0: must be a whole number from 1 up`."""
    return FaultError(f"{argument}={value!r}: must be {rule}")


def require_whole_number(argument: str, value: object, least: int = 1) -> int:
    """`value`, a whole number from `least` up; `True` is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise argument_error(argument, value, f"a whole number from {least} up")
    return value


def require_seconds(argument: str, value: object) -> float:
    """`value`, a number of seconds from 0 up, finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise argument_error(argument, value, "a number of seconds from 0 up")
    return value


def require_one_of(argument: str, value: object, names: Collection[str]) -> str:
    """`value`, one of `names`; the error gives the nearest."""
    if not isinstance(value, str) or value not in names:
        raise argument_error(argument, value, f"one of {', '.join(names)}{suggest_name(value, names)}")
    return value


def require_optional(argument: str, value: object, kind: type, rule: str) -> None:
    """Refuse a `value` that is neither `None` nor of `kind`."""
    if value is not None and not isinstance(value, kind):
        raise argument_error(argument, value, rule)


def require_text(argument: str, value: object) -> str:
    """`value`, a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise argument_error(argument, value, "a text that is not empty")
    return value


def require_header_text(argument: str, value: object) -> str:
    """`value`, a text that can stand in a header: printable ASCII, on one line."""
    if not require_text(argument, value).isprintable() or not str(value).isascii():
        raise argument_error(argument, value, "a text that a header can hold: printable ASCII, on one line")
    return str(value)


def suggest_name(name: object, names: Iterable[str]) -> str:
    """`; did you mean 'overloaded'?`, or nothing where no name is near."""
    near = get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def require_known_arguments(given: Iterable[str], names: Collection[str], say: Callable[[str], str]) -> None:
    """Refuse the first name that is not among `names`. `say` puts the sentence before the list."""
    for name in given:
        if name not in names:
            raise FaultError(f"{say(name)}; it takes {', '.join(names)}{suggest_name(name, names)}")
