"""The number of tests and combinations that support a statement about a flag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from flag_harness.flag import Flag
from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunRow
from flag_harness.wording import count_with_noun

RowsByTest: TypeAlias = Mapping[str, Sequence[RunRow]]
"""Rows of the run record by the node id of their test, with `*` in place of the combination."""
_PASSED_OUTCOMES = ("passed", "xpassed")
_JUDGED_OUTCOMES = (*_PASSED_OUTCOMES, "failed")


@dataclass(frozen=True, slots=True)
class FlagSupport:
    """The tests that show whether a flag breaks anything: those that passed both with the flag and without it.

    Attributes:
        passed_both_ways_count: the number of such tests.
        ran_both_ways_count: the number of tests that ran both with the flag and without it.
        test_count: the number of tests in the report.
        combination_count: the number of combinations under which the tests that passed ran.
    """

    passed_both_ways_count: int
    ran_both_ways_count: int
    test_count: int
    combination_count: int

    @property
    def no_failure_text(self) -> str:
        """A text for a flag that causes no failures, such as `nothing in 1 test of 18 (8 combinations)`."""
        failed = self.ran_both_ways_count - self.passed_both_ways_count
        absent = self.test_count - self.ran_both_ways_count
        others = [f"{absent:,} did not run with and without it"] if absent else []
        others += [f"{failed:,} did not pass with and without it"] if failed else []
        if not self.passed_both_ways_count:
            return f"unknown: no test {'passed' if self.ran_both_ways_count else 'ran'} with and without it"
        combinations = count_with_noun(self.combination_count, "combination")
        passed = count_with_noun(self.passed_both_ways_count, "test")
        return "; ".join([f"nothing in {passed} of {self.test_count:,} ({combinations})", *others])


def flag_support(tests: RowsByTest, flag: Flag, value: object) -> FlagSupport:
    """Return how many tests ran, and how many passed, both with `value` and with the default of a flag."""
    both = (value, flag.default)
    ran = [
        own for own in tests.values() if all(one in _flag_values_of_runs(own, flag, _JUDGED_OUTCOMES) for one in both)
    ]
    passed = [own for own in ran if all(one in _flag_values_of_runs(own, flag, _PASSED_OUTCOMES) for one in both)]
    combinations = {row.combination for own in passed for row in own if row.outcome in _JUDGED_OUTCOMES}
    return FlagSupport(len(passed), len(ran), len(tests), len(combinations))


def flags_varied_by_no_test(rows: Sequence[RunRow], flags: Sequence[Flag]) -> tuple[str, ...]:
    """Return the names of the flags that no test ran both with and without."""
    tests = group_rows_by_test(rows)
    return tuple(
        flag.name
        for flag in flags
        if not any(
            flag_support(tests, flag, value).ran_both_ways_count for value in flag.values if value != flag.default
        )
    )


def group_rows_by_test(rows: Sequence[RunRow]) -> RowsByTest:
    """Return the rows of each test, under all combinations, by the test. Rows of a sweep over faults are left out."""
    tests: dict[str, list[RunRow]] = {}
    for row in rows:
        if row.sweep is None:
            tests.setdefault(node_id_without_combination(row.case, row.combination), []).append(row)
    return tests


def _flag_values_of_runs(rows: Sequence[RunRow], flag: Flag, outcomes: Sequence[str]) -> list[object]:
    """Return the values that a flag has in those of the rows that have one of the outcomes in `outcomes`."""
    return [row.values[flag.name] for row in rows if row.outcome in outcomes and flag.name in row.values]
