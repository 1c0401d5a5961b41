"""The settings of a project, read from its `pyproject.toml` or pytest.ini."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from flag_harness.config.ini import read_ini_table
from flag_harness.config.root import find_root
from flag_harness.errors import ConfigError
from flag_harness.flag import SHIPPED_FLAGS, Flag

_TABLE_NAME = "flag-harness"
"""The table of `pyproject.toml` under `tool`."""

SHIPPED_AGENT = "flag_harness.reference.sweep_agent:ReferenceAgent"
FILTER_KINDS = ("headers", "query", "json", "patterns")
"""The kinds of filters for secrets: header names, query parameters, JSON paths, regular expressions."""
BUDGET_NAMES = ("cost", "requests", "input_tokens", "output_tokens", "seconds")
"""What a budget limits: US dollars at list price, requests, tokens, seconds until the last answer."""
DIFF_FIGURES = (
    "cost",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "first_token",
    "seconds",
    "longest_gap",
    "requests",
    "errors",
)
"""The figures that `flag-harness report diff` can limit."""
NORMALISER_KINDS = ("patterns", "json")
"""The two ways to say which parts of a request matching ignores: regular expressions, and JSON paths."""
PrivacyAction = Literal["mask", "refuse", "warn"]
"""What to do with personal data in a recording: replace the data, refuse to write, or write and warn."""
PRIVACY_ACTIONS: tuple[PrivacyAction, ...] = get_args(PrivacyAction)
CREDENTIAL_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"})
"""Headers that carry credentials: no setting can make a cassette keep them."""


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """The pattern or `module:function` that finds one kind of personal data, and what to do with the data."""

    pattern: str = ""
    function: str = ""
    action: PrivacyAction = "mask"


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """The settings of a sweep, which tries faults and unusual answers on a project's tests.

    Attributes:
        tool_mode: what the agent's tools do in a sweep: `real` runs them each time, `record` once, `stub` never. Empty
            if the project does not say.
        reported_exceptions: the exceptions, as `module.Class`, with which the agent reports a failure to its user.
        hang_seconds: the real seconds after which a test counts as hung.
        checks_assertions: True if the tests' own assertions must hold in runs in which the agent has recovered.
        usage_function: a function, as `module:function`, that returns the tokens that the agent reports; empty if it
            has none.
        tool_functions: the functions that are the agent's tools, as `module:function`; None if the project does not
            say.
        tool_stubs: the values that these functions return in the mode `stub`, by function name.
    """

    tool_mode: Literal["", "real", "record", "stub"] = ""
    reported_exceptions: tuple[str, ...] = ()
    hang_seconds: float = 10.0
    checks_assertions: bool = True
    usage_function: str = ""
    tool_functions: tuple[str, ...] | None = None
    tool_stubs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GrowthLimit:
    """The limit by which a figure may get worse from one run to the next, on average over the tests in both runs.

    `value` is a number in the figure's own unit or, if `is_percent`, a percentage of the figure in the first run.
    """

    value: float
    is_percent: bool = False

    def __str__(self) -> str:
        return f"{self.value:g}{'%' if self.is_percent else ''}"


@dataclass(frozen=True, slots=True)
class DiffSettings:
    """The differences between two runs that make `flag-harness report diff` fail.

    Attributes:
        forbids_new_failures: True if tests may not begin to fail, to be flaky, or to miss recordings.
        forbids_changed_bodies: True if the bodies of requests may not change.
        growth_limits: the limits by which figures may get worse, by the names in `DIFF_FIGURES`.
    """

    forbids_new_failures: bool = True
    forbids_changed_bodies: bool = False
    growth_limits: Mapping[str, GrowthLimit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one project. The fields have the names of the settings (docs/settings.md).

    Attributes:
        agent: the agent that a sweep of one agent runs, as `module:name`.
        model: the model that the reference agent uses; empty for its default.
        recordings, fixtures, logs: folders, relative to the folder of the project's `pyproject.toml`.
        hosts: the hosts of the API besides the known ones.
        allowed_hosts: the other hosts to which a test that plays recordings may connect. A connection to any host that
            is not listed is refused and fails the test.
        ignore_hosts: the hosts to which a refused connection does not fail the test.
        vcr_marks: `pytest-recording` or `pytest-vcr` if the harness plays the `vcr` marks written for that plugin,
            else empty.
        time: whether the code under test runs on a `virtual` or the `real` clock while no request goes to the live API.
        border: `run` if the whole run is kept offline, `test` if only the tests that use the harness are.
        budget: the limits of each test, by the names in `BUDGET_NAMES`.
        privacy: the detectors of personal data, or None if the project has no such table.
        sweep: how to sweep the tests, or None if the project has no such table.
        gate: the table of the gate, which only `flag_harness.gate` checks, or None.
        diff: the differences that make `flag-harness report diff` fail.
    """

    agent: str = SHIPPED_AGENT
    model: str = ""
    recordings: str = "recordings"
    fixtures: str = "fixtures"
    logs: str = "logs"
    flags: tuple[Flag, ...] = SHIPPED_FLAGS
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    normalise: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    privacy: Mapping[str, DetectorSettings] | None = None
    vcr_marks: Literal["", "pytest-recording", "pytest-vcr"] = ""
    hosts: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    ignore_hosts: tuple[str, ...] = ()
    time: Literal["virtual", "real"] = "virtual"
    border: Literal["test", "run"] = "test"
    budget: Mapping[str, float] = field(default_factory=dict)
    gate: Mapping[str, Any] | None = None
    sweep: SweepSettings | None = None
    diff: DiffSettings = field(default_factory=DiffSettings)


def read_config(pyproject: Path) -> Config:
    """Read a project's settings from `[tool.flag-harness]`, or from `flag_harness` in pytest.ini.

    Return the defaults if neither exists. If a setting is invalid, raise `ConfigError` naming the file, the key, and
    the nearest known key.
    """
    found = read_settings_table(pyproject)
    if found is None:
        return Config()
    # imported here: a project without the table does not need it
    from flag_harness.config.table import parse_config
    from flag_harness.toml_tables import find_line_of_error

    if found[1] != pyproject:
        return parse_config(*found)
    try:
        return parse_config(*found)
    except ConfigError as error:
        message = str(error).removeprefix(f"{pyproject}: ")
        line = find_line_of_error(pyproject.read_text(encoding="utf-8"), message)
        raise ConfigError(f"{pyproject}:{line}: {message}") from None


def read_project_config() -> tuple[Path, Config]:
    """Return the root folder that pytest would choose in the current directory, and the settings of the project there.

    The settings are read as in `read_config`.
    """
    root = find_root()
    return root, read_config(root / "pyproject.toml")


def read_settings_table(pyproject: Path) -> tuple[Any, Path] | None:
    """Return the table of a project's settings, unchecked, and the path of its file, or None if no file has one.

    Raise `ConfigError` if a file cannot be decoded, or if two files have settings.
    """
    table = _read_pyproject_table(pyproject)
    own = read_ini_table(pyproject.parent)
    if table is not None and own is not None:
        raise ConfigError(f"{own[1]}: flag_harness is set, and {pyproject} has [tool.flag-harness]; keep one of them")
    return own if table is None else (table, pyproject)


def _read_pyproject_table(pyproject: Path) -> Any:
    """Return the `[tool.flag-harness]` table unchecked, or None if the file has no such table."""
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
        raise ConfigError(f"{pyproject}: [tool.harness] is not read any more; type: flag-harness upgrade")
    for name in tool:
        if name != _TABLE_NAME and re.sub(r"[-_ ]", "", name.lower()) == "flagharness":
            raise ConfigError(f"{pyproject}: [tool.{name}] is not read; write [tool.{_TABLE_NAME}]")
    return tool.get(_TABLE_NAME)
