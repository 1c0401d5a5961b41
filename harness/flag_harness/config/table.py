"""Convert the `[tool.flag-harness]` table. Loaded only if a project has one: it needs msgspec."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec

from flag_harness.config.settings import CREDENTIAL_HEADERS, FILTERS, NORMALISERS, SHIPPED_AGENT, Config
from flag_harness.errors import ConfigError, FlagError
from flag_harness.flags import SHIPPED, Flag, check_flags
from flag_harness.toml_tables import Switch, Text, TextList, convert_table

_FilterTable = msgspec.defstruct("_FilterTable", [(kind, TextList, ()) for kind in FILTERS])
_NormaliserTable = msgspec.defstruct("_NormaliserTable", [(kind, TextList, ()) for kind in NORMALISERS])


class _HeaderTable(msgspec.Struct):
    keep: TextList = ()


_FlagNames: TypeAlias = Annotated[tuple[str, ...], msgspec.Meta(description="a list of flags' names")]


class _FlagTable(msgspec.Struct):
    env: Text
    requires: _FlagNames = ()
    excludes: _FlagNames = ()
    on: Text | None = None
    off: Text | None = None
    default: Switch = False


class _ConfigTable(msgspec.Struct):
    agent: Text = SHIPPED_AGENT
    model: Text = ""
    recordings: Text = "recordings"
    fixtures: Text = "fixtures"
    logs: Text = "logs"
    flags: Any = None
    filters: Any = None
    normalise: Any = None
    headers: Any = None
    vcr_marks: Switch = False
    hosts: TextList = ()
    allowed_hosts: TextList = ()
    ignore_hosts: TextList = ()


def parse_config(table: Any, source: Path) -> Config:
    """Convert the `[tool.flag-harness]` table to a `Config`; `source` is named in errors."""
    where = f"{source}: [tool.flag-harness"
    values = msgspec.structs.asdict(convert_table(table, _ConfigTable, f"{where}]"))
    values["flags"] = _parse_flags(table["flags"], f"{where}.flags]") if "flags" in table else SHIPPED
    values["filters"] = _parse_lists(table.get("filters", {}), _FilterTable, f"{where}.filters]")
    values["normalise"] = _parse_lists(table.get("normalise", {}), _NormaliserTable, f"{where}.normalise]")
    values["headers"] = _parse_headers(table.get("headers", {}), f"{where}.headers]")
    return Config(**values)


def _parse_flags(table: Any, where: str) -> tuple[Flag, ...]:
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of flags: streaming = "ENABLE_STREAMING"')
    flags = tuple(_parse_flag(name, value, where) for name, value in table.items())
    try:
        check_flags(flags)
    except FlagError as error:
        raise ConfigError(f"{where} {error}") from None
    return flags


def _parse_flag(name: str, value: Any, where: str) -> Flag:
    if isinstance(value, str):
        return Flag(name, value)
    if not isinstance(value, Mapping):
        raise ConfigError(
            f'{where} {name} = {value!r} must be a variable\'s name, or {{ env = "NAME", requires = [...] }}'
        )
    flag = convert_table(value, _FlagTable, f"{where} {name}")
    on = flag.on if flag.on is not None or flag.default else "true"
    off = flag.off if flag.off is not None or not flag.default else "false"
    return Flag(name, flag.env, flag.requires, on, off, flag.default, flag.excludes)


def _parse_lists(table: Any, kind: type[msgspec.Struct], where: str) -> dict[str, tuple[str, ...]]:
    """Convert a table of lists; compile the patterns, so that the error for an invalid one names the file."""
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of lists: patterns = ["internal-[0-9]+"]')
    lists = msgspec.structs.asdict(convert_table(table, kind, where))
    for pattern in lists["patterns"]:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{where} patterns: {pattern!r} is not a regular expression: {error}") from None
    return {key: lists[key] for key in table}


def _parse_headers(table: Any, where: str) -> dict[str, tuple[str, ...]]:
    """Convert the table of response headers to keep beyond the allow-list."""
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of lists: keep = ["x-ratelimit-*"]')
    keep = convert_table(table, _HeaderTable, where).keep
    for name in keep:
        if name.strip().lower() in CREDENTIAL_HEADERS:
            raise ConfigError(f"{where} keep: {name!r} carries a credential and is never kept; remove it from the list")
    return {"keep": keep} if keep else {}
