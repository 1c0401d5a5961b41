"""Feature flags: named switches that are read from environment variables at each call."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flag_harness.errors import FlagError

TRUE_VALUES = frozenset({"true", "t", "yes", "y", "1"})
"""The values that turn a flag on, in any case; all others turn it off."""

OFF = "off"

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VARIABLE = re.compile(r"[^\s=\0]+")


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that the environment variable `env` turns on; it may only be on if the flags in `requires` are."""

    name: str
    env: str
    requires: tuple[str, ...] = ()

    def is_enabled(self, environ: Mapping[str, str]) -> bool:
        """Return whether the environment turns the flag on."""
        return _is_true(environ.get(self.env, ""))


STREAMING = Flag("streaming", "ENABLE_STREAMING")
PROMPT_CACHE = Flag("prompt_cache", "ENABLE_PROMPT_CACHE")
EXTENDED_OUTPUT = Flag("extended_output", "ENABLE_EXTENDED_OUTPUT")
SHIPPED = (STREAMING, PROMPT_CACHE, EXTENDED_OUTPUT)
"""The flags that a project has if it declares none, in their declared order: those of the reference agent."""


def combination_id(names: Iterable[str]) -> str:
    """Return the id of the combination in which the flags of these names are on, in declared order.

    >>> combination_id(["streaming", "prompt_cache"])
    'streaming+prompt_cache'
    """
    return "+".join(names) or OFF


def check_flags(flags: Sequence[Flag]) -> None:
    """Raise `FlagError` if the ids of these flags' combinations would be ambiguous, or a required flag is missing.

    A name consists of letters, digits, `_` and `-`, and is not `off`. No two flags share a name or a variable.
    """
    names = [flag.name for flag in flags]
    for index, flag in enumerate(flags):
        if not _NAME.fullmatch(flag.name) or flag.name.lower() == OFF:
            raise FlagError(
                f"no flag can be called {flag.name!r}: ids of combinations consist of names; "
                f"use letters, digits, _ and -, and a word other than {OFF!r}"
            )
        if not _VARIABLE.fullmatch(flag.env):
            raise FlagError(
                f"flag {flag.name!r} has the variable {flag.env!r}, which is not a valid name; "
                "use a name without spaces and without ="
            )
        if flag.name in names[:index]:
            raise FlagError(f"two flags are called {flag.name!r}; give one of them another name")
        if other := next((earlier.name for earlier in flags[:index] if earlier.env == flag.env), None):
            raise FlagError(f"flags {other!r} and {flag.name!r} share the variable {flag.env}; give each its own")
        if missing := [name for name in flag.requires if name not in names]:
            raise FlagError(
                f"flag {flag.name!r} requires {missing[0]!r}, which is not among these flags ({', '.join(names)}); "
                f"add {missing[0]!r} to them"
            )


def _is_true(text: str) -> bool:
    return text.strip().lower() in TRUE_VALUES
