"""The pairs of runs that are not used to compute the figures of a flag, and the reasons."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from flag_harness.analysis.effects.figures import are_figures_comparable
from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunRow
from flag_harness.wording import join_names

RunPair: TypeAlias = tuple[RunRow, RunRow]
"""A run with a flag, and the run of the same test that differs in this flag alone."""
MAX_LEFT_OUT_TESTS = 4
"""The most tests that a line lists with their numbers of left-out pairs. Further tests are counted."""
_OUTCOMES_WORST_FIRST = ("failed", "inconclusive", "skipped", "xfailed")
_REASON_BY_OUTCOME = {
    "failed": "a run of the pair failed",
    "inconclusive": "a run of the pair is inconclusive",
    "skipped": "a run of the pair was skipped",
    "xfailed": "a run of the pair was expected to fail",
}


@dataclass(frozen=True, slots=True)
class LeftOutPairs:
    """Pairs of runs that are not used to compute the figures of a flag, all for one reason.

    Attributes:
        reason: why the pairs are left out.
        counts_by_test: pairs of a test and the number of its left-out pairs.
        total_pair_count: the number of all pairs of the flag, including those that are compared.
    """

    reason: str
    counts_by_test: tuple[tuple[str, int], ...]
    total_pair_count: int

    @property
    def pair_count(self) -> int:
        """The number of left-out pairs."""
        return sum(count for _, count in self.counts_by_test)


def left_out_texts(left_out: Mapping[str, Sequence[LeftOutPairs]]) -> Iterator[str]:
    """Yield lines that say which pairs of runs are not compared. Flags with the same left-out pairs share a line.

    `left_out` has the left-out pairs of each flag, by the flag's change from its default, such as `streaming`.
    """
    groups: dict[LeftOutPairs, list[str]] = {}
    for setting, own in left_out.items():
        for one in own:
            groups.setdefault(one, []).append(setting)
    for one, settings in groups.items():
        tests = join_names(
            (f"{short_test_name(test)} ({count})" for test, count in one.counts_by_test), MAX_LEFT_OUT_TESTS
        )
        count = f"{one.pair_count} of {one.total_pair_count}"
        yield f"{join_names(settings)}: {count} pairs left out, as {one.reason}: {tests}"


def short_test_name(test: str) -> str:
    """Return the name of a test's function, with its parameters except the combination."""
    return test.rpartition("::")[2].removesuffix("[*]")


def find_left_out_pairs(pairs: Sequence[RunPair]) -> Iterator[LeftOutPairs]:
    """Yield the pairs of runs that are not compared, grouped by the reason."""
    groups: dict[str, Counter[str]] = {}
    for pair in pairs:
        if not are_figures_comparable(pair):
            groups.setdefault(_reason_to_leave_out(pair), Counter())[test_of_row(pair[0])] += 1
    for reason, counts in groups.items():
        yield LeftOutPairs(reason, tuple(counts.most_common()), len(pairs))


def _reason_to_leave_out(pair: RunPair) -> str:
    outcomes = {row.outcome for row in pair}
    for outcome in _OUTCOMES_WORST_FIRST:
        if outcome in outcomes:
            return _REASON_BY_OUTCOME[outcome]
    if excluded := [row.excluded_from_effects for row in pair if row.excluded_from_effects]:
        return f"the test says: {excluded[0]}"
    return "the simulator answered one run of the pair alone"


def test_of_row(row: RunRow) -> str:
    """Return the node id of a row's test, with `*` in place of the combination."""
    return node_id_without_combination(row.case, row.combination)
