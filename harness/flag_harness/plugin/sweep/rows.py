"""Build the rows of the run record for a sweep over tests: one for each test, combination and kind of trouble."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.stash import COMBINATION
from flag_harness.plugin.sweep.summary import group_by_cause
from flag_harness.sweep.judge import PlayResult

if TYPE_CHECKING:
    from flag_harness.record import Outcome, RunRow, SweepRecord

_EXCLUDED = "it ran under the troubles of a sweep"


def sweep_row(
    item: pytest.Item,
    test: pytest.Item,
    kind: str,
    results: Sequence[PlayResult],
    report: pytest.TestReport,
    mask: Callable[[str], str],
) -> "RunRow":
    """Return the row of an item of the sweep. `mask` takes secrets out of a text."""
    from flag_harness.record import RunRow  # imported here: other runs do not need it

    found = _sweep_record(test.nodeid, kind, results, mask)
    first = found.causes[0] if found.causes else None
    combination = test.stash.get(COMBINATION, None)
    outcome: Outcome = report.outcome
    skipped = str(report.longrepr[2]) if report.skipped and isinstance(report.longrepr, tuple) else ""
    return RunRow(
        case=item.nodeid,
        combination=combination.id if combination else "",
        values=combination.values if combination else {},
        outcome=outcome,
        reason=f"{first.oracle}: {first.reason}" if first else mask(skipped),
        place=first.place if first else "",
        excluded_from_effects=_EXCLUDED,
        duration=round(report.duration, 4),
        sweep=found,
    )


def _sweep_record(nodeid: str, kind: str, results: Sequence[PlayResult], mask: Callable[[str], str]) -> "SweepRecord":
    from flag_harness.record import SweepCause, SweepRecord

    counts = Counter(one.outcome for one in results if one.outcome != "does not apply")
    causes = []
    for group in group_by_cause([one for one in results if one.findings]):
        first = group[0].findings[0]
        causes.append(SweepCause(first.oracle, mask(first.reason), first.place, len(group), group[0].trouble))
    return SweepRecord(nodeid, kind, dict(sorted(counts.items())), tuple(causes))
