"""Convert the `[tool.flag-harness]` table to settings.

This module is imported only if a project has the table, because it needs msgspec.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from flag_harness.config.command_tables import parse_diff_settings, parse_sweep_settings
from flag_harness.config.privacy import parse_detector_settings, require_valid_pattern
from flag_harness.config.settings import (
    BUDGET_NAMES,
    CREDENTIAL_HEADERS,
    FILTER_KINDS,
    NORMALISER_KINDS,
    SHIPPED_AGENT,
    Config,
)
from flag_harness.errors import ConfigError, FlagError
from flag_harness.flag import (
    EXPECTED_FIGURES,
    SET_FLAGS_FIXTURE,
    SHIPPED_FLAGS,
    SOURCE_EXAMPLES,
    SOURCE_KINDS,
    Flag,
    nearest_name_hint,
    value_label,
)
from flag_harness.matrix import flag_space
from flag_harness.toml_tables import TomlTable, TomlText, TomlTextList, convert_table, refuse_unknown_names

_FilterTable = msgspec.defstruct("_FilterTable", [(kind, TomlTextList, ()) for kind in FILTER_KINDS])
_NormaliserTable = msgspec.defstruct("_NormaliserTable", [(kind, TomlTextList, ()) for kind in NORMALISER_KINDS])


_BudgetLimit: TypeAlias = Annotated[float, msgspec.Meta(ge=0, description="a number from 0")]
_BudgetTable = msgspec.defstruct("_BudgetTable", [(name, _BudgetLimit, None) for name in BUDGET_NAMES])


class _HeaderTable(msgspec.Struct):
    """The keys of `[tool.flag-harness.headers]`: `keep` names response headers to record."""

    keep: TomlTextList = ()


_FlagNames: TypeAlias = Annotated[tuple[str, ...], msgspec.Meta(description="a list of flags' names")]


_BorderSetting: TypeAlias = Annotated[Literal["test", "run"], msgspec.Meta(description='"test" or "run"')]
_TimeSetting: TypeAlias = Annotated[Literal["virtual", "real"], msgspec.Meta(description='"virtual" or "real"')]


_MarginSetting: TypeAlias = Annotated[
    float, msgspec.Meta(gt=0, le=1, description="a number above 0, at most 1, such as 0.1")
]


class _FlagTable(msgspec.Struct):
    """The keys of a flag in `[tool.flag-harness.flags]`; docs/flags.md explains them."""

    env: TomlText = ""
    openfeature: TomlText = ""
    set: TomlText = ""
    requires: _FlagNames = ()
    excludes: _FlagNames = ()
    on: TomlText | None = None
    off: TomlText | None = None
    default: Any = None
    values: Any = None
    margin: _MarginSetting | None = None
    expect: dict[str, str] = {}


_VcrMarksSetting: TypeAlias = Annotated[
    bool | Literal["pytest-recording", "pytest-vcr"], msgspec.Meta(description="true or false, or 'pytest-vcr'")
]


class _ConfigTable(msgspec.Struct):
    """The keys of `[tool.flag-harness]`; see `Config` for their meaning."""

    agent: TomlText = SHIPPED_AGENT
    model: TomlText = ""
    recordings: TomlText = "recordings"
    fixtures: TomlText = "fixtures"
    logs: TomlText = "logs"
    flags: Any = None
    groups: Any = None
    filters: Any = None
    normalise: Any = None
    headers: Any = None
    budget: Any = None
    privacy: Any = None
    gate: TomlTable | None = None
    vcr_marks: _VcrMarksSetting = False
    hosts: TomlTextList = ()
    allowed_hosts: TomlTextList = ()
    ignore_hosts: TomlTextList = ()
    time: _TimeSetting = "virtual"
    border: _BorderSetting = "test"
    sweep: Any = None
    diff: Any = None


def parse_config(table: Any, source: Path) -> Config:
    """Convert the `[tool.flag-harness]` table to a `Config`. Errors name the file `source`."""
    where = f"{source}: [tool.flag-harness"
    values = msgspec.structs.asdict(convert_table(table, _ConfigTable, f"{where}]"))
    if isinstance(values["vcr_marks"], bool):
        values["vcr_marks"] = "pytest-recording" if values["vcr_marks"] else ""
    groups = _parse_groups(values.pop("groups") or {}, table.get("flags"), f"{where}.groups]")
    values["flags"] = _parse_flags(table["flags"], groups, f"{where}.flags]") if "flags" in table else SHIPPED_FLAGS
    values["filters"] = _parse_table_of_lists(table.get("filters", {}), _FilterTable, f"{where}.filters]")
    values["normalise"] = _parse_table_of_lists(table.get("normalise", {}), _NormaliserTable, f"{where}.normalise]")
    values["headers"] = _parse_headers(table.get("headers", {}), f"{where}.headers]")
    values["budget"] = _parse_budget(table.get("budget", {}), f"{where}.budget]")
    if "privacy" in table:
        values["privacy"] = parse_detector_settings(table["privacy"], f"{where}.privacy]")
    if "sweep" in table:
        values["sweep"] = parse_sweep_settings(table["sweep"], f"{where}.sweep]")
    values["diff"] = parse_diff_settings(table.get("diff", {}), f"{where}.diff]")
    return Config(**values)


def _parse_budget(table: Any, where: str) -> dict[str, float]:
    limits = msgspec.structs.asdict(convert_table(table, _BudgetTable, where))
    return {name: limit for name, limit in limits.items() if limit is not None}


def _parse_groups(table: Any, flags: Any, where: str) -> dict[str, tuple[str, ...]]:
    """Return, for each flag that belongs to a group, the names of all flags in that group."""
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of lists of flags, of which exactly one is on: search = ["a", "b"]')
    groups: dict[str, tuple[str, ...]] = {}
    for name, members in table.items():
        if not isinstance(members, list) or len(members) < 2 or not all(isinstance(one, str) for one in members):
            raise ConfigError(f"{where} {name} = {members!r} must be a list of at least two flags' names")
        refuse_unknown_names(members, flags if isinstance(flags, Mapping) else (), f"{where} {name}", "flag")
        for member in members:
            if member in groups or members.count(member) > 1:
                raise ConfigError(f"{where} {name} has the flag {member!r} twice, or in a second group; remove one")
        groups.update(dict.fromkeys(members, tuple(members)))
    return groups


def _parse_flags(table: Any, groups: Mapping[str, tuple[str, ...]], where: str) -> tuple[Flag, ...]:
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of flags: streaming = "ENABLE_STREAMING"')
    parsed = (_parse_flag(name, value, where) for name, value in table.items())
    flags = tuple(replace(flag, group=groups.get(flag.name, ())) for flag in parsed)
    try:
        flag_space(flags)
    except FlagError as error:
        raise ConfigError(f"{where} {error}") from None
    return flags


def _parse_flag(name: str, value: Any, where: str) -> Flag:
    if isinstance(value, str):
        return Flag(name, value)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} {name} = {value!r} must be a variable's name, or a table with {SOURCE_EXAMPLES}")
    flag = convert_table(value, _FlagTable, f"{where} {name}")
    _require_flag_source(flag, value, f"{where} {name}")
    refuse_unknown_names(flag.expect, EXPECTED_FIGURES, f"{where} {name} expect")
    if wrong := [figure for figure, direction in flag.expect.items() if direction not in ("lower", "higher")]:
        raise ConfigError(f'{where} {name} expect.{wrong[0]} = {flag.expect[wrong[0]]!r} must be "lower" or "higher"')
    if flag.values is not None:
        return _add_verdict_settings(_parse_flag_with_values(name, flag, f"{where} {name}"), flag)
    default = False if flag.default is None else flag.default
    if not isinstance(default, bool):
        raise ConfigError(f"{where} {name} default = {default!r} must be true or false, or one of values = [...]")
    on = flag.on if flag.on is not None or default else "true"
    off = flag.off if flag.off is not None or not default else "false"
    parsed = Flag(
        name, flag.env, flag.requires, on, off, default, flag.excludes, openfeature=flag.openfeature, set=flag.set
    )
    return _add_verdict_settings(parsed, flag)


def _add_verdict_settings(parsed: Flag, flag: _FlagTable) -> Flag:
    """Return `parsed` with the settings for verdicts in the table `flag`: the margin (the tolerated loss), and the
    expected directions of figures.
    """
    return replace(parsed, margin=flag.margin, expect=tuple(flag.expect.items()))


def _require_flag_source(flag: _FlagTable, table: Mapping[str, Any], where: str) -> None:
    """Raise `ConfigError` if a flag does not have exactly one valid source, or has `on` or `off` but no variable."""
    kinds = [kind for kind in SOURCE_KINDS if kind in table]
    if not kinds:
        raise ConfigError(f"{where} lacks a source, which must be one of {SOURCE_EXAMPLES}")
    if len(kinds) > 1:
        raise ConfigError(f"{where} has {' and '.join(kinds)}; keep one of them: each flag has one source")
    if not table[kinds[0]]:
        raise ConfigError(f'{where} {kinds[0]} = "" must not be empty')
    if flag.set and ":" not in flag.set and flag.set != SET_FLAGS_FIXTURE:
        raise ConfigError(
            f"{where} set = {flag.set!r} must be module:function, such as 'myapp.settings:override'; "
            f"the nearest fixture is {SET_FLAGS_FIXTURE!r}"
        )
    if not flag.env and (texts := [key for key in ("on", "off") if key in table]):
        raise ConfigError(f"{where} {texts[0]} is the text of a variable, and the flag has {kinds[0]}; remove it")


def _parse_flag_with_values(name: str, flag: _FlagTable, where: str) -> Flag:
    """Parse a flag whose `values` are a list of values, or a table that maps short names to values."""
    if not isinstance(flag.values, (list, dict)) or len(flag.values) < 2:
        raise ConfigError(f'{where} values = {flag.values!r} must be a list or table of at least two: ["a", "b"]')
    if isinstance(flag.values, dict):
        labels, values = tuple(flag.values), tuple(flag.values.values())
    else:
        labels, values = tuple(map(value_label, flag.values)), tuple(flag.values)
    if not any(isinstance(value, bool) for value in values) and (flag.on is not None or flag.off is not None):
        raise ConfigError(f"{where} has on or off, and no value is true or false; drop them")
    default = values[0] if flag.default is None else flag.default
    known = next((value for value in values if type(value) is type(default) and value == default), None)
    if known is None and default in labels:
        known = values[labels.index(default)]
    if known is None:
        raise ConfigError(
            f"{where} default = {default!r} is none of its values; {nearest_name_hint(str(default), labels)}"
        )
    on, off = flag.on if flag.on is not None else "true", flag.off
    if off is None and known is True and all(isinstance(value, bool) for value in values):
        off = "false"  # unset, the variable would leave the flag on
    return Flag(
        name,
        flag.env,
        flag.requires,
        on,
        off,
        known,
        flag.excludes,
        values,
        labels,
        openfeature=flag.openfeature,
        set=flag.set,
    )


def _parse_table_of_lists(table: Any, kind: type[msgspec.Struct], where: str) -> dict[str, tuple[str, ...]]:
    """Convert a table of lists to tuples by key. Raise `ConfigError` naming the file if a pattern is invalid."""
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of lists: patterns = ["internal-[0-9]+"]')
    lists = msgspec.structs.asdict(convert_table(table, kind, where))
    for pattern in lists["patterns"]:
        require_valid_pattern(pattern, f"{where} patterns:")
    return {key: lists[key] for key in table}


def _parse_headers(table: Any, where: str) -> dict[str, tuple[str, ...]]:
    """Convert the table of response headers to keep beyond the allow-list to `{"keep": names}`, or `{}` for none."""
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of lists: keep = ["x-gateway-*"]')
    keep = convert_table(table, _HeaderTable, where).keep
    for name in keep:
        if name.strip().lower() in CREDENTIAL_HEADERS:
            raise ConfigError(f"{where} keep: {name!r} carries a credential and is never kept; remove it from the list")
    return {"keep": keep} if keep else {}
