"""`--harness-sweep-budget=60s`: try the most informative troubles (such as faults) first, and stop when the time is
used up.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

import pytest

from flag_harness.plugin.sweep.summary import BASELINE_NAME
from flag_harness.sweep.troubles import SCHEDULE_PREFIX, Trouble

ALL_TROUBLES, FIRST_TROUBLE_AT_EACH_POINT, OTHER_TROUBLES = "all", "first", "rest"
"""Which troubles of a kind an item runs: all, the first one at each point of the answer, or all except those first
ones.
"""
SweepItemPlans = Iterator[tuple[pytest.Function, str, str]]
"""For each item of a sweep: its test, its kind of trouble, and its share of the troubles of this kind."""
_MAX_NAMED_KINDS = 8


class SweepTimeBudget:
    """The real time that a sweep may take.

    `seconds` is the limit, or None if there is none. `seconds_used` is how long the sweep has been running already.
    """

    def __init__(self, seconds: float | None, seconds_used: float = 0.0) -> None:
        self.seconds = seconds
        self._started = monotonic() - seconds_used
        self._longest_runs: dict[str, float] = {}

    @property
    def is_limited(self) -> bool:
        """True if there is a limit."""
        return self.seconds is not None

    def is_used_up(self, test: str) -> bool:
        """Return whether there is no time for another run of `test`, assuming that it takes as long as its longest run
        so far.
        """
        return self.seconds is not None and self._elapsed() + self._longest_runs.get(test, 0.0) >= self.seconds

    @contextmanager
    def measure_run(self, test: str) -> Iterator[None]:
        """Measure how long a run of `test` takes inside the context, so that `is_used_up` can tell whether another one
        fits.
        """
        started = monotonic()
        try:
            yield
        finally:
            self._longest_runs[test] = max(self._longest_runs.get(test, 0.0), monotonic() - started)

    def _elapsed(self) -> float:
        return monotonic() - self._started


def order_items_by_test(tests: Sequence[pytest.Function], kinds: Sequence[str]) -> SweepItemPlans:
    """Yield (test, kind of trouble, share) for each item of the sweep, test by test.

    `share` says which troubles of the kind the item runs: `all`, `first` or `rest`.
    """
    return ((test, kind, ALL_TROUBLES) for test in tests for kind in kinds)


def order_items_most_informative_first(tests: Sequence[pytest.Function], kinds: Sequence[str]) -> SweepItemPlans:
    """Yield (test, kind of trouble, share) for each item of the sweep, the most informative items first.

    `share` says which troubles of the kind the item runs. The order is:

    1. every test without troubles
    2. each kind of trouble, once at each point of the answer's stream, under one combination of each test function;
       the next kind takes the next combination
    3. the schedules, which are random series of troubles
    4. the same as 2, under all other combinations
    5. all other troubles
    """
    functions: dict[object, list[pytest.Function]] = {}
    for test in tests:
        functions.setdefault((test.parent, test.originalname), []).append(test)
    troubles = [kind for kind in kinds if kind != BASELINE_NAME and not kind.startswith(SCHEDULE_PREFIX)]
    pairs = [
        (kind, _rotate_to_index(runs, index)) for index, kind in enumerate(troubles) for runs in functions.values()
    ]
    if BASELINE_NAME in kinds:
        yield from ((test, BASELINE_NAME, ALL_TROUBLES) for test in tests)
    yield from ((runs[0], kind, FIRST_TROUBLE_AT_EACH_POINT) for kind, runs in pairs)
    yield from ((test, kind, ALL_TROUBLES) for kind in kinds if kind.startswith(SCHEDULE_PREFIX) for test in tests)
    yield from ((test, kind, FIRST_TROUBLE_AT_EACH_POINT) for kind, runs in pairs for test in runs[1:])
    yield from ((test, kind, OTHER_TROUBLES) for kind, runs in pairs for test in runs)


def _rotate_to_index(tests: Sequence[pytest.Function], index: int) -> Sequence[pytest.Function]:
    start = index % len(tests)
    return [*tests[start:], *tests[:start]]


def select_share_of_troubles(share: str, troubles: Sequence[Trouble]) -> Sequence[Trouble]:
    """Return the troubles of a share: `all`, the `first` trouble at each point of the answer, or the `rest`."""
    if share == ALL_TROUBLES:
        return troubles
    first = {one.point: one for one in reversed(troubles)}
    return [one for one in troubles if (first[one.point] is one) == (share == FIRST_TROUBLE_AT_EACH_POINT)]


def lines_about_untried_troubles(counts: Counter[str], seconds: float | None) -> Iterator[str]:
    """Yield a line that counts the troubles that were not tried because the budget was used up."""
    if seconds is None or not (total := counts.total()):
        return
    kinds = [f"{kind} {count}" for kind, count in counts.most_common() if count]
    more = f" and {len(kinds) - _MAX_NAMED_KINDS} more kinds" if len(kinds) > _MAX_NAMED_KINDS else ""
    yield f"not tried within {seconds:g} s: at least {total} troubles ({', '.join(kinds[:_MAX_NAMED_KINDS])}{more})"
