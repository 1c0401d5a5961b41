"""The settings of a project, and how they are read from its `pyproject.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from flag_harness.config.ini import read_ini_table
from flag_harness.errors import ConfigError
from flag_harness.flag import SHIPPED, Flag

SHIPPED_AGENT = "flag_harness.reference.sweep_agent:ReferenceAgent"
FILTERS = ("headers", "query", "json", "patterns")
"""The kinds of filters: names of headers, names of query parameters, JSON paths, regular expressions."""
BUDGETS = ("cost", "requests", "input_tokens", "output_tokens", "seconds")
"""What can be limited: US dollars at list price, requests, tokens, and seconds until the answers have ended."""
NORMALISERS = ("patterns", "json")
"""The kinds of normalisers: regular expressions, JSON paths."""
Action = Literal["mask", "refuse", "warn"]
"""What happens to personal data that is found: it is replaced, not written at all, or written with a warning."""
ACTIONS: tuple[Action, ...] = get_args(Action)
CREDENTIAL_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"})
"""Headers that no setting keeps."""


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """How personal data of one kind is found, by a pattern or a function `module:function`, and what happens to it."""

    pattern: str = ""
    function: str = ""
    action: Action = "mask"


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one project. Directories are relative to the folder of its `pyproject.toml`.

    `hosts` are further hosts of the API. A test that plays recordings may reach `allowed_hosts`, and does not fail if
    it is refused one of `ignore_hosts`. `vcr_marks` is the plugin whose `vcr` marks are played, or empty. `time`
    is that of the code under test while nothing is live. `budget` holds the limits of each test, by the names in
    `BUDGETS`. `privacy` holds the detectors of personal data, or None if the project has no such table.
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
    privacy: Mapping[str, DetectorSettings] | None = None
    vcr_marks: Literal["", "pytest-recording", "pytest-vcr"] = ""
    hosts: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    ignore_hosts: tuple[str, ...] = ()
    time: Literal["virtual", "real"] = "virtual"
    budget: Mapping[str, float] = field(default_factory=dict)


def read_config(pyproject: Path) -> Config:
    """Read `[tool.flag-harness]`, or `flag_harness` in the pytest.ini beside it; the defaults if there is neither.

    Raise `ConfigError` naming the file, the key, and the nearest key that exists.
    """
    table = _read_pyproject_table(pyproject)
    own = read_ini_table(pyproject.parent)
    if table is not None and own is not None:
        raise ConfigError(f"{own[1]}: flag_harness is set, and {pyproject} has [tool.flag-harness]; keep one of them")
    if table is None and own is None:
        return Config()
    # imported here: a project without the table does not need it
    from flag_harness.config.table import parse_config
    from flag_harness.toml_tables import find_line

    if own is not None:
        return parse_config(*own)
    try:
        return parse_config(table, pyproject)
    except ConfigError as error:
        message = str(error).removeprefix(f"{pyproject}: ")
        line = find_line(pyproject.read_text(encoding="utf-8"), message)
        raise ConfigError(f"{pyproject}:{line}: {message}") from None


def _read_pyproject_table(pyproject: Path) -> Any:
    """Return the table, which may be invalid, or None if the file does not have it."""
    if not pyproject.exists():
        return None
    if not pyproject.is_file():
        raise ConfigError(f"{pyproject}: is not a regular file; put the configuration in one of this name")
    try:
        tool = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{pyproject}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{pyproject}: its values are nested too deeply") from None
    if not isinstance(tool, Mapping):
        return None
    if "harness" in tool:
        raise ConfigError(f"{pyproject}: [tool.harness] is not read any more; rename it to [tool.flag-harness]")
    return tool.get("flag-harness")
