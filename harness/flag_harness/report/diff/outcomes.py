"""Find the tests whose outcome differs between two runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from flag_harness.record import RunRow

TestAndCombination: TypeAlias = tuple[str, str]
"""The node id of a test, and the id of its combination."""
_PASSED_OUTCOMES = ("passed", "xpassed")
_COUNTED_OUTCOMES = (*_PASSED_OUTCOMES, "failed")


@dataclass(frozen=True, slots=True)
class OutcomeChanges:
    """The tests whose outcome changed between two runs, as node ids.

    Attributes:
        newly_failing: passed in the first run, at least sometimes, and only failed in the second.
        newly_flaky: only passed in the first run, and failed in some repetitions of the second.
        added_and_failing: not in the first run, and failed in the second.
        newly_passing: failed in the first run, at least sometimes, and only passed in the second.
        no_longer_run: passed or failed in the first run, and did neither in the second.
        new_misses_by_test: requests that a cassette did not have an answer to in the second run only, by test.
    """

    newly_failing: tuple[str, ...]
    newly_flaky: tuple[str, ...]
    added_and_failing: tuple[str, ...]
    newly_passing: tuple[str, ...]
    no_longer_run: tuple[str, ...]
    new_misses_by_test: Mapping[str, tuple[str, ...]]

    @property
    def is_worse(self) -> bool:
        """Whether, in the second run, more tests fail, are flaky, or send requests to which their cassettes have no
        answer.
        """
        return bool(self.newly_failing or self.newly_flaky or self.added_and_failing or self.new_misses_by_test)


def outcome_changes(base: Iterable[RunRow], head: Iterable[RunRow]) -> OutcomeChanges:
    """Return the tests whose outcome differs between the rows of two runs."""
    before, after = _rows_by_test_and_combination(base), _rows_by_test_and_combination(head)
    outcomes = {
        key: (_distinct_outcomes(before.get(key, ())), _distinct_outcomes(after.get(key, ())))
        for key in {**before, **after}
    }
    both = {key: sides for key, sides in outcomes.items() if all(sides)}
    return OutcomeChanges(
        newly_failing=_sorted_node_ids(
            key for key, (old, new) in both.items() if new == {"failed"} and old != {"failed"}
        ),
        newly_flaky=_sorted_node_ids(key for key, (old, new) in both.items() if len(new) > 1 and old == {"passed"}),
        added_and_failing=_sorted_node_ids(key for key, (old, new) in outcomes.items() if not old and "failed" in new),
        newly_passing=_sorted_node_ids(
            key for key, (old, new) in both.items() if new == {"passed"} and old != {"passed"}
        ),
        no_longer_run=_sorted_node_ids(key for key, (old, new) in outcomes.items() if old and not new),
        new_misses_by_test={
            key[0]: misses
            for key in sorted(after)
            if (misses := tuple(sorted(_distinct_misses(after[key]) - _distinct_misses(before.get(key, ())))))
        },
    )


def _rows_by_test_and_combination(rows: Iterable[RunRow]) -> dict[TestAndCombination, list[RunRow]]:
    groups: dict[TestAndCombination, list[RunRow]] = {}
    for row in rows:
        groups.setdefault((row.case, row.combination), []).append(row)
    return groups


def _distinct_outcomes(rows: Sequence[RunRow]) -> set[str]:
    return {
        "passed" if row.outcome in _PASSED_OUTCOMES else row.outcome for row in rows if row.outcome in _COUNTED_OUTCOMES
    }


def _distinct_misses(rows: Sequence[RunRow]) -> set[str]:
    return {miss for row in rows for miss in row.misses}


def _sorted_node_ids(keys: Iterable[TestAndCombination]) -> tuple[str, ...]:
    return tuple(sorted(case for case, _ in keys))
