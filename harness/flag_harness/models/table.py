"""Read a table of models from TOML.

Each value in the TOML is written as a pair `[value, "name of its source"]`. The sources have a table of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from flag_harness.models.model import Model, ModelTable, SourcedValue, TokenPrices
from flag_harness.toml_tables import (
    TomlBoolean,
    TomlDate,
    TomlTable,
    TomlText,
    TomlTextList,
    convert_table,
    parse_toml,
    refuse_unknown_names,
)

Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]
ThinkingKind: TypeAlias = Literal["enabled", "adaptive", "between_tools", "disabled"]
EFFORTS: tuple[str, ...] = get_args(Effort)
THINKING_KINDS: tuple[str, ...] = get_args(ThinkingKind)

_SOURCED_VALUE_META = Meta(description='a value with its source: [value, "name of a source"]')
_TokenCount = Annotated[int, Meta(ge=1, description="a number of tokens, 1 or more")]
_Price = Annotated[float, Meta(ge=0, description="US dollars per million tokens, 0 or more")]
_EffortList = Annotated[tuple[Effort, ...], Meta(description="a list of efforts")]
_ThinkingKindList = Annotated[frozenset[ThinkingKind], Meta(description="a list of kinds of thinking")]
_SourcedTokenCount = Annotated[tuple[_TokenCount, TomlText], _SOURCED_VALUE_META]
_SourcedPrice = Annotated[tuple[_Price, TomlText], _SOURCED_VALUE_META]
_SourcedDay = Annotated[tuple[TomlDate, TomlText], _SOURCED_VALUE_META]
_TableList = Annotated[tuple[dict[str, Any], ...], Meta(description="a list of tables")]


class _ModelFile(msgspec.Struct):
    """The content of the TOML file. Values are parsed later, table by table, so that errors can name the table."""

    checked_on: TomlDate
    budget_efforts: TomlTable
    defaults: TomlTable
    models: TomlTable
    sources: TomlTable


class _ValueSource(msgspec.Struct):
    """A document from which values come, and the day on which somebody read it."""

    document: TomlText
    read_on: TomlDate


class _MaxBudgetByEffort(msgspec.Struct):
    """The largest thinking budget in tokens that each effort stands for."""

    low: _SourcedTokenCount | None = None
    medium: _SourcedTokenCount | None = None
    high: _SourcedTokenCount | None = None
    xhigh: _SourcedTokenCount | None = None
    max: _SourcedTokenCount | None = None


class _ModelEntry(msgspec.Struct):
    """The keys of a model in the TOML file. `Model` explains them."""

    aliases: TomlTextList = ()
    thinking: Annotated[tuple[_ThinkingKindList, TomlText], _SOURCED_VALUE_META] | None = None
    thinks_by_default: Annotated[tuple[TomlBoolean, TomlText], _SOURCED_VALUE_META] | None = None
    efforts: Annotated[tuple[_EffortList, TomlText], _SOURCED_VALUE_META] | None = None
    default_effort: Annotated[tuple[Effort, TomlText], _SOURCED_VALUE_META] | None = None
    max_output_tokens: _SourcedTokenCount | None = None
    context_window: _SourcedTokenCount | None = None
    smallest_cacheable_prefix: _SourcedTokenCount | None = None
    retires: _SourcedDay | None = None
    retires_not_before: _SourcedDay | None = None
    prices: _TableList = ()


class _PriceEntry(msgspec.Struct):
    """The keys of a model's prices in the TOML file. `TokenPrices` explains them."""

    max_prompt_tokens: _SourcedTokenCount | None = None
    input: _SourcedPrice | None = None
    output: _SourcedPrice | None = None
    cache_write_5m: _SourcedPrice | None = None
    cache_write_1h: _SourcedPrice | None = None
    cache_read: _SourcedPrice | None = None


def parse_model_table(text: str, file_name: str) -> ModelTable:
    """Parse a table of models from TOML. `file_name` is the name that error messages show.

    Raise `ConfigError` if the TOML is invalid. The message names the wrong key or value, and the most similar valid
    one.
    """
    document = convert_table(parse_toml(text, file_name), _ModelFile, f"{file_name}:")
    entries = {
        name: convert_table(entry, _ValueSource, f"{file_name}: sources.{name}")
        for name, entry in document.sources.items()
    }
    reader = _ModelReader(file_name, entries)
    defaults = reader.read_model("", document.defaults, "defaults", Model(id="", is_known=False))
    known = replace(defaults, is_known=True)
    models = {name: reader.read_model(name, entry, f"models.{name}", known) for name, entry in document.models.items()}
    efforts = reader.read_sourced_values(document.budget_efforts, _MaxBudgetByEffort, "budget_efforts")
    max_budgets = tuple((figure.name, figure.value) for figure in efforts)
    return ModelTable(document.checked_on, models, defaults, max_budgets)


@dataclass(frozen=True, slots=True)
class _ModelReader:
    """Reads the models of one TOML file.

    `file_name` is the name that error messages show. `sources` has the documents that values come from, by the names
    that the file gives them.
    """

    file_name: str
    sources: Mapping[str, _ValueSource]

    def read_model(self, name: str, table: Any, location: str, fallback: Model) -> Model:
        """Read one model from its TOML `table`. Values that the table lacks are taken from the model `fallback`.

        `location` is the key of the table in the file, which error messages name.
        """
        entry = convert_table(table, _ModelEntry, f"{self.file_name}: {location}")
        own_keys = {key: value for key, value in table.items() if key not in ("aliases", "prices")}
        own = self.read_sourced_values(own_keys, _ModelEntry, location)
        bands = [
            self.read_sourced_values(band, _PriceEntry, f"{location}.prices[{index}]")
            for index, band in enumerate(entry.prices)
        ]
        own_names = {figure.name for figure in own}
        figures = (
            *own,
            *(figure for figure in fallback.sourced_values if figure.name not in own_names),
            *(
                replace(figure, name=f"prices[{index}].{figure.name}")
                for index, band in enumerate(bands)
                for figure in band
            ),
        )
        prices = tuple(TokenPrices(**{figure.name: figure.value for figure in band}) for band in bands)
        values = {figure.name: figure.value for figure in own}
        return replace(fallback, id=name, aliases=entry.aliases, prices=prices, sourced_values=figures, **values)

    def read_sourced_values(
        self, table: Mapping[str, Any], schema: type[msgspec.Struct], location: str
    ) -> tuple[SourcedValue, ...]:
        """Return the values of a TOML table in their order, each with the document it comes from.

        `schema` is the msgspec struct that lists the valid keys. For `location` see `read_model`.
        """
        entry = convert_table(table, schema, f"{self.file_name}: {location}")
        return tuple(self._make_sourced_value(name, *getattr(entry, name)) for name in table)

    def _make_sourced_value(self, name: str, value: Any, source: str) -> SourcedValue:
        """Return a value with the document that has the name `source` in the TOML file.

        Raise `ConfigError` if the file has no source of that name.
        """
        refuse_unknown_names([source], self.sources, f"{self.file_name}: sources", "source")
        return SourcedValue(name, value, self.sources[source].document, self.sources[source].read_on)
