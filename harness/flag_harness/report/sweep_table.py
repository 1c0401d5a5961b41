"""The results of a sweep (tests run under many faults) in a report: outcomes of each kind of trouble, and causes.

A trouble is one fault or unusual answer that the sweep tried.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from flag_harness.record import RunRow
from flag_harness.report.failures.reasons import comparable_reason

TROUBLE_OUTCOMES = ("recovered", "reported", "accepted", "not shown", "known", "failed", "not tried")
"""The outcomes of a trouble, in the order of the table's columns.

`not tried` counts troubles for which the budget of the sweep did not suffice.
"""


@dataclass(frozen=True, slots=True)
class TroubleOutcomeCounts:
    """The number of troubles of one kind with each outcome, in the order of `TROUBLE_OUTCOMES`, over all tests."""

    kind: str
    counts_by_outcome: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CauseCount:
    """A cause of failures in a sweep, and the number of troubles (faults or unusual answers) under which it occurred.

    `oracle` is the rule that was broken. `example_trouble` is one of these troubles, and `test` the test that failed
    under it.
    """

    oracle: str
    reason: str
    location: str
    trouble_count: int
    test: str
    example_trouble: str


@dataclass(frozen=True, slots=True)
class SweepTable:
    """The results of a sweep over tests; both fields are empty if the run was not a sweep."""

    outcome_counts_by_kind: tuple[TroubleOutcomeCounts, ...]
    cause_counts: tuple[CauseCount, ...]


def make_sweep_table(rows: Iterable[RunRow]) -> SweepTable:
    """Return the results of a sweep from its rows. Other rows are ignored."""
    counts: dict[str, Counter[str]] = {}
    causes: dict[tuple[str, str, str], CauseCount] = {}
    for found in (row.sweep for row in rows if row.sweep is not None):
        if found.trouble_kind != "baseline":
            counts.setdefault(found.trouble_kind, Counter()).update(found.count_by_outcome)
        for one in found.causes:
            key = (
                one.oracle,
                one.error_location or comparable_reason(one.reason),
                one.error_location and one.reason.partition(":")[0],
            )
            before = causes.get(key)
            causes[key] = CauseCount(
                before.oracle if before else one.oracle,
                before.reason if before else one.reason,
                one.error_location,
                one.trouble_count + (before.trouble_count if before else 0),
                before.test if before else found.nodeid,
                before.example_trouble if before else one.first_trouble or found.trouble_kind,
            )
    kinds = (
        TroubleOutcomeCounts(kind, tuple(by[name] for name in TROUBLE_OUTCOMES))
        for kind, by in counts.items()
        if by.total()
    )
    return SweepTable(tuple(kinds), tuple(sorted(causes.values(), key=lambda one: -one.trouble_count)))
