"""Ask the function that `usage` in `[tool.flag-harness.sweep]` names how many tokens the agent reports."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from flag_harness.errors import ConfigError
from flag_harness.imports import import_attribute
from flag_harness.sweep.judge.usage import USAGE_FIELDS

UsageReader: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, int]]
"""A function that gets the fixtures of a test by name, and returns the tokens that the agent has reported so far, by
kind.
"""
_USAGE_SETTING = "[tool.flag-harness.sweep] usage"


def make_usage_reader(name: str, root: Path) -> UsageReader:
    """Return a function that reads the token counts that the agent reports. If `name` is empty, the counts are empty.

    Raise `ConfigError` if the project's function `name` cannot be found. The returned function raises `ConfigError` if
    the project's function fails.
    """
    if not name:
        return lambda fixtures: {}
    function = import_attribute(name, f"{_USAGE_SETTING}: the function", "shop.agent:usage", root)

    def read_usage(fixtures: Mapping[str, Any]) -> Mapping[str, int]:
        try:
            value = function(fixtures)
        except Exception as error:
            raise ConfigError(
                f"{_USAGE_SETTING}: {name} raised {type(error).__name__}: {error}; it is called with the fixtures of "
                "the test by name, and returns what the agent has used so far"
            ) from error
        read = value.get if isinstance(value, Mapping) else partial(_attribute_or_none, value)
        counts = {key: read(key) for key in USAGE_FIELDS}
        found = {key: count for key, count in counts.items() if isinstance(count, int)}
        if not found:
            raise ConfigError(
                f"{_USAGE_SETTING}: {name} returned {value!r}, which has none of {', '.join(USAGE_FIELDS)}"
            )
        return found

    return read_usage


def _attribute_or_none(value: object, name: str) -> Any:
    return getattr(value, name, None)


def usage_difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the tokens reported since `before`: the difference of the two counts of each kind."""
    return {key: count - before.get(key, 0) for key, count in after.items()}
