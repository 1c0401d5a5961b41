"""Find the run with which another run is compared: the passing run of the same test that differs in the
fewest flags.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import ne
from typing import TypeAlias

from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunRow
from flag_harness.record.row import RowKey

_FlagValueIndices: TypeAlias = tuple[int, ...]


def nearest_passing_runs(rows: Iterable[RunRow], only_failed: bool = False) -> dict[RowKey, RunRow]:
    """Return the nearest passing run for each run, by the key of the run. A run without one has no entry.

    The nearest run passed under another combination and differs in the fewest flags. If there are several, it is the
    one with the fewest flags that are not at their defaults. The same repetition is preferred. With `only_failed`,
    only failed runs have an entry.
    """
    tests: dict[str, list[RunRow]] = {}
    for row in rows:
        if row.values and row.sweep is None:
            tests.setdefault(node_id_without_combination(row.case, row.combination), []).append(row)
    found = {}
    for members in tests.values():
        passing = _PassingRuns(members)
        for row in members:
            if only_failed and row.outcome != "failed":
                continue
            if (nearest := passing.find_nearest(row)) is not None:
                found[row.key] = nearest
    return found


class _PassingRuns:
    """The passing runs of one test, by the indices of their flag values.

    The runs with the fewest flags that are not at their defaults come first.
    """

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
        """Return the passing run under another combination that differs from `row` in the fewest flags, or None if
        there is none.
        """
        own = self._value_indices(row)
        near = (one for one in self._value_indices_with_one_change(own) if one in self._order)
        # all runs are compared only if none differs in a single flag, which is rare and takes long
        best = min(near, key=self._order.__getitem__, default=None) or min(
            (one for one in self._runs if one != own), key=lambda one: sum(map(ne, one, own)), default=None
        )
        runs = self._runs[best] if best else []
        return next((run for run in runs if run.repetition == row.repetition), runs[0] if runs else None)

    def _value_indices(self, row: RunRow) -> _FlagValueIndices:
        """Return, for each flag of the test, the index of the flag's value in `row`.

        A flag that the run lacks has the value None.
        """
        return tuple(known.index(row.values.get(name)) for name, known in self._values.items())

    def _value_indices_with_one_change(self, value_indices: _FlagValueIndices) -> Iterator[_FlagValueIndices]:
        for flag, known in enumerate(self._values.values()):
            yield from (
                (*value_indices[:flag], value, *value_indices[flag + 1 :])
                for value in range(len(known))
                if value != value_indices[flag]
            )
