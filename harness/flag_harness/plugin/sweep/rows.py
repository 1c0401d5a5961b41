"""Build the rows of the run record for a sweep over tests: one for each test, combination and kind of trouble."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.stash import COMBINATION_KEY
from flag_harness.plugin.sweep.summary import group_failures_by_cause

if TYPE_CHECKING:
    from flag_harness.plugin.sweep.suite_item import SuiteSweepItem
    from flag_harness.record import Outcome, RunRow, SweepRecord

_EXCLUSION_REASON = "it ran under the troubles of a sweep"
_NOT_TRIED_OUTCOME = "not tried"


def make_sweep_row(item: "SuiteSweepItem", report: pytest.TestReport, mask: Callable[[str], str]) -> "RunRow":
    """Return the run record's row for an item of the sweep. `mask` hides the secrets in a text."""
    from flag_harness.record import RunRow  # imported here: other runs do not need it

    found = _make_sweep_record(item, mask)
    first = found.causes[0] if found.causes else None
    combination = item.test.stash.get(COMBINATION_KEY, None)
    outcome: Outcome = report.outcome
    skipped = str(report.longrepr[2]) if report.skipped and isinstance(report.longrepr, tuple) else ""
    return RunRow(
        case=item.nodeid,
        combination=combination.id if combination else "",
        values=combination.values if combination else {},
        outcome=outcome,
        reason=f"{first.oracle}: {first.reason}" if first else mask(skipped),
        error_location=first.error_location if first else "",
        excluded_from_effects=_EXCLUSION_REASON,
        duration=round(report.duration, 4),
        sweep=found,
    )


def _make_sweep_record(item: "SuiteSweepItem", mask: Callable[[str], str]) -> "SweepRecord":
    from flag_harness.record import SweepCause, SweepRecord

    counts = Counter[str](one.outcome for one in item.results if one.outcome != "does not apply")
    if item.untried_count:
        counts[_NOT_TRIED_OUTCOME] = item.untried_count.total()
    causes = []
    for group in group_failures_by_cause([one for one in item.results if one.findings]):
        first = group[0].findings[0]
        causes.append(SweepCause(first.oracle, mask(first.reason), first.location, len(group), group[0].trouble))
    return SweepRecord(item.test.nodeid, item.kind, dict(sorted(counts.items())), tuple(causes))
