"""The marks of the harness, and the combinations of flags that a test runs under."""

from collections.abc import Mapping, Sequence

import pytest

from flag_harness.config import Config
from flag_harness.errors import FlagError, HarnessError
from flag_harness.flags import SHIPPED, Flag
from flag_harness.matrix import Combination, all_combinations, pin_flags

CONFIG = pytest.StashKey[Config]()
"""The project's `[tool.flag-harness]`."""

MARKS = (
    "flag_matrix(*names): run the test once under every combination of these flags, or of all declared flags if none "
    "is named",
    "flags(**pins): run the test with these flags on or off; the others stay off",
    "faults(*faults): what goes wrong in this test, outermost first: @pytest.mark.faults(overloaded(on=2)), or "
    "spelled as on the command line, 'overloaded:on=2'",
    "scenario(name): the simulator's scenario, `<fixtures>/scenarios/<name>.toml`",
    "harness_filters(headers=[], query=[], json=[], patterns=[]): what must not be recorded or shown, in addition to "
    "the project's filters",
    "harness_no_request: the test sends no request and has no cassette",
    "harness_unplayed: the test may leave recorded interactions unplayed",
    "harness_misses: the test may send requests that its cassette does not hold",
    "harness_network: the test may reach the network while it plays recordings",
)


def declared_flags(config: pytest.Config) -> tuple[Flag, ...]:
    """Return the flags that the project declares."""
    return config.stash[CONFIG].flags


def all_flags(config: pytest.Config) -> tuple[Flag, ...]:
    """Return the flags that a mark can name: those that the project declares, and the shipped ones."""
    return _merge_flags(declared_flags(config), SHIPPED)


def item_combinations(node: pytest.Item) -> tuple[Combination, ...]:
    """Return the combinations of all items of the item's test function."""
    flags, mark = declared_flags(node.config), node.get_closest_marker("flag_matrix")
    return (pinned_combination(node, flags),) if mark is None else _named_matrix(flags, mark.args, node.nodeid)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test with the mark `flag_matrix` by the combinations of its flags."""
    mark = metafunc.definition.get_closest_marker("flag_matrix")
    if mark is None:
        return
    _add_combination_fixture(metafunc.fixturenames)
    combinations = _named_matrix(declared_flags(metafunc.config), mark.args, metafunc.definition.nodeid)
    ids = [combination.id for combination in combinations]
    metafunc.parametrize("harness_combination", combinations, ids=ids, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Set the flags of a test with a mark for them, even if it uses no fixture of the harness."""
    if isinstance(item, pytest.Function) and any(item.get_closest_marker(name) for name in ("flag_matrix", "flags")):
        _add_combination_fixture(item.fixturenames)


def _add_combination_fixture(fixtures: list[str]) -> None:
    if "harness_combination" not in fixtures:
        fixtures.insert(0, "harness_combination")


def pinned_combination(node: pytest.Item, flags: Sequence[Flag]) -> Combination:
    """Return the combination that the test's `flags` marks pin, the nearest mark first; other flags are off."""
    pins: dict[str, bool] = {}
    shipped = SHIPPED if node.get_closest_marker("flags") else ()
    try:
        for mark in reversed(list(node.iter_markers("flags"))):
            pins.update(_pins(mark))
        return pin_flags(_merge_flags(flags, shipped), pins)
    except HarnessError as error:
        pytest.fail(f"{node.nodeid}: @pytest.mark.flags: {error}", pytrace=False)


def _pins(mark: pytest.Mark) -> Mapping[str, bool]:
    if mark.args:
        raise FlagError(f"{mark.args[0]!r} is neither on nor off; pin by name: flags(streaming=True)")
    return mark.kwargs


def _named_matrix(flags: Sequence[Flag], names: Sequence[str], nodeid: str) -> tuple[Combination, ...]:
    """Return the matrix of the named flags in declared order, or of all declared flags if none is named.

    Shipped flags can be named even if the project does not declare them.
    """
    by_name = {flag.name: flag for flag in _merge_flags(flags, SHIPPED)}
    location = f"{nodeid}: @pytest.mark.flag_matrix"
    if unknown := [name for name in names if name not in by_name]:
        known = ", ".join(by_name)
        raise pytest.Collector.CollectError(f"{location}: no flag is called {unknown[0]!r}; declared: {known}")
    try:
        return all_combinations([flag for name, flag in by_name.items() if name in names] or flags)
    except HarnessError as error:
        raise pytest.Collector.CollectError(f"{location}: {error}") from None


def _merge_flags(flags: Sequence[Flag], others: Sequence[Flag]) -> tuple[Flag, ...]:
    """Return `flags`, and those of `others` whose names and variables are still free."""
    taken = {word for flag in flags for word in (flag.name, flag.env)}
    return (*flags, *(flag for flag in others if not {flag.name, flag.env} & taken))
