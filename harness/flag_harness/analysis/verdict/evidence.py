"""Pair the rows of run records into rounds: for each test, the result with a flag minus the result without it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from flag_harness.analysis.verdict.judgment import DEFAULT_MARGIN, FlagEvidence, Stratum
from flag_harness.flag import NO_PREFIX, Flag, value_text
from flag_harness.matrix import name_of_test

if TYPE_CHECKING:
    from flag_harness.record import RunRow

ALL_TESTS = "all tests"
"""The stratum of all tests, each counted equally. One round over all of them is one observation."""

_RESULTS = {"passed": 1.0, "xpassed": 1.0, "failed": 0.0, "xfailed": 0.0}
_OVERLOADED = frozenset({408, 409, 429})
_Setting: TypeAlias = tuple[tuple[str, str], ...]
_Cell: TypeAlias = tuple[str, _Setting]


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A change of one flag that is judged: from `base` to `value`.

    Attributes:
        flag: the name of the flag.
        base: the flag's value in production, or its default.
        value: the value that is judged.
        label: the change as ids of combinations name it, such as `streaming`, `no-concise` or `model=haiku`.
        margin: the loss that counts as too large.
    """

    flag: str
    base: Any
    value: Any
    label: str
    margin: float = DEFAULT_MARGIN


def flag_changes(flag: Flag, base: Any, margin: float = DEFAULT_MARGIN) -> list[FlagChange]:
    """Return the changes of a flag from `base` to each of its other values."""
    changes = []
    for value, label in zip(flag.values, flag.labels, strict=True):
        if value == base:
            continue
        name = f"{flag.name}={label}"
        if flag.is_boolean:
            name = flag.name if value else f"{NO_PREFIX}{flag.name}"
        changes.append(FlagChange(flag.name, base, value, name, margin))
    return changes


def result_of(row: "RunRow") -> float | None:
    """Return 1 if a run passed and 0 if it failed, or None if it says nothing about the agent.

    Runs say nothing that were skipped, refused, or failed in the setup or teardown, or because the live API did: its
    last request broke off, or was answered with a status of the provider's own trouble.
    """
    result = _RESULTS.get(row.outcome)
    if row.phase != "call" or (result == 0.0 and _is_provider_failure(row)):
        return None
    return result


def _is_provider_failure(row: "RunRow") -> bool:
    if "live" not in (row.answered_by, row.recorded_from) or row.faults or not row.requests:
        return False
    status = row.requests[-1].status
    return status is None or status in _OVERLOADED or status >= 500


def collect_evidence(rows: "Iterable[RunRow]", changes: Sequence[FlagChange]) -> tuple[FlagEvidence, ...]:
    """Return what run records say about each change.

    Two rows make a round if they belong to the same test and repetition, and differ in this flag alone. The strata are
    the tests, each under each setting of the other flags, and all of them together.
    """
    kept = [row for row in rows if row.values]
    return tuple(_evidence(kept, change) for change in changes)


@dataclass(slots=True)
class _Arms:
    """The results of one cell by repetition, without and with the flag, and whether any row has the flag's value."""

    off: dict[int, float] = field(default_factory=dict)
    on: dict[int, float] = field(default_factory=dict)
    has_value: bool = False

    @property
    def gains(self) -> dict[int, float]:
        return {number: self.on[number] - self.off[number] for number in sorted(self.off.keys() & self.on.keys())}


def _evidence(rows: "Sequence[RunRow]", change: FlagChange) -> FlagEvidence:
    arms: dict[_Cell, _Arms] = {}
    obstacles: dict[str, None] = {}
    for row in rows:
        value = row.values.get(change.flag, change)
        if value not in (change.base, change.value):
            continue
        others = tuple(sorted((name, value_text(one)) for name, one in row.values.items() if name != change.flag))
        cell = arms.setdefault((name_of_test(row.case, row.combination), others), _Arms())
        cell.has_value = cell.has_value or value == change.value
        if row.rebased:
            obstacles[f"{row.cassette} was rebased and not recorded again"] = None
        if (result := result_of(row)) is not None:
            (cell.off if value == change.base else cell.on)[row.repetition] = result
    return FlagEvidence(change.label, tuple(_strata(arms)), change.margin, tuple(obstacles))


def _strata(arms: Mapping[_Cell, _Arms]) -> Iterable[Stratum]:
    """Yield a stratum for each cell that ran with the flag's value, and one for all of them.

    The other cells belong to tests that leave the flag alone, or to comparisons of other flags.
    """
    rounds = {cell: one.gains for cell, one in arms.items() if one.has_value}
    settings = {others for _, others in rounds}
    for (test, others), gains in rounds.items():
        name = test if len(settings) == 1 else f"{test} under {_setting_text(others, settings)}"
        yield Stratum(name, tuple(gains.values()))
    if len(rounds) > 1:
        numbers = set.intersection(*(set(gains) for gains in rounds.values()))
        means = (math.fsum(gains[number] for gains in rounds.values()) / len(rounds) for number in sorted(numbers))
        yield Stratum(ALL_TESTS, tuple(means))


def _setting_text(others: _Setting, settings: Iterable[_Setting]) -> str:
    """Return the values of the flags in which the settings differ."""
    same = set.intersection(*(set(one) for one in settings))
    return ", ".join(f"{name}={value}" for name, value in others if (name, value) not in same) or "the same flags"
