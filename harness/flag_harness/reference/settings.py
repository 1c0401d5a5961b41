"""The reference agent's settings, read from environment variables: three flags, and other values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flag_harness.errors import FlagError
from flag_harness.flag import EXTENDED_OUTPUT, PROMPT_CACHE, SHIPPED_FLAGS, STREAMING, TRUE_VALUES, combination_id

MIN_THINKING_BUDGET = 1024
"""The smallest thinking budget that the API accepts: `thinking.enabled.budget_tokens: Input should be greater than or
equal to 1024` (quoted by users; no recording holds it)."""

_WHOLE_NUMBER_PATTERN = re.compile(r"-?[0-9]{1,100}")
"""Matches a whole number. The pattern is stricter than `int`, which also reads 1_000 and non-ASCII digits."""


@dataclass(frozen=True, slots=True)
class NumberSetting:
    """A setting that is a whole number, read from an environment variable.

    `default` applies if `variable` is unset or empty.
    """

    variable: str
    default: int
    minimum: int = 1

    def read(self, environ: Mapping[str, str]) -> int:
        """Return the number. Raise `FlagError` naming the variable, its value and the rule if it is invalid."""
        text = environ.get(self.variable, "").strip()
        if not text:
            return self.default
        if not _WHOLE_NUMBER_PATTERN.fullmatch(text):
            raise FlagError(
                f"{self.variable}={text!r} is not a whole number; set it to one, or unset it for {self.default}"
            )
        value = int(text)
        if value < self.minimum:
            raise FlagError(f"{self.variable}={text} must be at least {self.minimum}; unset it for {self.default}")
        return value

    def describe(self, value: int) -> str:
        """Return the setting as text, such as `MAX_TOKENS=16384`, with a note if the value is the default."""
        return f"{self.variable}={value}" + (" (its default)" if value == self.default else "")

    def is_set(self, environ: Mapping[str, str]) -> bool:
        """Return whether the environment has a value for the number."""
        return bool(environ.get(self.variable, "").strip())


MAX_TOKENS = NumberSetting("MAX_TOKENS", 16384)
THINKING_BUDGET = NumberSetting("THINKING_BUDGET", 12000, MIN_THINKING_BUDGET)
ENABLE_TOOLS = "ENABLE_TOOLS"
PROMPT_CACHE_BETA = "PROMPT_CACHE_BETA"
"""The variable that turns on the legacy prompt-caching header and holds its value, `prompt-caching-2024-07-31`. Caching
has needed no header since December 2024."""

AGENT_VARIABLES = (
    *(flag.env for flag in SHIPPED_FLAGS),
    MAX_TOKENS.variable,
    THINKING_BUDGET.variable,
    ENABLE_TOOLS,
    PROMPT_CACHE_BETA,
)
"""Every environment variable that the reference agent reads."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The flags and other settings that one `send` of the reference agent runs under."""

    streaming: bool = False
    prompt_cache: bool = False
    extended_output: bool = False
    max_tokens: int = MAX_TOKENS.default
    thinking_budget: int = THINKING_BUDGET.default
    tools_enabled: bool = True

    @property
    def combination(self) -> str:
        """The id of the combination of flags that are on: `off`, `streaming`, `streaming+prompt_cache`, ..."""
        return combination_id(flag.name for flag in SHIPPED_FLAGS if getattr(self, flag.name))


def read_settings(environ: Mapping[str, str]) -> AgentSettings:
    """Read the reference agent's settings from an environment.

    Raise `FlagError` (one line) if a number is invalid or too small, or if both numbers are set and the budget leaves
    no token for the answer. If only one of them is set, they are compared only when a request uses both.
    """
    max_tokens, budget = MAX_TOKENS.read(environ), THINKING_BUDGET.read(environ)
    problem = thinking_budget_message(max_tokens, budget)
    if problem and MAX_TOKENS.is_set(environ) and THINKING_BUDGET.is_set(environ):
        raise FlagError(problem)
    return AgentSettings(
        streaming=STREAMING.is_enabled(environ),
        prompt_cache=PROMPT_CACHE.is_enabled(environ),
        extended_output=EXTENDED_OUTPUT.is_enabled(environ),
        max_tokens=max_tokens,
        thinking_budget=budget,
        tools_enabled=(environ.get(ENABLE_TOOLS) or "1").strip().lower() in TRUE_VALUES,
    )


def thinking_budget_message(max_tokens: int, budget: int) -> str | None:
    """Return a message that suggests other numbers if thinking would leave no token for the answer, else None."""
    if budget < max_tokens:
        return None
    advice = f"set MAX_TOKENS to at least {budget + 1}"
    if max_tokens > MIN_THINKING_BUDGET:
        advice = f"set THINKING_BUDGET to at most {max_tokens - 1}, or MAX_TOKENS to at least {budget + 1}"
    return f"{THINKING_BUDGET.describe(budget)} must be below {MAX_TOKENS.describe(max_tokens)}; {advice}"
