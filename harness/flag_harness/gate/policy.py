"""The policy of the gate: what the evidence must show before files may go to PROD."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from flag_harness.config.settings import BUDGET_NAMES
from flag_harness.durations import parse_duration
from flag_harness.errors import ConfigError
from flag_harness.toml_tables import TomlBoolean, TomlTable, TomlText, TomlTextList, convert_table, refuse_unknown_names

_RequiredUpstream: TypeAlias = Annotated[
    Literal["live", "simulator"], msgspec.Meta(description="'live', or 'simulator' if simulated answers are enough")
]
_RequiredCombinations: TypeAlias = Annotated[
    str | tuple[str, ...], msgspec.Meta(description="full, 2, 3, 4 or single, or a list of ids of combinations")
]
_MaxErrorCount: TypeAlias = Annotated[int, msgspec.Meta(ge=0, description="a whole number, 0 or more")]


class _PolicyTable(msgspec.Struct):
    tests: TomlTextList
    combinations: _RequiredCombinations = ()
    upstream: _RequiredUpstream = "live"
    rebased: TomlBoolean = False
    imported: TomlTextList = ("**/*.py",)
    max_age: TomlText = ""
    max_recording_age: TomlText = ""
    verdicts: TomlTextList = ()
    budget: TomlTable = {}
    sweep: TomlText = ""
    log_errors: _MaxErrorCount | None = None
    committed: TomlBoolean = False
    other_person: TomlBoolean = False
    signed: TomlBoolean = False


class GatePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence (run records) and the approval must show before files may go to PROD.

    Attributes:
        tests: patterns of node ids. Each must match a test, and all tests that match must have passed.
        combinations: a selection such as `full` or `2`, or ids of combinations. Each of the tests must have passed
            under each of them.
        upstream: `live`, or `simulator` if simulated answers are enough.
        rebased: True if recordings whose requests were rewritten later (rebased) are enough.
        imported: patterns of the declared files that the run must have imported.
        max_age: how old the evidence may be, or None if its age does not matter.
        max_recording_age: how old a recording that a test played may be, or None if its age does not matter.
        verdicts: the flags that need the verdict PASS; `all` means every declared flag.
        budget: the limits for one run of a test, by the names of `[tool.flag-harness.budget]`.
        sweep: the file that lists the faults that the agent survived before, or empty if no sweep is needed.
        log_errors: how many errors the tests may log, or None if the number does not matter.
        committed: True if the tests, scenarios, recordings and settings of the evidence must be committed to git.
        other_person: True if the approval must come from somebody who did not write the change.
        signed: True if the commit of the approval must have a signature that git verifies.
    """

    tests: tuple[str, ...]
    combinations: str | tuple[str, ...] = ()
    upstream: Literal["live", "simulator"] = "live"
    rebased: bool = False
    imported: tuple[str, ...] = ("**/*.py",)
    max_age: timedelta | None = None
    max_recording_age: timedelta | None = None
    verdicts: tuple[str, ...] = ()
    budget: dict[str, float] = {}
    sweep: str = ""
    log_errors: int | None = None
    committed: bool = False
    other_person: bool = False
    signed: bool = False


def parse_policy(table: Mapping[str, Any], where: str) -> GatePolicy:
    """Parse the table `policy` of the gate's settings.

    Raise `ConfigError` if it is invalid; `where` is the start of the message.
    """
    where = f"{where} policy"
    values = msgspec.structs.asdict(convert_table(table, _PolicyTable, where))
    if not values["tests"]:
        raise ConfigError(f'{where} tests = [] requires no test; name at least one: tests = ["tests/test_agent.py::*"]')
    for key in ("max_age", "max_recording_age"):
        values[key] = _parse_age_limit(values[key], f"{where} {key}")
    refuse_unknown_names(values["budget"], BUDGET_NAMES, f"{where} budget")
    for name, limit in values["budget"].items():
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit >= 0:
            raise ConfigError(f"{where} budget {name} = {limit!r} must be a number, 0 or more")
    return GatePolicy(**values)


def _parse_age_limit(text: str, where: str) -> timedelta | None:
    if not text:
        return None
    if (age := parse_duration(text)) is None:
        raise ConfigError(f"{where} = {text!r} must be a whole number of days, weeks or hours (30d, 2w, 12h)")
    return age
