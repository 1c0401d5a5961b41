"""Read a table of models from TOML.

Each figure in the TOML is a pair `[value, "name of its source"]`; the sources are listed in a table of their own.
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

_FIGURE_DESCRIPTION = Meta(description='a figure with its source: [value, "name of a source"]')
_Count = Annotated[int, Meta(ge=1, description="a number of tokens, 1 or more")]
_Price = Annotated[float, Meta(ge=0, description="US dollars per million tokens, 0 or more")]
_Efforts = Annotated[tuple[Effort, ...], Meta(description="a list of efforts")]
_ThinkingKinds = Annotated[frozenset[ThinkingKind], Meta(description="a list of kinds of thinking")]
_CountFigure = Annotated[tuple[_Count, TomlText], _FIGURE_DESCRIPTION]
_PriceFigure = Annotated[tuple[_Price, TomlText], _FIGURE_DESCRIPTION]
_DayFigure = Annotated[tuple[TomlDate, TomlText], _FIGURE_DESCRIPTION]
_TableList = Annotated[tuple[dict[str, Any], ...], Meta(description="a list of tables")]


class _ModelFile(msgspec.Struct):
    read: TomlDate
    budget_efforts: TomlTable
    defaults: TomlTable
    models: TomlTable
    sources: TomlTable


class _FigureSource(msgspec.Struct):
    """A document from which figures come, and the day on which somebody read it."""

    where: TomlText
    read: TomlDate


class _BudgetEfforts(msgspec.Struct):
    low: _CountFigure | None = None
    medium: _CountFigure | None = None
    high: _CountFigure | None = None
    xhigh: _CountFigure | None = None
    max: _CountFigure | None = None


class _ModelEntry(msgspec.Struct):
    aliases: TomlTextList = ()
    thinking: Annotated[tuple[_ThinkingKinds, TomlText], _FIGURE_DESCRIPTION] | None = None
    thinks_by_default: Annotated[tuple[TomlBoolean, TomlText], _FIGURE_DESCRIPTION] | None = None
    efforts: Annotated[tuple[_Efforts, TomlText], _FIGURE_DESCRIPTION] | None = None
    default_effort: Annotated[tuple[Effort, TomlText], _FIGURE_DESCRIPTION] | None = None
    max_output_tokens: _CountFigure | None = None
    context_window: _CountFigure | None = None
    smallest_cacheable_prefix: _CountFigure | None = None
    retires: _DayFigure | None = None
    retires_not_before: _DayFigure | None = None
    prices: _TableList = ()


class _PriceEntry(msgspec.Struct):
    up_to: _CountFigure | None = None
    input: _PriceFigure | None = None
    output: _PriceFigure | None = None
    cache_write_5m: _PriceFigure | None = None
    cache_write_1h: _PriceFigure | None = None
    cache_read: _PriceFigure | None = None


def parse_model_table(text: str, source: str) -> ModelTable:
    """Parse a table of models from TOML. `source` is the file name that error messages show.

    Raise `ConfigError` if the TOML is invalid. The message names the wrong key or value, and the most similar valid
    one.
    """
    document = convert_table(parse_toml(text, source), _ModelFile, f"{source}:")
    entries = {
        name: convert_table(entry, _FigureSource, f"{source}: sources.{name}")
        for name, entry in document.sources.items()
    }
    reader = _ModelReader(source, entries)
    defaults = reader.read_model("", document.defaults, "defaults", Model(id="", known=False))
    known = replace(defaults, known=True)
    models = {name: reader.read_model(name, entry, f"models.{name}", known) for name, entry in document.models.items()}
    efforts = reader.read_sourced_values(document.budget_efforts, _BudgetEfforts, "budget_efforts")
    budget_efforts = tuple((figure.name, figure.value) for figure in efforts)
    return ModelTable(document.read, models, defaults, budget_efforts)


@dataclass(frozen=True, slots=True)
class _ModelReader:
    """Reads the models of one TOML file.

    `file` is the file name that error messages show. `sources` holds the documents that figures come from, by name.
    """

    file: str
    sources: Mapping[str, _FigureSource]

    def read_model(self, name: str, table: Any, where: str, base: Model) -> Model:
        """Read one model from its TOML `table`. Figures that the table lacks are taken from the model `base`.

        `where` says which part of the file is read, and begins error messages.
        """
        entry = convert_table(table, _ModelEntry, f"{self.file}: {where}")
        own_keys = {key: value for key, value in table.items() if key not in ("aliases", "prices")}
        own = self.read_sourced_values(own_keys, _ModelEntry, where)
        bands = [
            self.read_sourced_values(band, _PriceEntry, f"{where}.prices[{index}]")
            for index, band in enumerate(entry.prices)
        ]
        own_names = {figure.name for figure in own}
        figures = (
            *own,
            *(figure for figure in base.figures if figure.name not in own_names),
            *(
                replace(figure, name=f"prices[{index}].{figure.name}")
                for index, band in enumerate(bands)
                for figure in band
            ),
        )
        prices = tuple(TokenPrices(**{figure.name: figure.value for figure in band}) for band in bands)
        values = {figure.name: figure.value for figure in own}
        return replace(base, id=name, aliases=entry.aliases, prices=prices, figures=figures, **values)

    def read_sourced_values(
        self, table: Mapping[str, Any], kind: type[msgspec.Struct], where: str
    ) -> tuple[SourcedValue, ...]:
        """Return the figures of a TOML table in their order, each with the document it comes from.

        `kind` is the msgspec struct that lists the valid keys.
        """
        entry = convert_table(table, kind, f"{self.file}: {where}")
        return tuple(self._read_sourced_value(name, *getattr(entry, name)) for name in table)

    def _read_sourced_value(self, name: str, value: Any, source: str) -> SourcedValue:
        """Return one figure with the document it comes from.

        Raise `ConfigError` if the TOML file does not list `source`.
        """
        refuse_unknown_names([source], self.sources, f"{self.file}: sources", "source")
        return SourcedValue(name, value, self.sources[source].where, self.sources[source].read)
