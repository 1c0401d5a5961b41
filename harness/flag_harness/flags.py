"""Feature flags: named switches that are read from environment variables at each call."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flag_harness.errors import FlagError

TRUE_VALUES = frozenset({"true", "t", "yes", "y", "1"})
"""The values that turn a flag on, in any case; all others turn it off."""

OFF = "off"
"""The id of the combination in which every flag is at its default."""

NO = "no-"
"""What stands before the name of a flag in an id if the flag is on by default and switched off."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VARIABLE = re.compile(r"[^\s=\0]+")


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch that an environment variable turns on or off.

    Attributes:
        name: the name in marks, ids and reports.
        env: the environment variable.
        requires: the flags that must be on if this one is.
        on: the value of the variable that turns the flag on; None if the variable is unset then.
        off: the value that turns it off; None if the variable is unset then.
        default: whether the flag is on if the variable is unset.
        excludes: the flags that must be off if this one is on.
    """

    name: str
    env: str
    requires: tuple[str, ...] = ()
    on: str | None = "true"
    off: str | None = None
    default: bool = False
    excludes: tuple[str, ...] = ()

    def is_enabled(self, environ: Mapping[str, str]) -> bool:
        """Return whether the environment turns the flag on. `on` and `off` count as written, else `true`, `1`, ...

        An unset or empty variable leaves the flag at its default.
        """
        text = environ.get(self.env, "").strip()
        if not text:
            return self.default
        if text in (self.on, self.off):
            return text == self.on
        return text.lower() in TRUE_VALUES


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
        if f"{NO}{flag.name}" in names:
            raise FlagError(
                f"a flag cannot be called {NO + flag.name!r} beside {flag.name!r}: that is how ids say that "
                f"{flag.name!r} is switched off; give it another name"
            )
        if flag.on == flag.off:
            raise FlagError(f"flag {flag.name!r} is on and off with the same value, {flag.on!r}; give it two values")
        _check_constraints(flag, {other.name: other for other in flags})


def _check_constraints(flag: Flag, flags: Mapping[str, Flag]) -> None:
    """Raise `FlagError` if a constraint of the flag names an unknown flag, or the defaults break it."""
    for verb, others, wanted in (("requires", flag.requires, True), ("excludes", flag.excludes, False)):
        for name in others:
            if name not in flags:
                raise FlagError(
                    f"flag {flag.name!r} {verb} {name!r}, which is not among these flags ({', '.join(flags)}); "
                    f"add {name!r} to them"
                )
            if flag.default and flags[name].default is not wanted:
                raise FlagError(
                    f"flag {flag.name!r} is on by default and {verb} {name!r}, which is {'off' if wanted else 'on'} by "
                    "default; change one of the defaults"
                )
