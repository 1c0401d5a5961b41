"""The marks of the harness, and the combinations of flags that a test runs under."""

from collections.abc import Mapping, Sequence

import pytest

from flag_harness.config import Config
from flag_harness.errors import FlagError, HarnessError
from flag_harness.flags import SHIPPED, Flag
from flag_harness.matrix import Combination, pin_flags, select_combinations
from flag_harness.plugin.requested_rows import requested_combinations

CONFIG = pytest.StashKey[Config]()
"""The project's `[tool.flag-harness]`."""

MARKS = (
    "flag_matrix(*names, strength=None): run the test once under every combination of these flags, or of all declared "
    "flags if none is named; strength=2, 3 or 4 runs a covering array instead, 'full' any number of combinations",
    "flags(**pins): run the test with these flags on, off or at a value; the others stay at their defaults",
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
    return (pinned_combination(node, flags),) if mark is None else _mark_combinations(node.config, mark, node.nodeid)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test with the mark `flag_matrix` by the combinations of its flags."""
    mark = metafunc.definition.get_closest_marker("flag_matrix")
    if mark is None:
        return
    _add_combination_fixture(metafunc.fixturenames)
    combinations = _mark_combinations(metafunc.config, mark, metafunc.definition.nodeid)
    ids = [combination.id for combination in combinations]
    metafunc.parametrize("harness_combination", combinations, ids=ids, indirect=True)


def escape_keywords(config: pytest.Config) -> None:
    """Let `-k` select by value, `-k model=haiku`: pytest refuses `=`, so items carry the keyword `model:haiku` too."""
    config.option.keyword = config.option.keyword.replace("=", ":")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Set the flags of a test with a mark for them, even if it uses no fixture of the harness."""
    if "=" in item.name:
        item.extra_keyword_matches.add(item.name.replace("=", ":"))
    if not isinstance(item, pytest.Function) or "harness_combination" in item.fixturenames:
        return
    if item.get_closest_marker("flag_matrix") or item.get_closest_marker("flags"):
        _add_combination_fixture(item.fixturenames)


def _add_combination_fixture(fixtures: list[str]) -> None:
    if "harness_combination" not in fixtures:
        fixtures.insert(0, "harness_combination")


def pinned_combination(node: pytest.Item, flags: Sequence[Flag]) -> Combination:
    """Return the combination that the test's `flags` marks pin, the nearest mark first; other flags are off."""
    pins: dict[str, object] = {}
    shipped = SHIPPED if node.get_closest_marker("flags") else ()
    try:
        for mark in reversed(list(node.iter_markers("flags"))):
            pins.update(_pins(mark))
        return pin_flags(_merge_flags(flags, shipped), pins)
    except HarnessError as error:
        pytest.fail(f"{node.nodeid}: @pytest.mark.flags: {error}", pytrace=False)


def _pins(mark: pytest.Mark) -> Mapping[str, object]:
    if mark.args:
        raise FlagError(f"{mark.args[0]!r} is neither on nor off; pin by name: flags(streaming=True)")
    return mark.kwargs


def add_matrix_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-matrix`."""
    group.addoption(
        "--harness-matrix",
        metavar="SELECTION",
        default="",
        help="the combinations of every matrix test, in place of those that its mark selects: "
        "full, 2, 3 or 4 (a covering array of that strength), single (one flag at a time), or random:N,SEED",
    )


def _mark_combinations(config: pytest.Config, mark: pytest.Mark, nodeid: str) -> tuple[Combination, ...]:
    """Return the combinations of a test: those that the command line selects, or else those that its mark selects.

    The flags are the named ones in declared order, or all declared flags if none is named. Shipped flags can be named
    even if the project does not declare them.
    """
    flags, names = declared_flags(config), mark.args
    by_name = {flag.name: flag for flag in _merge_flags(flags, SHIPPED)}
    location = f"{nodeid}: @pytest.mark.flag_matrix"
    if unknown := [name for name in names if name not in by_name]:
        known = ", ".join(by_name)
        raise pytest.Collector.CollectError(f"{location}: no flag is called {unknown[0]!r}; declared: {known}")
    if wrong := [keyword for keyword in mark.kwargs if keyword != "strength"]:
        raise pytest.Collector.CollectError(
            f"{location}: {wrong[0]}=... is not an argument; name the flags as strings, flag_matrix({wrong[0]!r}), or "
            f"pin one with @pytest.mark.flags({wrong[0]}=True)"
        )
    try:
        selection = config.getoption("--harness-matrix") or str(mark.kwargs.get("strength") or "")
        chosen = [flag for name, flag in by_name.items() if name in names] or flags
        combinations = select_combinations(chosen, selection)
    except HarnessError as error:
        raise pytest.Collector.CollectError(f"{location}: {error}") from None
    requested = requested_combinations(config, nodeid, chosen)
    return tuple({one.id: one for one in (*combinations, *requested)}.values())


def _merge_flags(flags: Sequence[Flag], others: Sequence[Flag]) -> tuple[Flag, ...]:
    """Return `flags`, and those of `others` whose names and variables are still free."""
    taken = {word for flag in flags for word in (flag.name, flag.env)}
    return (*flags, *(flag for flag in others if not {flag.name, flag.env} & taken))
