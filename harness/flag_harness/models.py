"""What each model accepts and costs: `models.toml`, every figure with its source and the day it was read."""

import difflib
import logging
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from flag_harness.errors import ConfigError
from flag_harness.wire.usage import Usage

DEFAULT_MODEL = "claude-sonnet-5-5"
THINKING_KINDS = ("enabled", "adaptive", "between_tools", "disabled")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
_DATED = re.compile(r"-\d{8}$")
_Check = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the table: its name (`prices[0].input`), its value, where it was read and when."""

    name: str
    value: Any
    source: str
    read: date


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in US dollars per million tokens, for prompts of at most `up_to` tokens (`None`: of any length).

    A prompt's length is `Usage.total_input`. `None` is a price that no source states.
    """

    input: float | None = None
    output: float | None = None
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None
    cache_read: float | None = None
    up_to: int | None = None

    def cost(self, usage: Usage) -> float | None:
        """US dollars for `usage`; `None` where it has tokens whose price is not known.

        Tokens written to the cache without a stated lifetime cost what the default, five minutes, costs.
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

    `thinking`: the accepted kinds of the request's `thinking`; `thinks_unasked`: what happens without it. `efforts` is
    empty where `output_config.effort` is refused or unknown. `retires` is an announced end, `retires_not_before` only
    the promise of none earlier. Where `known` is false, the id is not in the table and the cautious defaults stand.
    """

    id: str
    known: bool = True
    aliases: tuple[str, ...] = ()
    thinking: frozenset[str] = frozenset()
    thinks_unasked: bool = False
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    max_output_tokens: int = 0
    context_window: int = 0
    smallest_cacheable_prefix: int = 0
    retires: date | None = None
    retires_not_before: date | None = None
    prices: tuple[Prices, ...] = ()
    sourced: tuple[Figure, ...] = ()

    @property
    def only_adaptive(self) -> bool:
        """Whether the model is one of 4.7 and later: it thinks adaptively, and takes no budget."""
        return "adaptive" in self.thinking and "enabled" not in self.thinking

    @property
    def always_thinks(self) -> bool:
        """Whether no request can keep the model from thinking."""
        return self.thinks_unasked and not self.thinking & {"disabled", "between_tools"}

    def figures(self) -> tuple[Figure, ...]:
        """Every figure with its source and the day it was read; what comes from the cautious defaults says so."""
        return self.sourced

    def cost(self, usage: Usage) -> float | None:
        """US dollars at list price for the usage of ONE answer; `None` where a price that it needs is not known.

        Some models cost more for longer prompts, so add up costs, not usages.
        """
        for band in self.prices:
            if band.up_to is None or usage.total_input <= band.up_to:
                return band.cost(usage)
        return None


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table of models: by id, the defaults for others, and the effort up to each thinking budget."""

    read: date
    models: Mapping[str, Model]
    defaults: Model
    budget_efforts: tuple[tuple[str, int], ...]

    def find(self, model_id: str) -> Model:
        """The model with this id or alias, or this id followed by a date (`-YYYYMMDD`); else the defaults."""
        for model in self.models.values():
            if model_id == model.id or model_id in model.aliases:
                return model
        return self.models.get(_DATED.sub("", model_id)) or replace(self.defaults, id=model_id)


@cache
def shipped() -> Table:
    """The table in this package, read once, when it is first needed."""
    return parse_table(
        resources.files("flag_harness").joinpath("models.toml").read_text(encoding="utf-8"), "models.toml"
    )


@cache
def find(model_id: str) -> Model:
    """What the shipped table says of `model_id`; see `Table.find`.

    An id that it does not have is logged as a warning, once in a process.
    """
    model = shipped().find(model_id)
    if not model.known:
        nearest = difflib.get_close_matches(model_id, shipped().models, n=1, cutoff=0.0)[0]
        logging.getLogger(__name__).warning(
            "the table of models has no %r (nearest: %r): cautious defaults stand, "
            "%d output tokens, cacheable from %d tokens, no thinking asked for, no price",
            model_id,
            nearest,
            model.max_output_tokens,
            model.smallest_cacheable_prefix,
        )
    return model


def effort_for(model: Model, budget: int) -> str | None:
    """The effort that stands for a thinking budget of `budget` tokens, `None` where the model takes no effort.

    The mapping is this project's (`budget_efforts` in the table): the API has none. Where the model lacks the level,
    it is the next lower one that it has.
    """
    wanted = next((effort for effort, most in shipped().budget_efforts if budget <= most), EFFORTS[-1])
    lower = EFFORTS[: EFFORTS.index(wanted) + 1]
    return next((effort for effort in reversed(lower) if effort in model.efforts), None)


def thinking_parameters(model: Model, budget: int) -> dict[str, Any]:
    """The request fields that ask `model` to think for about `budget` tokens; none where it takes no such request.

    Adaptive thinking wherever the model takes it (a budget is deprecated on models that take both), else the budget.
    """
    if "adaptive" in model.thinking:
        effort = effort_for(model, budget)
        return {"thinking": {"type": "adaptive"}} | ({"output_config": {"effort": effort}} if effort else {})
    if "enabled" in model.thinking:
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return {}


def parse_table(text: str, source: str) -> Table:
    """A table of models from TOML text; `source` is named in errors.

    Raises `ConfigError` naming the key, and the nearest key or name that exists.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}") from None
    parts = ("read", "budget_efforts", "defaults", "models", "sources")
    _refuse_unknown(document, parts, source)
    for part in parts:
        _typed(document.get(part), date if part == "read" else dict, f"{source}: {part}")
    reader = _Reader(
        source, {name: _source(entry, f"{source}: sources.{name}") for name, entry in document["sources"].items()}
    )
    defaults = reader.model("", document["defaults"], "defaults", Model(id="", known=False))
    known = replace(defaults, known=True)
    models = {name: reader.model(name, entry, f"models.{name}", known) for name, entry in document["models"].items()}
    efforts = reader.figures(document["budget_efforts"], dict.fromkeys(EFFORTS, _count), "budget_efforts")
    return Table(document["read"], models, defaults, tuple((figure.name, figure.value) for figure in efforts))


@dataclass(frozen=True, slots=True)
class _Reader:
    source: str
    sources: Mapping[str, tuple[str, date]]

    def model(self, name: str, entry: Any, where: str, base: Model) -> Model:
        table = dict(_typed(entry, dict, f"{self.source}: {where}"))
        aliases = tuple(_typed(table.pop("aliases", []), list, f"{self.source}: {where}.aliases"))
        bands = _typed(table.pop("prices", []), list, f"{self.source}: {where}.prices")
        own = self.figures(table, _MODEL_FIGURES, where)
        priced = [self.figures(band, _PRICE_FIGURES, f"{where}.prices[{at}]") for at, band in enumerate(bands)]
        stated = {figure.name for figure in own}
        sourced = (
            *own,
            *(figure for figure in base.sourced if figure.name not in stated),
            *(replace(figure, name=f"prices[{at}].{figure.name}") for at, band in enumerate(priced) for figure in band),
        )
        prices = tuple(Prices(**{figure.name: figure.value for figure in band}) for band in priced)
        values = {figure.name: figure.value for figure in own}
        return replace(base, id=name, aliases=aliases, prices=prices, sourced=sourced, **values)

    def figures(self, table: Any, checks: Mapping[str, _Check], where: str) -> tuple[Figure, ...]:
        _refuse_unknown(_typed(table, dict, f"{self.source}: {where}"), checks, f"{self.source}: {where}")
        return tuple(
            self._figure(key, entry, checks[key], f"{self.source}: {where}.{key}") for key, entry in table.items()
        )

    def _figure(self, name: str, entry: Any, check: _Check, where: str) -> Figure:
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], str):
            raise ConfigError(f'{where} = {entry!r} must be a figure with its source: [value, "name of a source"]')
        value, source = entry
        _refuse_unknown([source], self.sources, f"{self.source}: sources")
        return Figure(name, check(value, where), *self.sources[source])


def _count(value: Any, where: str) -> int:
    if type(value) is not int or value < 1:
        raise ConfigError(f"{where}: {value!r} must be a number of tokens, 1 or more")
    return value


def _price(value: Any, where: str) -> float:
    if type(value) not in (int, float) or value < 0:
        raise ConfigError(f"{where}: {value!r} must be US dollars per million tokens, 0 or more")
    return float(value)


def _word_of(words: Iterable[str]) -> Callable[[Any, str], str]:
    def check(value: Any, where: str) -> str:
        _refuse_unknown([_typed(value, str, where)], words, where)
        return str(value)

    return check


def _words_of(words: Iterable[str], collect: Callable[[Iterable[str]], Any]) -> _Check:
    word = _word_of(words)
    return lambda value, where: collect([word(item, where) for item in _typed(value, list, where)])


def _of(kind: type) -> _Check:
    return lambda value, where: _typed(value, kind, where)


_MODEL_FIGURES: Mapping[str, _Check] = {
    "thinking": _words_of(THINKING_KINDS, frozenset),
    "thinks_unasked": _of(bool),
    "efforts": _words_of(EFFORTS, tuple),
    "default_effort": _word_of(EFFORTS),
    "max_output_tokens": _count,
    "context_window": _count,
    "smallest_cacheable_prefix": _count,
    "retires": _of(date),
    "retires_not_before": _of(date),
}
_PRICE_FIGURES: Mapping[str, _Check] = {
    "up_to": _count,
    **dict.fromkeys(("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"), _price),
}
_TOML_NAMES = {dict: "a table", list: "a list", str: "a string", bool: "true or false", date: "a date (2026-11-22)"}


def _typed(value: Any, kind: type, where: str) -> Any:
    if type(value) is not kind:
        raise ConfigError(f"{where} must be {_TOML_NAMES[kind]}, and is {'absent' if value is None else repr(value)}")
    return value


def _source(entry: Any, where: str) -> tuple[str, date]:
    table = _typed(entry, dict, where)
    _refuse_unknown(table, ("where", "read"), where)
    return _typed(table.get("where"), str, f"{where}.where"), _typed(table.get("read"), date, f"{where}.read")


def _refuse_unknown(keys: Iterable[str], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in keys:
        if key not in names:
            nearest = difflib.get_close_matches(key, names, n=1, cutoff=0.0)
            hint = f"the nearest is {nearest[0]!r} (all: {', '.join(names)})" if nearest else "it has none"
            raise ConfigError(f"{where} has no {key!r}; {hint}")
