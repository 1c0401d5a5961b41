"""Convert the tables of single commands: `[tool.flag-harness.sweep]` and `[tool.flag-harness.diff]`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from flag_harness.config.settings import DIFF_FIGURES, DiffSettings, GrowthLimit, SweepSettings
from flag_harness.errors import ConfigError
from flag_harness.toml_tables import TomlBoolean, TomlTable, TomlText, TomlTextList, convert_table

_ToolMode: TypeAlias = Annotated[
    Literal["", "real", "record", "stub"], msgspec.Meta(description='"real", "record" or "stub"')
]
RENAMED_SWEEP_KEYS = {"told": "reported", "record": "functions"}
"""The names that keys of `[tool.flag-harness.sweep]` had in older releases, each with the name of today."""


class _SweepTable(msgspec.Struct):
    """The keys of `[tool.flag-harness.sweep]`; see `SweepSettings` for their meaning."""

    tools: _ToolMode = ""
    reported: TomlTextList = ()
    patience: Annotated[float, msgspec.Meta(gt=0, description="a number of seconds above 0")] = 10.0
    assertions: bool = True
    usage: TomlText = ""
    functions: TomlTextList | None = None
    stub: TomlTable = {}


_DiffTable = msgspec.defstruct(
    "_DiffTable",
    [("outcomes", TomlBoolean, True), ("bodies", TomlBoolean, False), *((name, Any, None) for name in DIFF_FIGURES)],
)
_PERCENTAGE_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def parse_sweep_settings(table: Any, where: str) -> SweepSettings:
    """Convert the table that says how to sweep the tests. `where` names the table in errors."""
    for old, new in RENAMED_SWEEP_KEYS.items():
        if isinstance(table, Mapping) and old in table:
            raise ConfigError(f"{where} {old} is not read any more; rename it to {new}")
    values = convert_table(table, _SweepTable, where)
    return SweepSettings(
        tool_mode=values.tools,
        reported_exceptions=values.reported,
        hang_seconds=values.patience,
        checks_assertions=values.assertions,
        usage_function=values.usage,
        tool_functions=values.functions,
        tool_stubs=values.stub,
    )


def parse_diff_settings(table: Any, where: str) -> DiffSettings:
    """Convert the table with the limits at which `flag-harness report diff` fails. `where` names the table in
    errors.
    """
    values = msgspec.structs.asdict(convert_table(table, _DiffTable, where))
    outcomes, bodies = values.pop("outcomes"), values.pop("bodies")
    limits = {
        name: _parse_growth_limit(value, f"{where} {name}") for name, value in values.items() if value is not None
    }
    return DiffSettings(outcomes, bodies, limits)


def _parse_growth_limit(value: Any, where: str) -> GrowthLimit:
    """Parse a limit such as `5%` or `100`. `where` names the setting in errors."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return GrowthLimit(float(value))
    if isinstance(value, str) and (percent := _PERCENTAGE_PATTERN.fullmatch(value.strip())):
        return GrowthLimit(float(percent[1]), is_percent=True)
    raise ConfigError(f'{where} = {value!r} must be a share of the base, such as "5%", or a number from 0')
