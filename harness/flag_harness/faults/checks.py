"""Checks of the arguments of faults. Each error names the argument, its value and the rule that it breaks."""

import math
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches

from flag_harness.faults.errors import FaultError


def argument_error(argument: str, value: object, rule: str) -> FaultError:
    """Return the error for an argument that breaks a rule: `on=0: must be a whole number from 1 up`."""
    return FaultError(f"{argument}={value!r}: must be {rule}")


def require_whole_number(argument: str, value: object, minimum: int = 1) -> int:
    """Return `value` if it is a whole number (not a bool) of at least `minimum`; raise `FaultError` otherwise.

    `argument` is the name of the fault's argument, which the error message states.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise argument_error(argument, value, f"a whole number from {minimum} up")
    return value


def require_seconds(argument: str, value: object) -> float:
    """Return `value` if it is a finite number of seconds from 0 up, else raise `FaultError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise argument_error(argument, value, "a number of seconds from 0 up")
    return value


def require_one_of(argument: str, value: object, allowed_values: Collection[str]) -> str:
    """Return `value` if it is one of `allowed_values`, or else raise a `FaultError` that suggests the nearest name."""
    if not isinstance(value, str) or value not in allowed_values:
        raise argument_error(
            argument, value, f"one of {', '.join(allowed_values)}{suggest_name(value, allowed_values)}"
        )
    return value


def require_type_or_none(argument: str, value: object, expected_type: type, rule: str) -> None:
    """Raise `FaultError` unless `value` is None or an instance of `expected_type`.

    `rule` says in the error message what the value must be, such as "true or false".
    """
    if value is not None and not isinstance(value, expected_type):
        raise argument_error(argument, value, rule)


def require_nonempty_text(argument: str, value: object) -> str:
    """Return `value` if it is a string and not empty, else raise `FaultError`."""
    if not isinstance(value, str) or not value:
        raise argument_error(argument, value, "a text that is not empty")
    return value


def require_header_text(argument: str, value: object) -> str:
    """Return `value` if it can be sent in a header (one line of printable ASCII), else raise `FaultError`."""
    if not require_nonempty_text(argument, value).isprintable() or not str(value).isascii():
        raise argument_error(argument, value, "a text that a header can hold: printable ASCII, on one line")
    return str(value)


def suggest_name(name: object, names: Iterable[str]) -> str:
    """Return a suggestion such as `; did you mean 'overloaded'?`, or an empty string if no name is close."""
    near = get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def require_known_arguments(
    arguments: Iterable[str], known_names: Collection[str], make_message_start: Callable[[str], str]
) -> None:
    """Raise `FaultError` if one of `arguments` is not in `known_names`.

    `make_message_start` returns the beginning of the error message for an unknown argument. The known names follow it.
    """
    for name in arguments:
        if name not in known_names:
            raise FaultError(
                f"{make_message_start(name)}; it takes {', '.join(known_names)}{suggest_name(name, known_names)}"
            )
