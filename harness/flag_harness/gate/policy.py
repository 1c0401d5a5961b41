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
    test_patterns: TomlTextList = msgspec.field(name="tests")
    required_combinations: _RequiredCombinations = msgspec.field(default=(), name="combinations")
    required_upstream: _RequiredUpstream = msgspec.field(default="live", name="upstream")
    accepts_rebased: TomlBoolean = msgspec.field(default=False, name="rebased")
    imported_patterns: TomlTextList = msgspec.field(default=("**/*.py",), name="imported")
    max_evidence_age: TomlText = msgspec.field(default="", name="max_age")
    max_recording_age: TomlText = ""
    flags_with_verdicts: TomlTextList = msgspec.field(default=(), name="verdicts")
    limit_by_budget_name: TomlTable = msgspec.field(default_factory=dict, name="budget")
    sweep_baseline: TomlText = msgspec.field(default="", name="sweep")
    max_log_errors: _MaxErrorCount | None = msgspec.field(default=None, name="log_errors")
    requires_commits: TomlBoolean = msgspec.field(default=False, name="committed")
    requires_other_person: TomlBoolean = msgspec.field(default=False, name="other_person")
    requires_signature: TomlBoolean = msgspec.field(default=False, name="signed")


class GatePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence (run records) and the approval must show before files may go to PROD.

    Attributes:
        test_patterns: patterns of node ids. Each must match a test, and all tests that match must have passed.
        required_combinations: a selection such as `full` or `2`, or ids of combinations. Each of the tests must have
            passed under each of them.
        required_upstream: `live`, or `simulator` if simulated answers are enough.
        accepts_rebased: True if recordings whose requests were rewritten later (rebased) are enough.
        imported_patterns: patterns of the declared files that the run must have imported.
        max_evidence_age: how old the evidence may be, or None if its age does not matter.
        max_recording_age: how old a recording that a test played may be, or None if its age does not matter.
        flags_with_verdicts: the flags that need the verdict PASS; `all` means every declared flag.
        limit_by_budget_name: the limits for one run of a test, by the names of `[tool.flag-harness.budget]`.
        sweep_baseline: the file that lists the faults that the agent survived before, or empty if no sweep is needed.
        max_log_errors: how many errors the tests may log, or None if the number does not matter.
        requires_commits: True if the tests, scenarios, recordings and settings of the evidence must be committed to
            git.
        requires_other_person: True if the approval must come from somebody who did not write the change.
        requires_signature: True if the commit of the approval must have a signature that git verifies.
    """

    test_patterns: tuple[str, ...]
    required_combinations: str | tuple[str, ...] = ()
    required_upstream: Literal["live", "simulator"] = "live"
    accepts_rebased: bool = False
    imported_patterns: tuple[str, ...] = ("**/*.py",)
    max_evidence_age: timedelta | None = None
    max_recording_age: timedelta | None = None
    flags_with_verdicts: tuple[str, ...] = ()
    limit_by_budget_name: dict[str, float] = {}
    sweep_baseline: str = ""
    max_log_errors: int | None = None
    requires_commits: bool = False
    requires_other_person: bool = False
    requires_signature: bool = False


def parse_policy(table: Mapping[str, Any], where: str) -> GatePolicy:
    """Parse the table `policy` of the gate's settings.

    Raise `ConfigError` if it is invalid; `where` is the start of the message.
    """
    where = f"{where} policy"
    values = msgspec.structs.asdict(convert_table(table, _PolicyTable, where))
    if not values["test_patterns"]:
        raise ConfigError(f'{where} tests = [] requires no test; name at least one: tests = ["tests/test_agent.py::*"]')
    for name, key in (("max_evidence_age", "max_age"), ("max_recording_age", "max_recording_age")):
        values[name] = _parse_age_limit(values[name], f"{where} {key}")
    refuse_unknown_names(values["limit_by_budget_name"], BUDGET_NAMES, f"{where} budget")
    for name, limit in values["limit_by_budget_name"].items():
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit >= 0:
            raise ConfigError(f"{where} budget {name} = {limit!r} must be a number, 0 or more")
    return GatePolicy(**values)


def _parse_age_limit(text: str, where: str) -> timedelta | None:
    if not text:
        return None
    if (age := parse_duration(text)) is None:
        raise ConfigError(f"{where} = {text!r} must be a whole number of days, weeks or hours (30d, 2w, 12h)")
    return age
