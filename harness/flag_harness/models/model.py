"""The figures of a model, and what an answer costs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from flag_harness.wire.usage import Usage

_DATE_SUFFIX = re.compile(r"-\d{8}$")


@dataclass(frozen=True, slots=True)
class SourcedValue:
    """One value from the table of models, with its source.

    `name` says which value it is, such as `prices[0].input`. `source` is the document that states the value, and
    `read_on` the day on which somebody read it there.
    """

    name: str
    value: Any
    source: str
    read_on: date


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """List prices in US dollars per million tokens. A price is None if no source states it.

    The prices apply to prompts of up to `max_prompt_tokens` input tokens (cached ones included), or to prompts of any
    length if it is None.
    """

    input: float | None = None
    output: float | None = None
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None
    cache_read: float | None = None
    max_prompt_tokens: int | None = None

    def cost(self, usage: Usage) -> float | None:
        """Return the cost of `usage` in US dollars, or None if `usage` has tokens whose price is unknown.

        Tokens written to the cache count at the price of the five-minute cache, unless `usage` says that they are
        cached for an hour.
        """
        written_5m = max(usage.cache_creation_input_tokens - usage.cache_creation_1h, usage.cache_creation_5m)
        parts = (
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (written_5m, self.cache_write_5m),
            (usage.cache_creation_1h, self.cache_write_1h),
            (usage.cache_read_input_tokens, self.cache_read),
        )
        if any(tokens and price is None for tokens, price in parts):
            return None
        return sum(tokens * (price or 0.0) for tokens, price in parts) / 1_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """The limits, features and prices of one model. Numbers such as `context_window` are tokens.

    Attributes:
        is_known: False if the table does not have the id, so that this object has cautious defaults.
        thinking: the accepted values of `thinking.type` in a request.
        thinks_by_default: True if the model thinks when a request has no `thinking`.
        efforts: the accepted values of `output_config.effort`; empty if the API refuses the field, or this is unknown.
        retires: the announced day of retirement, if there is one.
        retires_not_before: a day before which the model will not be retired, if one was promised.
        sourced_values: every value of the model with its source. The source of a cautious default says that it is one.
    """

    id: str
    is_known: bool = True
    aliases: tuple[str, ...] = ()
    thinking: frozenset[str] = frozenset()
    thinks_by_default: bool = False
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    max_output_tokens: int = 0
    context_window: int = 0
    smallest_cacheable_prefix: int = 0
    retires: date | None = None
    retires_not_before: date | None = None
    prices: tuple[TokenPrices, ...] = ()
    sourced_values: tuple[SourcedValue, ...] = ()

    @property
    def has_only_adaptive_thinking(self) -> bool:
        """Whether the model supports adaptive thinking but no thinking budget, as models from 4.7 on do."""
        return "adaptive" in self.thinking and "enabled" not in self.thinking

    @property
    def always_thinks(self) -> bool:
        """Whether no request can turn the model's thinking off."""
        return self.thinks_by_default and not self.thinking & {"disabled", "between_tools"}

    def cost(self, usage: Usage) -> float | None:
        """Return the list price of one answer in US dollars, or None if a price that it needs is unknown.

        To get the cost of several answers, add their costs. Do not add their usages first: some models charge more per
        token for long prompts, and the sum of usages would look like one long prompt.
        """
        for band in self.prices:
            if band.max_prompt_tokens is None or usage.total_input <= band.max_prompt_tokens:
                return band.cost(usage)
        return None


@dataclass(frozen=True, slots=True)
class ModelTable:
    """A table of models by id.

    Attributes:
        checked_on: the day on which somebody last compared the table with its sources.
        models: the models by id.
        defaults: cautious values for unknown ids.
        max_budget_by_effort: pairs of an effort level and the largest thinking budget that it stands for.
    """

    checked_on: date
    models: Mapping[str, Model]
    defaults: Model
    max_budget_by_effort: tuple[tuple[str, int], ...]

    def find(self, model_id: str) -> Model:
        """Return the model with this id or alias, or a model with cautious defaults if the table does not have it.

        A date at the end of an id (`-YYYYMMDD`) is ignored.
        """
        for model in self.models.values():
            if model_id == model.id or model_id in model.aliases:
                return model
        return self.models.get(_DATE_SUFFIX.sub("", model_id)) or replace(self.defaults, id=model_id)
