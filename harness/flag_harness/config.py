"""`[tool.flag-harness]` in `pyproject.toml`: which agent, which flags, which model, which directories."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from flag_harness.errors import ConfigError, FlagError
from flag_harness.flags import SHIPPED, Flag, check_flags

SHIPPED_AGENT = "flag_harness.reference.sweep_agent:ReferenceAgent"
FILTERS = ("headers", "query", "json", "patterns")
"""The kinds of filters: names of headers, names of query parameters, JSON paths, regular expressions."""
NORMALISERS = ("patterns", "json")
"""The kinds of normalisers: regular expressions, JSON paths."""
_LISTS = {"filters": FILTERS, "normalise": NORMALISERS}


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one project. Directories are relative to the folder of its `pyproject.toml`."""

    agent: str = SHIPPED_AGENT
    model: str = ""
    recordings: str = "recordings"
    fixtures: str = "fixtures"
    logs: str = "logs"
    flags: tuple[Flag, ...] = SHIPPED
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    normalise: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vcr_marks: bool = False


def read_config(pyproject: Path) -> Config:
    """Read `[tool.flag-harness]`; all defaults where the file or the table does not exist.

    Raises `ConfigError` naming the file, the key, and the nearest key that exists.
    """
    if not pyproject.is_file():
        return Config()
    try:
        document = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{pyproject}: {error}") from None
    tool = document.get("tool", {})
    return parse_config(tool.get("flag-harness", {}) if isinstance(tool, Mapping) else {}, pyproject)


def parse_config(table: Any, source: Path) -> Config:
    """The `[tool.flag-harness]` table as a `Config`; `source` is named in errors."""
    where = f"{source}: [tool.flag-harness]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table, not {table!r}")
    _refuse_unknown(table, (one.name for one in fields(Config)), where)
    values: dict[str, Any] = dict(table)
    for key, value in values.items():
        if key not in ("flags", "vcr_marks", *_LISTS) and not isinstance(value, str):
            raise ConfigError(f"{where} {key} = {value!r} must be a string")
    if not isinstance(values.get("vcr_marks", False), bool):
        raise ConfigError(f"{where} vcr_marks = {values['vcr_marks']!r} must be true or false")
    if "flags" in values:
        values["flags"] = _flags(values["flags"], f"{source}: [tool.flag-harness.flags]")
    for key in _LISTS.keys() & values.keys():
        values[key] = _lists(values[key], _LISTS[key], f"{source}: [tool.flag-harness.{key}]")
    return Config(**values)


def _flags(table: Any, where: str) -> tuple[Flag, ...]:
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of flags: streaming = "ENABLE_STREAMING"')
    flags = tuple(_flag(name, value, where) for name, value in table.items())
    try:
        check_flags(flags)
    except FlagError as error:
        raise ConfigError(f"{where} {error}") from None
    return flags


def _lists(table: Any, known: Sequence[str], where: str) -> dict[str, tuple[str, ...]]:
    """Lists of strings by kind; the patterns are tried, so that a mistake is told with the name of the file."""
    if not isinstance(table, Mapping):
        raise ConfigError(f'{where} must be a table of lists: patterns = ["internal-[0-9]+"]')
    _refuse_unknown(table, known, where)
    for key, values in table.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ConfigError(f"{where} {key} = {values!r} must be a list of strings")
    for pattern in table.get("patterns", ()):
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{where} patterns: {pattern!r} is not a regular expression: {error}") from None
    return {key: tuple(values) for key, values in table.items()}


def _flag(name: str, value: Any, where: str) -> Flag:
    if isinstance(value, str):
        return Flag(name, value)
    if not isinstance(value, Mapping) or not isinstance(value.get("env"), str):
        raise ConfigError(f'{where} {name} must be a variable\'s name, or {{ env = "NAME", requires = [...] }}')
    _refuse_unknown(value, ("env", "requires"), f"{where} {name}")
    requires = value.get("requires", [])
    if not isinstance(requires, list) or not all(isinstance(item, str) for item in requires):
        raise ConfigError(f"{where} {name}.requires = {requires!r} must be a list of flags' names")
    return Flag(name, value["env"], tuple(requires))


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            nearest = difflib.get_close_matches(key, names, n=1, cutoff=0.0)[0]
            raise ConfigError(f"{where} has no key {key!r}; the nearest is {nearest!r} (all: {', '.join(names)})")
