"""Compare the runs of one test in pairs that differ only in one flag, and find what changes in the requests."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from flag_harness.analysis.blame import explain_failures
from flag_harness.analysis.effects.request_changes import (
    ABSENT,
    WHOLE_REQUESTS_PATH,
    RequestDifference,
    SentRequest,
    changes_by_path,
    summarize_values,
)
from flag_harness.analysis.effects.volatile import differs_only_in_volatile_words, has_date, mask_volatile_words
from flag_harness.matrix import FlagSpace, Row

_STABLE_PATH_PATTERN = re.compile(r"(?:^|\.)(?:model|type|name|betas\[\*\])$|^header ")
"""Matches paths whose values may look random but are not, such as the id of a model."""


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """One run of a test: its row (the values of all flags) and its requests, from `simplify_requests`.

    `exclusion_reason` says why the run must not be compared, such as `failed`; it is empty otherwise.
    """

    row: Row
    requests: Sequence[SentRequest]
    exclusion_reason: str = ""


NO_REQUEST_SENT = "sent no request"
"""The reason why a pair of runs is not compared if neither of them sent a request."""


@dataclass(frozen=True, slots=True)
class EffectInOneTest:
    """An effect of one flag's value on the requests of one test.

    Attributes:
        flag_index, value_index: the index of the flag in the `FlagSpace`, and the index of its value.
        path: a JSON path, or a name for all of `paths`.
        old_value, new_value: summaries of the values at the path with the flag's default and with the value.
        changed_pair_count: the number of pairs of runs that show the effect.
        pair_count: the number of pairs of runs that were compared.
        condition: the other flag values that the effect needs; empty if all pairs show it.
        test: the name of the test.
        paths: the JSON paths that changed.
    """

    flag_index: int
    value_index: int
    path: str
    old_value: str
    new_value: str
    changed_pair_count: int
    pair_count: int
    condition: str
    test: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _RunPair:
    """Two runs of a test that differ only in one flag, or in which flag of a group is on.

    `flag_index` is its index. In `base_row`, the row (values of all flags) of one run, the flag or group has its
    default; `changed_row` is that of the other run. `changes_by_path` has the differences between their requests, by
    JSON path.
    """

    flag_index: int
    base_row: Row
    changed_row: Row
    changes_by_path: Mapping[str, tuple[RequestDifference, ...]]

    @property
    def flag_value_index(self) -> int:
        """The index of the value that the flag has in `changed_row`."""
        return self.changed_row[self.flag_index]


def flag_group_indices(space: FlagSpace) -> dict[int, set[int]]:
    """Return, for each flag in a group (of which one flag is on), the indices of all flags of the group."""
    indices = {flag.name: index for index, flag in enumerate(space.flags)}
    groups = [{indices[name] for name in group} for group in space.groups]
    return {index: group for group in groups for index in group}


def flags_on_by_default_in_group(space: FlagSpace) -> set[int]:
    """Return the indices of the flags that are on by default in their group (of which exactly one flag is on).

    The runs of the other flags in a group are compared with the runs of this flag.
    """
    return {index for index in flag_group_indices(space) if space.flags[index].values[space.default_row[index]] is True}


class PairedRuns:
    """Compares the runs of one test in pairs that differ only in one flag."""

    def __init__(self, space: FlagSpace, name: str, runs: Sequence[ObservedRun]) -> None:
        self._space, self._name = space, name
        self._groups = flag_group_indices(space)
        self._group_defaults = flags_on_by_default_in_group(space)
        self._cache: dict[tuple[int, int], Mapping[str, tuple[RequestDifference, ...]]] = {}
        self._request_ids: dict[bytes, tuple[int, Sequence[SentRequest]]] = {}
        by_row: dict[Row, list[int]] = {}
        for run in runs:
            if not run.exclusion_reason:
                by_row.setdefault(run.row, []).append(self._id_of_request_sequence(run.requests))
        self._requests = [requests for _, requests in self._request_ids.values()]
        self._unstable_paths = self._find_unstable_paths(ids for ids in by_row.values() if len(ids) > 1)
        self.left_out = self._count_uncompared_pairs(runs, by_row.keys())
        pairs = list(self._pair_runs({row: ids[0] for row, ids in by_row.items()}))
        self.pair_counts = Counter(pair.flag_index for pair in pairs)
        self.volatile_paths: set[str] = set()
        self._random_paths: dict[str, bool] = {}
        self._recurrences = Counter(
            _key_of_equal_changes(pair, change)
            for pair in pairs
            for changes in pair.changes_by_path.values()
            for change in changes
        )
        self._all_pairs = [self._remove_volatile_changes(pair, pairs) for pair in pairs]

    def find_flag_effects(self) -> Iterator[EffectInOneTest]:
        """Yield the effects of flags on this test. Changes at several paths that always come together are one."""
        groups: dict[tuple[int, int], list[_RunPair]] = {}
        for pair in self._all_pairs:
            groups.setdefault((pair.flag_index, pair.flag_value_index), []).append(pair)
        for (flag, value), pairs in groups.items():
            paths = sorted({path for pair in pairs for path in pair.changes_by_path})
            for name, members in _group_paths_into_effects(paths, pairs):
                changed = [pair for pair in pairs if not members.isdisjoint(pair.changes_by_path)]
                before, after = summarize_values(
                    [one for pair in changed for path in members for one in pair.changes_by_path.get(path, ())]
                )
                condition = self._format_required_flag_values(pairs, members)
                yield EffectInOneTest(
                    flag,
                    value,
                    name,
                    before,
                    after,
                    len(changed),
                    len(pairs),
                    condition,
                    self._name,
                    tuple(sorted(members)),
                )

    def _format_required_flag_values(self, pairs: Sequence[_RunPair], members: set[str]) -> str:
        """Return which other flag values an effect needs, such as `streaming and not concise`.

        `members` are the paths of the effect. The text is empty if all pairs show it.
        """
        runs = [(pair.base_row, members.isdisjoint(pair.changes_by_path)) for pair in pairs]
        if not any(unchanged for _, unchanged in runs):
            return ""
        explanation = explain_failures(self._space, runs)
        return " or ".join(str(conjunction) for conjunction in explanation.conjunctions)

    def _id_of_request_sequence(self, requests: Sequence[SentRequest]) -> int:
        """Return a number that is the same for equal sequences of requests, which are compared only once."""
        digest = blake2b()
        for one in requests:
            digest.update(repr(one).encode("utf-8", "surrogatepass"))
        key = digest.digest()
        if key not in self._request_ids:
            self._request_ids[key] = (len(self._request_ids), requests)
        return self._request_ids[key][0]

    def _count_uncompared_pairs(self, runs: Sequence[ObservedRun], comparable: Collection[Row]) -> Counter[str]:
        """Return how many pairs of runs are not compared, by the problem of the run that prevents it.

        If both have a problem, that of the run with the flag's default is ignored. `comparable` are the rows without
        one.
        """
        problems = {run.row: run.exclusion_reason for run in runs if run.row not in comparable}
        rows = {*problems, *comparable}
        pairs = (problems.get(row) or problems.get(base) for _, base, row in self._pair_rows(rows) if problems)
        return Counter(problem for problem in pairs if problem)

    def _pair_runs(self, runs: Mapping[Row, int]) -> Iterator[_RunPair]:
        """Yield the pairs of runs that differ in one flag. Pairs in which no run sent a request are only counted."""
        for index, base, row in self._pair_rows(runs.keys()):
            before, after = runs[base], runs[row]
            if self._requests[before] or self._requests[after]:
                yield _RunPair(index, base, row, self._changes_between(before, after))
            else:
                self.left_out[NO_REQUEST_SENT] += 1

    def _pair_rows(self, rows: Collection[Row]) -> Iterator[tuple[int, Row, Row]]:
        """Yield `(flag, base, row)`: two rows that differ only in this flag, which has its default in `base`."""
        for row in rows:
            for index, default in enumerate(self._space.default_row):
                if row[index] == default or index in self._group_defaults:
                    continue
                if (base := self._row_with_flag_at_default(row, index)) in rows:
                    yield index, base, row

    def _row_with_flag_at_default(self, row: Row, flag: int) -> Row:
        """Return the row with the default of the flag, and with the defaults of the flags in the same group."""
        changed = self._groups.get(flag, {flag})
        return tuple(
            default if index in changed else value
            for index, (value, default) in enumerate(zip(row, self._space.default_row, strict=True))
        )

    def _changes_between(self, before: int, after: int) -> Mapping[str, tuple[RequestDifference, ...]]:
        """Return the differences between two sequences of requests by JSON path. Both are given by their ids."""
        if before == after:
            return {}
        if (before, after) not in self._cache:
            self._cache[before, after] = changes_by_path(self._requests[before], self._requests[after])
        return self._cache[before, after]

    def _find_unstable_paths(self, repetitions: Iterable[Sequence[int]]) -> Mapping[str, bool]:
        """Return the paths whose values differ between repetitions of the same run.

        A path has True if its values differ even with ids, dates and random numbers masked, else False.
        """
        paths: dict[str, bool] = {}
        for first, *others in repetitions:
            for other in others:
                for path, changes in self._changes_between(first, other).items():
                    differs = any(not differs_only_in_volatile_words(change) for change in changes)
                    paths[path] = paths.get(path, False) or differs
        return paths

    def _remove_volatile_changes(self, pair: _RunPair, pairs: Sequence[_RunPair]) -> _RunPair:
        """Return a pair with only the changes due to the flag. Add paths without any to `volatile_paths`."""
        kept: dict[str, tuple[RequestDifference, ...]] = {}
        for path, changes in pair.changes_by_path.items():
            real = tuple(change for change in changes if not self._is_volatile(change, pair, pairs))
            if real:
                kept[path] = real
            else:
                self.volatile_paths.add(path)
        return _RunPair(pair.flag_index, pair.base_row, pair.changed_row, kept)

    def _is_volatile(self, change: RequestDifference, pair: _RunPair, pairs: Sequence[_RunPair]) -> bool:
        """Return whether a change is not due to the flag: the value varies between any two runs."""
        if change.path in self._unstable_paths:
            return self._unstable_paths[change.path] or differs_only_in_volatile_words(change)
        if ABSENT in (change.old_value, change.new_value) or change.path == WHOLE_REQUESTS_PATH:
            return False
        if differs_only_in_volatile_words(change) and not _STABLE_PATH_PATTERN.search(change.path):
            return self._recurrences[_key_of_equal_changes(pair, change)] < 2 or has_date(change)
        if change.path not in self._random_paths:
            self._random_paths[change.path] = self._looks_random(change.path, pairs)
        return self._random_paths[change.path]

    def _looks_random(self, path: str, pairs: Sequence[_RunPair]) -> bool:
        """Return whether a path changes with every flag and hardly ever has a value twice, like a random number."""
        values: dict[Row, str] = {}
        flags: set[int] = set()
        for pair in pairs:
            for change in pair.changes_by_path.get(path, ()):
                if not differs_only_in_volatile_words(change):
                    values[pair.base_row], values[pair.changed_row] = (
                        repr(mask_volatile_words(change.old_value)),
                        repr(mask_volatile_words(change.new_value)),
                    )
                    flags.add(pair.flag_index)
        rows = {row for pair in pairs for row in (pair.base_row, pair.changed_row)}
        return len(flags) >= max(3, len(self._space.flags)) and len({*values.values()}) > len(rows) / 2


def _group_paths_into_effects(paths: Sequence[str], pairs: Sequence[_RunPair]) -> Iterator[tuple[str, set[str]]]:
    """Yield `(name, paths)` for each effect. Paths whose values always change together are one effect.

    If the same key is added at several paths together, the effect has the name `*.key`.
    """
    groups: dict[tuple[str, frozenset[int]], list[str]] = {}
    for path in paths:
        is_added = all(ABSENT in (one.old_value, one.new_value) for one in _changes_at_paths({path}, pairs))
        key = path.rpartition(".")[2] if is_added and "[*]." in path else path
        seen_in = frozenset(index for index, pair in enumerate(pairs) if path in pair.changes_by_path)
        groups.setdefault((key, seen_in), []).append(path)
    for (key, _), members in groups.items():
        yield (f"*.{key}" if len(members) > 1 else members[0]), set(members)


def _key_of_equal_changes(pair: _RunPair, change: RequestDifference) -> tuple[int, int, str, str, str]:
    """Return a key that equal changes have in common: the flag, its value, the path, and the old and the new value."""
    return pair.flag_index, pair.flag_value_index, change.path, repr(change.old_value), repr(change.new_value)


def _changes_at_paths(paths: Iterable[str], pairs: Sequence[_RunPair]) -> list[RequestDifference]:
    """Return the changes at any of these paths, from all pairs."""
    return [change for pair in pairs for path in paths for change in pair.changes_by_path.get(path, ())]
