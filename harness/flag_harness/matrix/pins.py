"""Pins: flag values fixed on the command line, such as `streaming,-prompt_cache,model=haiku`."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from flag_harness.errors import FlagError
from flag_harness.flag import SWITCHED_OFF_PREFIX, Flag, unknown_flag_message
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.matrix.space import FlagSpace


def parse_pins(flags: Sequence[Flag], text: str) -> dict[str, object]:
    """Parse a list such as `streaming,-prompt_cache,model=haiku`, or a combination's id, into flag values by name.

    Raise `FlagError` if a flag or value is unknown, or if a flag is named twice.
    """
    pins: dict[str, object] = {}
    for part in re.split(r"[,+]", text):
        if not part.strip():
            raise FlagError(f"{text!r} has an empty part; write streaming,-prompt_cache,model=haiku")
        flag, value = _parse_flag_pin(flags, part.strip())
        if flag.name in pins:
            raise FlagError(f"{text!r} names {flag.name!r} twice; leave one of them out")
        pins[flag.name] = value
    return pins


def _parse_flag_pin(flags: Sequence[Flag], part: str) -> tuple[Flag, object]:
    """Parse `streaming`, `-streaming` or `model=haiku` into a flag and its value."""
    by_name = {flag.name: flag for flag in flags}
    setting, has_value, value = part.partition("=")
    name, is_on = setting, True
    if name not in by_name and setting.startswith(("-", SWITCHED_OFF_PREFIX)):
        name, is_on = setting.removeprefix(SWITCHED_OFF_PREFIX).removeprefix("-"), False
    if name not in by_name:
        raise FlagError(unknown_flag_message(name, flags))
    flag = by_name[name]
    if has_value and is_on:
        return flag, flag.values[value_index(flag, value)]
    if not flag.is_boolean or has_value:
        example = f"{name}={flag.labels[-1]}" if not flag.is_boolean else f"{name} or -{name}"
        raise FlagError(f"{part!r} does not say which value {name!r} has; write {example}")
    return flag, is_on


def pin_unnamed_flags(flags: Sequence[Flag], names: Collection[str], pins: Mapping[str, object]) -> dict[str, object]:
    """Return the pins (fixed flag values by name), extended by a pin for every flag that is not in `names`.

    An added pin is the flag's default, unless the other pins and the constraints force another value.
    """
    row = FlagSpace(flags, pins=pins).default_row
    unnamed = {
        flag.name: flag.values[value] for flag, value in _flags_with_value_indices(flags, row) if flag.name not in names
    }
    return {**unnamed, **pins}


def _flags_with_value_indices(flags: Sequence[Flag], row: Sequence[int]) -> Iterator[tuple[Flag, int]]:
    """Yield `(flag, index)` for each flag, with the index of its value in the row."""
    return zip(flags, row, strict=True)
