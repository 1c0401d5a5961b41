"""Choose the combinations of flags that a test runs under, from its marks and the command line."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import FlagError, HarnessError
from flag_harness.flag import Flag, nearest_name_hint, unknown_flag_message
from flag_harness.plugin.marks import CONFIG_KEY, all_flags, declared_flags

if TYPE_CHECKING:
    from flag_harness.matrix import Combination
    from flag_harness.matrix.baseline import ProductionBaseline


@dataclass(frozen=True, slots=True)
class FlagOptions:
    """The values of the command line's options about flags.

    Attributes:
        selection: the combinations to run (`--harness-matrix`), such as `2` or `full`; empty without the option.
        pinned_values: the fixed flag values (`--harness-flags`), by name.
        baseline: production's flag values (`--harness-baseline`), or None.
        judged_flags: the names of the flags that get a verdict (`--harness-verdict`).
        combinations_by_mark: a cache of the flags and combinations of each `flag_matrix` mark, by the mark's arguments.
    """

    selection: str = ""
    pinned_values: Mapping[str, object] = field(default_factory=dict)
    baseline: "ProductionBaseline | None" = None
    judged_flags: frozenset[str] = frozenset()
    combinations_by_mark: "dict[str, tuple[tuple[Flag, ...], tuple[Combination, ...]]]" = field(default_factory=dict)

    def flags_that_get_values(
        self, flags: Sequence[Flag], names: Collection[str], declared: Collection[str]
    ) -> tuple[Flag, ...]:
        """Return the `flags` that have a value in each combination of a test: those in `names`, which vary in the test.

        With `--harness-flags` or `--harness-baseline`, the flags in `declared` and the pinned ones have a value too.
        """
        more = {*declared, *self.pinned_values} if self.pinned_values or self.baseline else set()
        return tuple(flag for flag in flags if flag.name in names or flag.name in more)


FLAG_OPTIONS_KEY = pytest.StashKey[FlagOptions]()


def configure_flag_options(config: pytest.Config) -> None:
    """Store the options about flags in the stash as `FlagOptions`.

    Raise `FlagError` if an option names an unknown flag, or if two options contradict each other.
    """
    selection, pins, path = (config.getoption(f"--harness-{name}") for name in ("matrix", "flags", "baseline"))
    flags = all_flags(config)
    if path and selection:
        raise FlagError("--harness-baseline says which combinations are run; leave out --harness-matrix")
    try:
        parsed = _parse_flag_values(flags, pins) if pins else {}
    except FlagError as error:
        raise FlagError(f"--harness-flags={pins}: {error}") from None
    baseline = _read_baseline(path, declared_flags(config)) if path else None
    judged = parse_verdict_option(
        config.getoption("--harness-verdict"), [flag.name for flag in flags], declared_flags(config)
    )
    config.stash[FLAG_OPTIONS_KEY] = FlagOptions(selection, parsed, baseline, judged)
    if baseline is not None:
        config.pluginmanager.register(_BaselineHeader(path, baseline), "flag-harness-baseline")
    if config.getoption("--harness-sweep") is None:
        # pytest refuses `-k model=haiku`, so items carry the keyword `model:haiku` too
        config.option.keyword = config.option.keyword.replace("=", ":")


def _parse_flag_values(flags: Sequence[Flag], pins: str) -> Mapping[str, object]:
    from flag_harness.matrix import parse_pins  # imported here: most runs do not need it

    return parse_pins(flags, pins)


def _read_baseline(path: str, flags: Sequence[Flag]) -> "ProductionBaseline":
    from flag_harness.matrix.baseline import read_baseline  # imported here: most runs do not need it

    return read_baseline(Path(path), flags)


def parse_verdict_option(
    option_value: str, known_names: Sequence[str], declared_flags: Sequence[Flag]
) -> frozenset[str]:
    """Return the names of the flags in the value of `--harness-verdict`; `all` means every declared flag.

    Raise `FlagError` if a name is unknown.
    """
    names = [name.strip() for name in option_value.split(",") if name.strip()]
    if names == ["all"]:
        return frozenset(flag.name for flag in declared_flags)
    for name in names:
        if name not in known_names:
            raise FlagError(
                f"--harness-verdict={option_value}: no flag is called {name!r}; {nearest_name_hint(name, known_names)}"
            )
    return frozenset(names)


class _BaselineHeader:
    """Prints the flag values of production (`--harness-baseline`) in pytest's header."""

    def __init__(self, path: str, baseline: "ProductionBaseline") -> None:
        self._path, self._baseline = path, baseline

    def pytest_report_header(self) -> list[str]:
        """Return a line with production's flag values, and a line for each part of the export that is not used."""
        values = ", ".join(f"{name}={value}" for name, value in self._baseline.value_by_flag.items())
        return [f"baseline: {self._path}: {values}", *(f"  {note}" for note in self._baseline.notes)]


def combinations_of_item(node: pytest.Item) -> "tuple[Combination, ...]":
    """Return all combinations that the test function of `node` runs under."""
    flags, mark = declared_flags(node.config), node.get_closest_marker("flag_matrix")
    return (
        (combination_in_flags_marks(node, flags),)
        if mark is None
        else _combinations_of_mark(node.config, mark, node.nodeid)
    )


def parametrize_by_combinations(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test with the mark `flag_matrix` by the combinations of its flags."""
    mark = metafunc.definition.get_closest_marker("flag_matrix")
    if mark is None:
        return
    _add_combination_fixture(metafunc.fixturenames)
    combinations = _combinations_of_mark(metafunc.config, mark, metafunc.definition.nodeid)
    ids = [combination.id for combination in combinations]
    metafunc.parametrize("harness_combination", combinations, ids=ids, indirect=True)


def add_flags_of_marks(item: pytest.Item) -> None:
    """Make every test with the mark `flags` or `flag_matrix` run under its flags, even if it uses no fixture.

    A test whose vcr mark the harness plays runs under the flags that the command line pins.
    """
    if "=" in item.name:
        item.extra_keyword_matches.add(item.name.replace("=", ":"))
    if not isinstance(item, pytest.Function) or "harness_combination" in item.fixturenames:
        return
    is_marked = item.get_closest_marker("flag_matrix") or item.get_closest_marker("flags")
    if is_marked or (_plays_vcr_mark(item) and item.config.stash[FLAG_OPTIONS_KEY].pinned_values):
        _add_combination_fixture(item.fixturenames)


def _plays_vcr_mark(item: pytest.Item) -> bool:
    return bool(item.config.stash[CONFIG_KEY].vcr_marks) and item.get_closest_marker("vcr") is not None


def _add_combination_fixture(fixtures: list[str]) -> None:
    if "harness_combination" not in fixtures:
        fixtures.insert(0, "harness_combination")


def combination_in_flags_marks(node: pytest.Item, flags: Sequence[Flag]) -> "Combination":
    """Return the combination of a test without a matrix: the flags in its `flags` marks have the values given there,
    other flags their defaults.

    Marks win over the command line, and marks nearer to the test over other marks.
    """
    from flag_harness.matrix import (  # imported here: runs without the harness do not need it
        pin_flags,
        pin_unnamed_flags,
    )

    command_line = node.config.stash[FLAG_OPTIONS_KEY]
    pins = {} if command_line.baseline else dict(command_line.pinned_values)
    known = all_flags(node.config)
    if not node.get_closest_marker("flags"):
        known = tuple(flag for flag in known if flag in flags or flag.name in pins)
    try:
        marked: dict[str, object] = {}
        for mark in reversed(list(node.iter_markers("flags"))):
            marked.update(_flag_values_of_mark(mark))
        if pins:
            pin_flags(known, marked)
            pins = pin_unnamed_flags(known, (), {**pins, **marked})
        return pin_flags(known, {**pins, **marked})
    except HarnessError as error:
        raise pytest.fail.Exception(f"{node.nodeid}: @pytest.mark.flags: {error}", pytrace=False) from None


def _flag_values_of_mark(mark: pytest.Mark) -> Mapping[str, object]:
    if mark.args:
        raise FlagError(f"{mark.args[0]!r} is neither on nor off; pin by name: flags(streaming=True)")
    return mark.kwargs


def _combinations_of_mark(config: pytest.Config, mark: pytest.Mark, nodeid: str) -> "tuple[Combination, ...]":
    """Return the combinations that a test runs under, as selected by `mark`, the command line, and the node ids that it
    names.
    """
    from flag_harness.plugin.requested_combinations import combinations_in_node_ids

    selected = config.stash[FLAG_OPTIONS_KEY].combinations_by_mark
    mark_arguments = repr((mark.args, mark.kwargs))  # thousands of tests have equal marks
    if mark_arguments not in selected:
        try:
            selected[mark_arguments] = _flags_and_combinations_of_mark(config, mark)
        except HarnessError as error:
            raise pytest.Collector.CollectError(f"{nodeid}: @pytest.mark.flag_matrix: {error}") from None
    flags, combinations = selected[mark_arguments]
    requested = list(combinations_in_node_ids(config, nodeid, flags))
    return tuple({one.id: one for one in (*combinations, *requested)}.values()) if requested else combinations


def _flags_and_combinations_of_mark(
    config: pytest.Config, mark: pytest.Mark
) -> "tuple[tuple[Flag, ...], tuple[Combination, ...]]":
    """Return the flags that have a value in a test with this `flag_matrix` mark, and the combinations to run.

    A mark without names varies all declared flags. Options of the command line win over the mark.
    """
    known = [flag.name for flag in all_flags(config)]
    if unknown := [name for name in mark.args if name not in known]:
        raise FlagError(unknown_flag_message(unknown[0], all_flags(config)))
    if wrong := [keyword for keyword in mark.kwargs if keyword != "strength"]:
        raise FlagError(
            f"{wrong[0]}=... is not an argument; name the flags as strings, flag_matrix({wrong[0]!r}), or "
            f"pin one with @pytest.mark.flags({wrong[0]}=True)"
        )
    names = mark.args or [flag.name for flag in declared_flags(config)]
    return _flags_and_combinations(config, names, str(mark.kwargs.get("strength") or ""))


def combinations_of_run(config: pytest.Config) -> "tuple[Combination, ...]":
    """Return all combinations of the declared flags that the command line selects."""
    return _flags_and_combinations(config, [flag.name for flag in declared_flags(config)], "")[1]


def _flags_and_combinations(
    config: pytest.Config, names: Sequence[str], selection: str
) -> "tuple[tuple[Flag, ...], tuple[Combination, ...]]":
    """Return the flags that have a value, and the combinations to run, in which only the flags in `names` vary.

    `selection` is the mark's choice of combinations. The command line's choice wins over it.
    """
    from flag_harness.matrix import pin_unnamed_flags, select_combinations
    from flag_harness.matrix.baseline import baseline_combinations
    from flag_harness.matrix.compared_combinations import combinations_to_compare

    command_line = config.stash[FLAG_OPTIONS_KEY]
    declared = [flag.name for flag in declared_flags(config)]
    flags = command_line.flags_that_get_values(all_flags(config), names, declared)
    judged = command_line.judged_flags & {*names}
    if command_line.baseline is not None:
        values = command_line.baseline.value_by_flag
        combinations = baseline_combinations(flags, names, values, command_line.pinned_values)
        return flags, combinations_to_compare(
            combinations[:1], judged, values
        ) if command_line.judged_flags else combinations
    pins = pin_unnamed_flags(flags, names, command_line.pinned_values) if command_line.pinned_values else {}
    if command_line.judged_flags:
        bases = select_combinations(flags, command_line.selection or "single", pins)
        return flags, combinations_to_compare(bases if command_line.selection else bases[:1], judged, {})
    return flags, select_combinations(flags, command_line.selection or selection, pins)
