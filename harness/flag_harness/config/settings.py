"""The settings of a project, and how they are read from its `pyproject.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flag_harness.errors import ConfigError
from flag_harness.flags import SHIPPED, Flag

SHIPPED_AGENT = "flag_harness.reference.sweep_agent:ReferenceAgent"
FILTERS = ("headers", "query", "json", "patterns")
"""The kinds of filters: names of headers, names of query parameters, JSON paths, regular expressions."""
NORMALISERS = ("patterns", "json")
"""The kinds of normalisers: regular expressions, JSON paths."""
CREDENTIAL_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"})
"""Headers that no setting keeps."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one project. Directories are relative to the folder of its `pyproject.toml`.

    `hosts` are further hosts of the API. A test that plays recordings may reach `allowed_hosts`, and does not fail if
    it is refused one of `ignore_hosts`.
    """

    agent: str = SHIPPED_AGENT
    model: str = ""
    recordings: str = "recordings"
    fixtures: str = "fixtures"
    logs: str = "logs"
    flags: tuple[Flag, ...] = SHIPPED
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    normalise: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vcr_marks: bool = False
    hosts: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    ignore_hosts: tuple[str, ...] = ()


def read_config(pyproject: Path) -> Config:
    """Read `[tool.flag-harness]`; return the defaults if the file or the table is missing.

    Raise `ConfigError` naming the file, the key, and the nearest key that exists.
    """
    if not pyproject.is_file():
        return Config()
    try:
        tool = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{pyproject}: {error}") from None
    if not isinstance(tool, Mapping):
        return Config()
    if "harness" in tool:
        raise ConfigError(f"{pyproject}: [tool.harness] is not read any more; rename it to [tool.flag-harness]")
    if "flag-harness" not in tool:
        return Config()
    from flag_harness.config.table import parse_config  # imported here: a project without the table does not need it

    return parse_config(tool["flag-harness"], pyproject)
