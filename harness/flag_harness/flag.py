"""Feature flags: named switches and choices. The agent reads them from environment variables when it needs them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from difflib import get_close_matches
from typing import Any

from flag_harness.errors import FlagError

TRUE_VALUES = frozenset({"true", "t", "yes", "y", "1"})
"""The texts that turn a flag on, in upper or lower case. All others turn it off."""

OFF = "off"
"""The id of the combination in which every flag is at its default."""

NO_PREFIX = "no-"
"""The prefix of a flag's name in a combination id that switches off a flag which is on by default."""

MAX_LABEL = 40
"""The most characters of a label, the short text for a value in ids."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_LABEL = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_LABEL}}}")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VARIABLE = re.compile(r"[^\s=\0]+")


def value_text(value: object) -> str:
    """Return the text that an environment variable has for a TOML value; lists and tables become JSON.

    >>> value_text(True), value_text(0.5), value_text("haiku"), value_text([1, 2])
    ('true', '0.5', 'haiku', '[1, 2]')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def value_label(value: object) -> str:
    """Return a shell-safe label: characters other than letters, digits, `_`, `.` and `-` become `-`.

    >>> value_label("claude-haiku-4-5"), value_label("a b"), value_label([1, 2])
    ('claude-haiku-4-5', 'a-b', '1-2')
    """
    return _UNSAFE.sub("-", value_text(value)).strip("-") or "empty"


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the known name nearest to `name`, then all known names."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.0)
    return f"the nearest is {near[0]!r}; known: {', '.join(names)}" if near else "none is declared"


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch, or a choice between values, that the agent reads from an environment variable.

    Attributes:
        name: the name in marks, ids and reports.
        env: the environment variable.
        requires: conditions that must hold if this flag is on: names of flags that are on, or `name=value`.
        on: the text of the variable that turns a boolean flag on; None if the variable is then unset.
        off: the text of the variable that turns a boolean flag off; None if the variable is then unset.
        default: the value that the agent uses if the variable is unset.
        excludes: conditions that must not hold if this flag is on, written as in `requires`.
        values: all values of the flag. If they are not just False and True, the flag is on unless it has its default.
        labels: a short, shell-safe text for each value, as in the id `model=haiku`; made from the values by default.
        group: the names of flags, this one included, of which exactly one is on.
    """

    name: str
    env: str
    requires: tuple[str, ...] = ()
    on: str | None = "true"
    off: str | None = None
    default: Any = False
    excludes: tuple[str, ...] = ()
    values: tuple[Any, ...] = (False, True)
    labels: tuple[str, ...] = ()
    group: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.labels:
            object.__setattr__(self, "labels", tuple(map(value_label, self.values)))

    def __hash__(self) -> int:
        return hash((self.name, self.env, self.labels))  # a value may be a list or a table

    @property
    def is_boolean(self) -> bool:
        """Whether the flag has no other values than True and False."""
        return all(isinstance(value, bool) for value in self.values)

    def variable_text(self, value: object) -> str | None:
        """Return the text of the variable if the flag has this value, or None if the variable is then unset."""
        if isinstance(value, bool):
            text = self.on if value else self.off
            return text if text is not None or self.is_boolean else value_text(value)
        return value_text(value)

    def is_enabled(self, environ: Mapping[str, str]) -> bool:
        """Return whether the environment turns the flag on.

        The texts `on` and `off` are compared exactly. Any other text turns the flag on if it is in `TRUE_VALUES`. If
        the variable is unset or empty, the flag has its default.
        """
        value = self.read_value(environ)
        return value if isinstance(value, bool) else value != self.default

    def read_value(self, environ: Mapping[str, str]) -> Any:
        """Return the flag's value in this environment, or its default if the variable is unset or empty.

        Raise `FlagError` if the variable holds no value of the flag.
        """
        text = environ.get(self.env, "").strip()
        if not text:
            return self.default
        if self.is_boolean:
            return text == self.on if text in (self.on, self.off) else text.lower() in TRUE_VALUES
        texts = [self.variable_text(value) for value in self.values]
        if text in texts:
            return self.values[texts.index(text)]
        known = [one for one in texts if one]
        raise FlagError(f"{self.env}={text}: flag {self.name!r} has no such value; {nearest_name(text, known)}")


STREAMING = Flag("streaming", "ENABLE_STREAMING")
PROMPT_CACHE = Flag("prompt_cache", "ENABLE_PROMPT_CACHE")
EXTENDED_OUTPUT = Flag("extended_output", "ENABLE_EXTENDED_OUTPUT")
SHIPPED = (STREAMING, PROMPT_CACHE, EXTENDED_OUTPUT)
"""The flags of the reference agent, in order. A project that declares no flags has these."""


def combination_id(names: Iterable[str]) -> str:
    """Return the id of the combination in which these flags are on. `names` must be in declared order.

    >>> combination_id(["streaming", "prompt_cache"])
    'streaming+prompt_cache'
    """
    return "+".join(names) or OFF


def check_flags(flags: Sequence[Flag]) -> None:
    """Raise `FlagError` if the ids of combinations of these flags would be ambiguous.

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
        if f"{NO_PREFIX}{flag.name}" in names:
            raise FlagError(
                f"a flag cannot be called {NO_PREFIX + flag.name!r} beside {flag.name!r}: that is how ids say that "
                f"{flag.name!r} is switched off; give it another name"
            )
        _check_values(flag)


def _check_values(flag: Flag) -> None:
    """Raise `FlagError` if a label is invalid, or if two values of the flag have the same text or label."""
    if len(flag.values) < 2:
        raise FlagError(f"flag {flag.name!r} has fewer than two values; list at least two, its default among them")
    if len(flag.labels) != len(flag.values):
        raise FlagError(f"flag {flag.name!r} has {len(flag.values)} values and {len(flag.labels)} labels")
    if flag.is_boolean and flag.on == flag.off:
        raise FlagError(f"flag {flag.name!r} is on and off with the same value, {flag.on!r}; give it two values")
    labels: dict[str, Any] = {}
    texts: dict[str | None, Any] = {}
    for value, label in zip(flag.values, flag.labels, strict=True):
        if not _LABEL.fullmatch(label):
            raise FlagError(
                f"flag {flag.name!r} cannot call its value {value!r} {label!r}: ids of combinations consist of names; "
                f"use up to {MAX_LABEL} letters, digits, _, . and -: values = {{ short = {value!r} }}"
            )
        if label.casefold() in labels:
            raise FlagError(
                f"flag {flag.name!r} has the values {labels[label.casefold()]!r} and {value!r}, which ids would both "
                f"call {label!r}; name them: values = {{ one = {labels[label.casefold()]!r}, two = {value!r} }}"
            )
        if (text := flag.variable_text(value)) in texts:
            raise FlagError(
                f"flag {flag.name!r} has the values {texts[text]!r} and {value!r}, and {flag.env} would be {text!r} "
                "for both; drop one of them"
            )
        if value in flag.labels and value != label:
            raise FlagError(
                f"flag {flag.name!r} calls {value!r} {label!r}, and another value {value!r}; rename that one"
            )
        labels[label.casefold()] = texts[text] = value
