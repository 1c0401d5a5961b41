"""Find the run to which a run is compared: the passing run of the same test that differs in the fewest flags."""

from collections.abc import Iterable, Iterator, Sequence
from operator import ne
from typing import TypeAlias

from flag_harness.matrix import node_id_of_all_combinations
from flag_harness.record import RunRow
from flag_harness.record.row import RowKey

_FlagValueIndices: TypeAlias = tuple[int, ...]


def nearest_passing_runs(rows: Iterable[RunRow], only_of_failed: bool = False) -> dict[RowKey, RunRow]:
    """Return, by the key of each row, the nearest passing run of its test under another combination, if there is one.

    That is the run that differs in the fewest flags; of several, the one with the fewest changed flags, and the same
    repetition if that one passed. With `only_of_failed`, rows that did not fail have no entry.
    """
    tests: dict[str, list[RunRow]] = {}
    for row in rows:
        if row.values and row.sweep is None:
            tests.setdefault(node_id_of_all_combinations(row.case, row.combination), []).append(row)
    found = {}
    for members in tests.values():
        passing = _PassingRuns(members)
        for row in members:
            if only_of_failed and row.outcome != "failed":
                continue
            if (nearest := passing.find_nearest(row)) is not None:
                found[row.key] = nearest
    return found


class _PassingRuns:
    """The passing runs of a test, by the indices of their flags' values; those with the fewest changed flags first."""

    def __init__(self, members: Sequence[RunRow]) -> None:
        self._values: dict[str, list[object]] = {}
        for name, value in (pair for row in members for pair in row.values.items()):
            known = self._values.setdefault(name, [None])
            if value not in known:
                known.append(value)
        self._runs: dict[_FlagValueIndices, list[RunRow]] = {}
        for row in sorted(members, key=lambda row: (row.combination.count("+"), row.key)):
            if row.outcome == "passed":
                self._runs.setdefault(self._value_indices(row), []).append(row)
        self._order = {indices: number for number, indices in enumerate(self._runs)}

    def find_nearest(self, row: RunRow) -> RunRow | None:
        """Return the nearest passing run, or None if no other combination passed."""
        own = self._value_indices(row)
        near = (one for one in self._rows_with_one_change(own) if one in self._order)
        # all runs are compared only if none differs in a single flag, which is rare and takes long
        best = min(near, key=self._order.__getitem__, default=None) or min(
            (one for one in self._runs if one != own), key=lambda one: sum(map(ne, one, own)), default=None
        )
        runs = self._runs[best] if best else []
        return next((run for run in runs if run.repetition == row.repetition), runs[0] if runs else None)

    def _value_indices(self, row: RunRow) -> _FlagValueIndices:
        """Return the index of each flag's value in a run. A flag that the run does not have counts as None."""
        return tuple(known.index(row.values.get(name)) for name, known in self._values.items())

    def _rows_with_one_change(self, own: _FlagValueIndices) -> Iterator[_FlagValueIndices]:
        for flag, known in enumerate(self._values.values()):
            yield from ((*own[:flag], value, *own[flag + 1 :]) for value in range(len(known)) if value != own[flag])
