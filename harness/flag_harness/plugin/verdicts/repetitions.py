"""`--harness-repeat` and the mark `harness_repeat`: run each test several times under each combination."""

import dataclasses
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from _pytest import python

from flag_harness.plugin.stash import REPETITION_KEY, repetition_index

REPEAT_MARK = "harness_repeat"
_MAX_REPETITIONS = 100_000
_CallSpec: Any = getattr(python, "CallSpec", None) or python.CallSpec2
"""The class of `Function.callspec`, which pytest 9 has renamed."""
_FLAG_MARKS = ("flag_matrix", "flags")


def register_repetition_maker(config: pytest.Config) -> None:
    """Register the plugin that repeats tests. Raise `pytest.UsageError` if the number of runs is not positive."""
    count = config.getoption("--harness-repeat")
    if count is not None and not 1 <= count <= _MAX_REPETITIONS:
        raise pytest.UsageError(f"--harness-repeat={count}: give a number of runs from 1 to {_MAX_REPETITIONS:,}")
    config.pluginmanager.register(RepetitionMaker(count), "flag-harness-repeat")


class RepetitionMaker:
    """Adds an item for each further repetition of a test: `test_a[off]`, `test_a[off-repeat2]`, `test_a[off-repeat3]`.

    The first repetition keeps its name, and so its recording.
    """

    def __init__(self, count: int | None) -> None:
        self._count_for_all_tests = count

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        """Add the repetitions of the items that pytest makes for a test function."""
        found = yield
        return self.add_repetitions(found) if isinstance(found, list) else found

    def add_repetitions(self, found: list[Any]) -> list[Any]:
        """Return the items of a test function, each followed by its repetitions."""
        return [one for item in found for one in (item, *self._further_repetitions(item))]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the items into rounds, each with one repetition of every test.

        So a bad minute of the API affects all combinations.
        """
        items.sort(key=repetition_index)

    def _further_repetitions(self, item: object) -> Iterator[pytest.Function]:
        if not isinstance(item, pytest.Function) or not _uses_harness(item):
            return
        count = self._repetition_count(item)
        if count > 1:
            item.stash[REPETITION_KEY] = 0
        for number in range(1, count):
            yield _make_repetition(item, number)

    def _repetition_count(self, item: pytest.Function) -> int:
        mark = item.get_closest_marker(REPEAT_MARK)
        if mark is None or self._count_for_all_tests is not None:
            return self._count_for_all_tests or 1
        count = mark.args[0] if len(mark.args) == 1 and not mark.kwargs else None
        if not isinstance(count, int) or not 1 <= count <= _MAX_REPETITIONS:
            raise pytest.Collector.CollectError(
                f"{item.nodeid}: @pytest.mark.{REPEAT_MARK} takes the number of runs; "
                f"write @pytest.mark.{REPEAT_MARK}(5)"
            )
        return count


def _uses_harness(item: pytest.Function) -> bool:
    return "harness_combination" in item.fixturenames or any(map(item.get_closest_marker, _FLAG_MARKS))


def _make_repetition(item: pytest.Function, number: int) -> pytest.Function:
    """Return a copy of `item` for the repetition `number`, counted from 0."""
    from flag_harness.plugin.special_runs.extra_combinations import copy_item  # imported here: few runs repeat tests

    spec: Any = getattr(item, "callspec", None) or _CallSpec()
    spec = dataclasses.replace(spec, _idlist=[*spec._idlist, f"repeat{number + 1}"])
    made = copy_item(item, spec)
    made.stash[REPETITION_KEY] = number
    return made
