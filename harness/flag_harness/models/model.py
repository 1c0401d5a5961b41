"""A model's figures, and what an answer costs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from flag_harness.wire.usage import Usage

_DATED = re.compile(r"-\d{8}$")


@dataclass(frozen=True, slots=True)
class SourcedFigure:
    """One figure of the table: its name (`prices[0].input`), its value, its source, and the day it was read there."""

    name: str
    value: Any
    source: str
    read: date


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in US dollars per million tokens, for prompts of up to `up_to` tokens (`None`: of any length).

    The length of a prompt is `Usage.total_input`. A price is `None` if no source states it.
    """

    input: float | None = None
    output: float | None = None
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None
    cache_read: float | None = None
    up_to: int | None = None

    def cost(self, usage: Usage) -> float | None:
        """Return the cost in US dollars, or None if `usage` has tokens whose price is unknown.

        Tokens that were written to the cache without a lifetime have the price of the default, five minutes.
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
    """What one model accepts and costs. Counts are tokens.

    Attributes:
        known: false if the id is not in the table, so that the cautious defaults are used.
        thinking: the accepted kinds of the request's `thinking`.
        thinks_by_default: whether the model thinks if a request has no `thinking`.
        efforts: the accepted values of `output_config.effort`; empty if it is refused or unknown.
        retires: the announced end. `retires_not_before` only promises that there is none earlier.
        figures: every figure with its source and the day it was read; cautious defaults say that they are.
    """

    id: str
    known: bool = True
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
    prices: tuple[Prices, ...] = ()
    figures: tuple[SourcedFigure, ...] = ()

    @property
    def is_adaptive_only(self) -> bool:
        """Whether the model thinks adaptively and takes no budget, as models from 4.7 on do."""
        return "adaptive" in self.thinking and "enabled" not in self.thinking

    @property
    def always_thinks(self) -> bool:
        """Whether no request can keep the model from thinking."""
        return self.thinks_by_default and not self.thinking & {"disabled", "between_tools"}

    def cost(self, usage: Usage) -> float | None:
        """Return the list price in US dollars of one answer, or None if a price that it needs is unknown.

        Longer prompts cost more on some models, so add up costs, not usages.
        """
        for band in self.prices:
            if band.up_to is None or usage.total_input <= band.up_to:
                return band.cost(usage)
        return None


@dataclass(frozen=True, slots=True)
class ModelTable:
    """A table of models by id, the defaults for other ids, and the effort for each thinking budget up to a limit."""

    read: date
    models: Mapping[str, Model]
    defaults: Model
    budget_efforts: tuple[tuple[str, int], ...]

    def find(self, model_id: str) -> Model:
        """Return the model with this id or alias, or with this id and a date (`-YYYYMMDD`), else the defaults."""
        for model in self.models.values():
            if model_id == model.id or model_id in model.aliases:
                return model
        return self.models.get(_DATED.sub("", model_id)) or replace(self.defaults, id=model_id)
