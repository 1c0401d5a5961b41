"""Feature flags: named switches, read from environment variables at the moment of the call."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flag_harness.errors import FlagError

TRUE = frozenset({"true", "t", "yes", "y", "1"})
"""The values that turn a flag on, in any case. Everything else leaves it off."""

OFF = "off"

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VARIABLE = re.compile(r"[^\s=\0]+")


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch called `name`, on where the environment variable `env` says so. It needs the flags in `requires`."""

    name: str
    env: str
    requires: tuple[str, ...] = ()

    def enabled(self, environ: Mapping[str, str]) -> bool:
        """Whether the environment turns it on."""
        return _is_true(environ.get(self.env, ""))


STREAMING = Flag("streaming", "ENABLE_STREAMING")
PROMPT_CACHE = Flag("prompt_cache", "ENABLE_PROMPT_CACHE")
EXTENDED_OUTPUT = Flag("extended_output", "ENABLE_EXTENDED_OUTPUT")
SHIPPED = (STREAMING, PROMPT_CACHE, EXTENDED_OUTPUT)
"""The flags that a project has if it declares none, in their declared order: those of the reference agent."""


def combination_id(names: Iterable[str]) -> str:
    """The id of a combination from the names of its flags that are on, in declared order.

    >>> combination_id(["streaming", "prompt_cache"])
    'streaming+prompt_cache'
    """
    return "+".join(names) or OFF


def check_flags(flags: Sequence[Flag]) -> None:
    """Raise `FlagError` where the id of a combination of these flags would not say what is on.

    A name is letters, digits, `_` and `-`, and not `off`; no two flags share a name or a variable; what a flag requires
    is among them.
    """
    names = [flag.name for flag in flags]
    for place, flag in enumerate(flags):
        if not _NAME.fullmatch(flag.name) or flag.name.lower() == OFF:
            raise FlagError(
                f"no flag can be called {flag.name!r}: ids of combinations are made of names; "
                f"take letters, digits, _ and -, and another word than {OFF!r}"
            )
        if not _VARIABLE.fullmatch(flag.env):
            raise FlagError(f"flag {flag.name!r} has the variable {flag.env!r}, and no variable can be called that")
        if flag.name in names[:place]:
            raise FlagError(f"two flags are called {flag.name!r}; give one of them another name")
        if other := next((one.name for one in flags[:place] if one.env == flag.env), None):
            raise FlagError(f"flags {other!r} and {flag.name!r} share the variable {flag.env}; give each its own")
        if missing := [name for name in flag.requires if name not in names]:
            raise FlagError(
                f"flag {flag.name!r} requires {missing[0]!r}, which is not among these flags ({', '.join(names)}); "
                f"add {missing[0]!r} to them"
            )


def _is_true(text: str) -> bool:
    return text.strip().lower() in TRUE
