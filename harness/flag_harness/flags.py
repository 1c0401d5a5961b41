"""Feature flags: named switches, read from environment variables at the moment of the call."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flag_harness.errors import FlagError

TRUE = frozenset({"true", "t", "yes", "y", "1"})
"""The values that turn a flag on, in any case. Everything else leaves it off."""

SMALLEST_BUDGET = 1024
"""Fewest thinking tokens that the API takes: `thinking.enabled.budget_tokens: Input should be greater than or equal to
1024` (quoted by users; no recording holds it)."""

OFF = "off"

_KEY = re.compile(r"[^.\[\]]+")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,100}")
"""Python reads more, 1_000 and the digits of any script, and refuses thousands of digits in words of its own."""
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
"""The flags of the shipped agent, in their declared order."""


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number beside the flags: its variable, and its value where the variable is unset or empty."""

    env: str
    default: int
    smallest: int = 1

    def read(self, environ: Mapping[str, str]) -> int:
        """The number. Raises `FlagError` naming the variable, the value and the rule."""
        text = environ.get(self.env, "").strip()
        if not text:
            return self.default
        if not _WHOLE_NUMBER.fullmatch(text):
            raise FlagError(f"{self.env}={text!r} is not a whole number; set it to one, or unset it for {self.default}")
        value = int(text)
        if value < self.smallest:
            raise FlagError(f"{self.env}={text} must be at least {self.smallest}; unset it for {self.default}")
        return value

    def shown(self, value: int) -> str:
        """The variable and its value, and whether that is what it has where nobody sets it."""
        return f"{self.env}={value}" + (" (its default)" if value == self.default else "")

    def is_set(self, environ: Mapping[str, str]) -> bool:
        """Whether the environment gives it a value."""
        return bool(environ.get(self.env, "").strip())


MAX_TOKENS = Number("MAX_TOKENS", 16384)
THINKING_BUDGET = Number("THINKING_BUDGET", 12000, SMALLEST_BUDGET)
ENABLE_TOOLS = "ENABLE_TOOLS"
PROMPT_CACHE_BETA = "PROMPT_CACHE_BETA"
"""The variable that asks for the legacy prompt-caching header and holds its value, `prompt-caching-2024-07-31`. Caching
has needed no header since December 2024."""

VARIABLES = (*(flag.env for flag in SHIPPED), MAX_TOKENS.env, THINKING_BUDGET.env, ENABLE_TOOLS, PROMPT_CACHE_BETA)
"""Every environment variable that the shipped agent reads."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment asks of the shipped agent. Tokens are counted as the API counts them."""

    streaming: bool = False
    prompt_cache: bool = False
    extended_output: bool = False
    max_tokens: int = MAX_TOKENS.default
    thinking_budget: int = THINKING_BUDGET.default
    tools: bool = True

    @property
    def combination(self) -> str:
        """The id of the flags that are on: `off`, `streaming`, `streaming+prompt_cache`, ..."""
        return combination_id(flag.name for flag in SHIPPED if getattr(self, flag.name))


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the flags and numbers of the shipped agent, now.

    Raises `FlagError` (one line) where a number is not one or is too small, or where both are set and the budget leaves
    no token to answer with. Whether it leaves one where only one of them is set, matters to requests that hold both.
    """
    max_tokens, budget = MAX_TOKENS.read(environ), THINKING_BUDGET.read(environ)
    problem = budget_problem(max_tokens, budget)
    if problem and MAX_TOKENS.is_set(environ) and THINKING_BUDGET.is_set(environ):
        raise FlagError(problem)
    return Settings(
        streaming=STREAMING.enabled(environ),
        prompt_cache=PROMPT_CACHE.enabled(environ),
        extended_output=EXTENDED_OUTPUT.enabled(environ),
        max_tokens=max_tokens,
        thinking_budget=budget,
        tools=_is_true(environ.get(ENABLE_TOOLS) or "1"),
    )


def budget_problem(max_tokens: int, budget: int) -> str | None:
    """That thinking would leave no token to answer with, in one line with the numbers to use; None: it leaves some."""
    if budget < max_tokens:
        return None
    advice = f"set MAX_TOKENS to at least {budget + 1}"
    if max_tokens > SMALLEST_BUDGET:
        advice = f"set THINKING_BUDGET to at most {max_tokens - 1}, or MAX_TOKENS to at least {budget + 1}"
    return f"{THINKING_BUDGET.shown(budget)} must be below {MAX_TOKENS.shown(max_tokens)}; {advice}"


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


_CHANGES = {"cache_control": PROMPT_CACHE, "max_tokens": EXTENDED_OUTPUT, "output_config": EXTENDED_OUTPUT}
_CHANGES |= {"stream": STREAMING, "thinking": EXTENDED_OUTPUT}


def explaining_flag(path: str, flags: Iterable[Flag] = SHIPPED) -> str | None:
    """Which of a project's flags changes this place of a request's body, as far as they are the shipped ones.

    >>> explaining_flag("messages[0].content[0].cache_control.type")
    'prompt_cache'
    """
    names = {flag.env: flag.name for flag in flags}
    variables = (_CHANGES[key].env for key in _KEY.findall(path) if key in _CHANGES)
    return next((names[variable] for variable in variables if variable in names), None)


def _is_true(text: str) -> bool:
    return text.strip().lower() in TRUE
