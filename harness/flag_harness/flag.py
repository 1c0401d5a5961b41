"""Feature flags: named switches and choices, which the agent under test reads from the environment or elsewhere."""

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

OFF_COMBINATION = "off"
"""The id of the combination in which every flag is at its default."""

SWITCHED_OFF_PREFIX = "no-"
"""The prefix of a flag's name in a combination id that switches off a flag which is on by default."""

MAX_LABEL_LENGTH = 40
"""The most characters of a label, the short text for a value in ids."""

_UNSAFE_CHARACTERS_PATTERN = re.compile(r"[^A-Za-z0-9_.-]+")
_VALID_LABEL_PATTERN = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_LABEL_LENGTH}}}")
_FLAG_NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]+")
_VARIABLE_NAME_PATTERN = re.compile(r"[^\s=\0]+")
_SETTER_FUNCTION_PATTERN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")

SET_FLAGS_FIXTURE = "harness_set_flags"
"""The fixture that sets the flags that are declared with its name: `set = "harness_set_flags"`."""

EXPECTED_FIGURES = ("cost", "first_token", "input_tokens", "output_tokens", "requests", "seconds")
"""The figures of a run that a flag's `expect` setting can name, as in `expect = {cost = "lower"}`."""

SOURCE_KINDS = ("env", "openfeature", "set")
"""How an agent gets the value of a flag; each flag has one of these: an environment variable, a flag of OpenFeature, or
a function of the project that sets it.
"""

SOURCE_EXAMPLES = 'env = "NAME", openfeature = "key" or set = "module:function"'
"""How the source of a flag is declared, for messages."""


def value_text(value: object) -> str:
    """Return a TOML value as the text of an environment variable. Lists and tables become JSON.

    >>> value_text(True), value_text(0.5), value_text("haiku"), value_text([1, 2])
    ('true', '0.5', 'haiku', '[1, 2]')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def value_label(value: object) -> str:
    """Return a shell-safe label for a value, with `-` for other characters than letters, digits, `_` and `.`.

    >>> value_label("claude-haiku-4-5"), value_label("a b"), value_label([1, 2])
    ('claude-haiku-4-5', 'a-b', '1-2')
    """
    return _UNSAFE_CHARACTERS_PATTERN.sub("-", value_text(value)).strip("-") or "empty"


def nearest_name_hint(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: the most similar known name, then all of them."""
    names = list(known)
    by_lower = {one.lower(): one for one in names}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.0)
    return f"the nearest is {by_lower[near[0]]!r}; known: {', '.join(names)}" if near else "none is declared"


def unknown_flag_message(name: str, flags: "Iterable[Flag]") -> str:
    """Return an error message about an unknown flag.

    If `name` is the environment variable or OpenFeature key of a declared flag, the message names that flag, and
    otherwise the flag with the most similar name.
    """
    declared = list(flags)
    owner = next((flag.name for flag in declared if name in (flag.env, flag.openfeature)), None)
    if owner is not None:
        return f"no flag is called {name!r}; it is what the flag {owner!r} is set by"
    return f"no flag is called {name!r}; {nearest_name_hint(name, (flag.name for flag in declared))}"


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch, or a choice between values, that the agent reads from one source: `env`, `openfeature` or `set`.

    Attributes:
        name: the name in marks, ids and reports.
        env: the environment variable; empty if the flag has another source.
        openfeature: the key that the agent evaluates with a client of OpenFeature.
        set: what sets the flag: `module:function` of the project, or the fixture `harness_set_flags`.
        requires: conditions that must hold if this flag is on: names of flags that are on, or `name=value`.
        on: the text of the variable that turns a boolean flag on; None if the variable is then unset.
        off: the text of the variable that turns a boolean flag off; None if the variable is then unset.
        default: the value that the agent uses if the variable is unset.
        excludes: conditions that must not hold if this flag is on, written as in `requires`.
        values: all values of the flag. If they are not just False and True, the flag is on unless it has its default.
        labels: a short, shell-safe text for each value, as in the id `model=haiku`; made from the values by default.
        group: the names of flags, this one included, of which exactly one is on.
        margin: the loss that a verdict counts as too large, such as 0.05; None for the default margin.
        expect: how the flag should improve a run: pairs of a figure such as `cost`, and `lower` or `higher`.
    """

    name: str
    env: str = ""
    requires: tuple[str, ...] = ()
    on: str | None = "true"
    off: str | None = None
    default: Any = False
    excludes: tuple[str, ...] = ()
    values: tuple[Any, ...] = (False, True)
    labels: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    openfeature: str = ""
    set: str = ""
    margin: float | None = None
    expect: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.labels:
            object.__setattr__(self, "labels", tuple(map(value_label, self.values)))

    def __hash__(self) -> int:
        return hash((self.name, self.source, self.labels))  # a value may be a list or a table

    @property
    def source(self) -> str:
        """The environment variable, OpenFeature key or `module:function` that sets the flag.

        No two flags have the same source, except `harness_set_flags`.
        """
        return self.env or self.openfeature or self.set

    @property
    def source_kind(self) -> str:
        """The kind of the source: `env`, `openfeature` or `set`."""
        return next((kind for kind in SOURCE_KINDS if getattr(self, kind)), "env")

    @property
    def is_boolean(self) -> bool:
        """Whether the flag's only values are True and False."""
        return all(isinstance(value, bool) for value in self.values)

    def environment_variable_text(self, value: object) -> str | None:
        """Return the text of the environment variable if the flag has this value; None if it is then unset."""
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

        A flag that is not read from a variable has its default. Raise `FlagError` if the variable holds no value of the
        flag.
        """
        text = environ.get(self.env, "").strip() if self.env else ""
        if not text:
            return self.default
        if self.is_boolean:
            return text == self.on if text in (self.on, self.off) else text.lower() in TRUE_VALUES
        texts = [self.environment_variable_text(value) for value in self.values]
        if text in texts:
            return self.values[texts.index(text)]
        known = [one for one in texts if one]
        raise FlagError(f"{self.env}={text}: flag {self.name!r} has no such value; {nearest_name_hint(text, known)}")


STREAMING = Flag("streaming", "ENABLE_STREAMING")
PROMPT_CACHE = Flag("prompt_cache", "ENABLE_PROMPT_CACHE")
EXTENDED_OUTPUT = Flag("extended_output", "ENABLE_EXTENDED_OUTPUT")
SHIPPED_FLAGS = (STREAMING, PROMPT_CACHE, EXTENDED_OUTPUT)
"""The flags of the reference agent, in order. A project that declares no flags has these."""


def combination_id(names: Iterable[str]) -> str:
    """Return the id of the combination in which exactly these flags are on.

    `names` must be in declared order.

    >>> combination_id(["streaming", "prompt_cache"])
    'streaming+prompt_cache'
    """
    return "+".join(names) or OFF_COMBINATION


def check_flags(flags: Sequence[Flag]) -> None:
    """Raise `FlagError` if a flag is invalid, or two combinations of the flags would have the same id.

    A name consists of letters, digits, `_` and `-`, and is not `off`. No two flags share a name or a source.
    """
    names = [flag.name for flag in flags]
    for index, flag in enumerate(flags):
        if not _FLAG_NAME_PATTERN.fullmatch(flag.name) or flag.name.lower() == OFF_COMBINATION:
            raise FlagError(
                f"no flag can be called {flag.name!r}: ids of combinations consist of names; "
                f"use letters, digits, _ and -, and a word other than {OFF_COMBINATION!r}"
            )
        _check_source(flag)
        if flag.name in names[:index]:
            raise FlagError(f"two flags are called {flag.name!r}; give one of them another name")
        if other := next((one.name for one in flags[:index] if _have_same_source(one, flag)), None):
            noun = {"env": "variable", "openfeature": "OpenFeature key", "set": "target"}[flag.source_kind]
            raise FlagError(f"flags {other!r} and {flag.name!r} share the {noun} {flag.source}; give each its own")
        if f"{SWITCHED_OFF_PREFIX}{flag.name}" in names:
            raise FlagError(
                f"a flag cannot be called {SWITCHED_OFF_PREFIX + flag.name!r} beside {flag.name!r}: that is how ids "
                f"say that {flag.name!r} is switched off; give it another name"
            )
        _check_values(flag)


def _have_same_source(one: Flag, other: Flag) -> bool:
    """Return whether two flags have the same environment variable, OpenFeature key or `module:function`.

    The fixture `harness_set_flags` does not count, since one fixture may set several flags.
    """
    return (one.source_kind, one.source) == (other.source_kind, other.source) and one.set != SET_FLAGS_FIXTURE


def _check_source(flag: Flag) -> None:
    """Raise `FlagError` unless a flag has exactly one source, which is valid and can express all values of the flag."""
    kinds = [kind for kind in SOURCE_KINDS if getattr(flag, kind)]
    if len(kinds) > 1:
        raise FlagError(f"flag {flag.name!r} has several sources, {' and '.join(kinds)}; keep one of them")
    if flag.source_kind == "env" and not _VARIABLE_NAME_PATTERN.fullmatch(flag.env):
        raise FlagError(
            f"flag {flag.name!r} has the variable {flag.env!r}, which is not a valid name; "
            "use a name without spaces and without ="
        )
    if flag.set and flag.set != SET_FLAGS_FIXTURE and not _SETTER_FUNCTION_PATTERN.fullmatch(flag.set):
        raise FlagError(
            f"flag {flag.name!r} is set by {flag.set!r}, which is neither module:function, such as "
            f"myapp.settings:override, nor the fixture {SET_FLAGS_FIXTURE}; write one of them"
        )
    for value in flag.values if flag.openfeature else ():
        if not isinstance(value, (bool, str, int, float, list, tuple, dict)):
            raise FlagError(
                f"flag {flag.name!r} has the value {value!r}, which OpenFeature cannot hold; "
                "use booleans, strings, numbers, lists or tables"
            )


def _toml_text(value: object) -> str:
    """Return a value as it is written in TOML."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _check_values(flag: Flag) -> None:
    """Raise `FlagError` if a label is invalid, or if two values of the flag have the same text or label."""
    if len(flag.values) < 2:
        raise FlagError(f"flag {flag.name!r} has fewer than two values; list at least two, its default among them")
    if len(flag.labels) != len(flag.values):
        raise FlagError(f"flag {flag.name!r} has {len(flag.values)} values and {len(flag.labels)} labels")
    if flag.env and flag.is_boolean and flag.on == flag.off:
        raise FlagError(f"flag {flag.name!r} is on and off with the same value, {flag.on!r}; give it two values")
    labels: dict[str, Any] = {}
    texts: dict[str | None, Any] = {}
    for value, label in zip(flag.values, flag.labels, strict=True):
        if not _VALID_LABEL_PATTERN.fullmatch(label):
            raise FlagError(
                f"flag {flag.name!r} cannot call its value {value!r} {label!r}: ids of combinations consist of names; "
                f"use up to {MAX_LABEL_LENGTH} letters, digits, _, . and -: values = {{ short = {_toml_text(value)} }}"
            )
        if label.casefold() in labels:
            raise FlagError(
                f"flag {flag.name!r} has the values {labels[label.casefold()]!r} and {value!r}, which ids would both "
                f"call {label!r}; name them: values = {{ one = {_toml_text(labels[label.casefold()])}, "
                f"two = {_toml_text(value)} }}"
            )
        if (text := flag.environment_variable_text(value)) in texts and flag.env:
            raise FlagError(
                f"flag {flag.name!r} has the values {texts[text]!r} and {value!r}, and {flag.env} would be {text!r} "
                "for both; drop one of them"
            )
        if value in flag.labels and value != label:
            raise FlagError(
                f"flag {flag.name!r} calls {value!r} {label!r}, and another value {value!r}; rename that one"
            )
        labels[label.casefold()] = texts[text] = value
