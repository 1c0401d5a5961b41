"""Marks: which flags a test runs under, and what it is allowed to leave undone."""

from collections.abc import Mapping, Sequence

import pytest

from flag_harness.config import Config
from flag_harness.errors import FlagError, HarnessError
from flag_harness.flags import SHIPPED, Flag
from flag_harness.matrix import Combination, matrix, pinned

CONFIG = pytest.StashKey[Config]()
"""The project's `[tool.flag-harness]`."""

MARKS = (
    "flag_matrix(*names): run the test once under every combination of these flags (of all declared ones where none "
    "is named)",
    "flags(**pins): run the test with these flags on or off; the others stay off",
    "faults(*faults): what goes wrong in this test, outermost first: @pytest.mark.faults(overloaded(on=2)), or, "
    "in words, 'overloaded:on=2'",
    "scenario(name): the simulator's scenario, `<fixtures>/scenarios/<name>.toml`",
    "harness_filters(headers=[], query=[], json=[], patterns=[]): what must not be recorded or shown, beside what the "
    "project's filters name",
    "harness_no_request: the test sends no request and has no cassette",
    "harness_unplayed: the test may leave recorded interactions unplayed",
    "harness_misses: the test may send requests that its cassette does not hold",
    "harness_network: the test may reach the network while it plays recordings",
)


def declared_flags(config: pytest.Config) -> tuple[Flag, ...]:
    """The flags of the project under test."""
    return config.stash[CONFIG].flags


def all_flags(config: pytest.Config) -> tuple[Flag, ...]:
    """The flags that a test can run under: those declared, and the shipped ones, which can always be named."""
    return _known(declared_flags(config), SHIPPED)


def combinations_of(node: pytest.Item) -> tuple[Combination, ...]:
    """The combinations that a test, all of its items together, runs under."""
    flags, mark = declared_flags(node.config), node.get_closest_marker("flag_matrix")
    return (pinned_combination(node, flags),) if mark is None else _asked(flags, mark.args, node.nodeid)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test item a combination where the test asks for the matrix."""
    mark = metafunc.definition.get_closest_marker("flag_matrix")
    if mark is None:
        return
    _ask_for_combination(metafunc.fixturenames)
    combinations = _asked(declared_flags(metafunc.config), mark.args, metafunc.definition.nodeid)
    ids = [combination.id for combination in combinations]
    metafunc.parametrize("harness_combination", combinations, ids=ids, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Set the flags of a test that is marked with some, also where it asks for no fixture."""
    if isinstance(item, pytest.Function) and any(item.get_closest_marker(name) for name in ("flag_matrix", "flags")):
        _ask_for_combination(item.fixturenames)


def _ask_for_combination(fixtures: list[str]) -> None:
    if "harness_combination" not in fixtures:
        fixtures.insert(0, "harness_combination")


def pinned_combination(node: pytest.Item, flags: Sequence[Flag]) -> Combination:
    """The combination that the test's `flags` marks pin, the nearest winning; everything off without one."""
    pins: dict[str, bool] = {}
    shipped = SHIPPED if node.get_closest_marker("flags") else ()
    try:
        for mark in reversed(list(node.iter_markers("flags"))):
            pins.update(_pins(mark))
        return pinned(_known(flags, shipped), pins)
    except HarnessError as error:
        pytest.fail(f"{node.nodeid}: @pytest.mark.flags: {error}", pytrace=False)


def _pins(mark: pytest.Mark) -> Mapping[str, bool]:
    if mark.args:
        raise FlagError(f"{mark.args[0]!r} says neither on nor off; pin by name: flags(streaming=True)")
    return mark.kwargs


def _asked(flags: Sequence[Flag], names: Sequence[str], nodeid: str) -> tuple[Combination, ...]:
    """The matrix of the flags named, in declared order, or of all that the project declares.

    The shipped ones can always be named.
    """
    by_name = {flag.name: flag for flag in _known(flags, SHIPPED)}
    where = f"{nodeid}: @pytest.mark.flag_matrix"
    if unknown := [name for name in names if name not in by_name]:
        known = ", ".join(by_name)
        raise pytest.Collector.CollectError(f"{where}: no flag is called {unknown[0]!r}; declared: {known}")
    try:
        return matrix([flag for name, flag in by_name.items() if name in names] or flags)
    except HarnessError as error:
        raise pytest.Collector.CollectError(f"{where}: {error}") from None


def _known(flags: Sequence[Flag], others: Sequence[Flag]) -> tuple[Flag, ...]:
    """The project's flags, then those others whose names and variables it has not taken."""
    taken = {word for flag in flags for word in (flag.name, flag.env)}
    return (*flags, *(flag for flag in others if not {flag.name, flag.env} & taken))
