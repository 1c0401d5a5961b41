"""Find the run to which a run is compared: the passing run of the same test that differs in the fewest flags."""

from collections.abc import Iterable, Mapping, Sequence

from flag_harness.matrix import name_of_test
from flag_harness.record import RunRow
from flag_harness.record.row import RowKey


def nearest_passing_runs(rows: Iterable[RunRow], only_of_failed: bool = False) -> dict[RowKey, RunRow]:
    """Return, by the key of each row, the nearest passing run of its test under another combination, if there is one.

    That is the run that differs in the fewest flags; of several, the one with the fewest changed flags, and the same
    repetition if that one passed. With `only_of_failed`, rows that did not fail have no entry.
    """
    tests: dict[str, list[RunRow]] = {}
    for row in rows:
        if row.values and row.sweep is None:
            tests.setdefault(name_of_test(row.case, row.combination), []).append(row)
    found = {}
    for members in tests.values():
        passing: dict[str, list[RunRow]] = {}
        for row in sorted(members, key=lambda row: (row.combination.count("+"), row.key)):
            if row.outcome == "passed":
                passing.setdefault(row.combination, []).append(row)
        for row in members:
            if only_of_failed and row.outcome != "failed":
                continue
            if (nearest := _nearest_run(row, list(passing.values()))) is not None:
                found[row.key] = nearest
    return found


def _nearest_run(row: RunRow, passing: Sequence[Sequence[RunRow]]) -> RunRow | None:
    """Return the nearest of the passing runs, which are grouped by combination, or None."""
    best: Sequence[RunRow] = ()
    fewest = 0
    for runs in passing:
        count = _count_differences(row.values, runs[0].values)
        if count and (not best or count < fewest):
            best, fewest = runs, count
            if count == 1:
                break
    return next((run for run in best if run.repetition == row.repetition), best[0] if best else None)


def _count_differences(one: Mapping[str, object], other: Mapping[str, object]) -> int:
    return sum(one.get(name) != other.get(name) for name in {**one, **other})
