"""Select a matrix test's combinations: all, a covering array, single changes, or a random sample."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from flag_harness.errors import FlagError
from flag_harness.flag import Flag
from flag_harness.matrix.combination import Combination, flag_space
from flag_harness.matrix.constraints import Row
from flag_harness.matrix.covering import covering_array, full_matrix, random_rows, rows_with_single_changes
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.matrix.space import FlagSpace

MAX_COMBINATIONS_BY_DEFAULT = 64
"""The most combinations that a test runs under if neither the test nor the command line selects any."""

MAX_FLAGS_TO_COUNT_ROWS = 20
"""The most flags for which the error about too many combinations says how many would cover every triple of values.

Counting them takes long for more flags.
"""

_SELECTION_PATTERN = re.compile(r"full|single|[234]|random:(?P<size>[1-9][0-9]{0,5})(?:,(?P<seed>[0-9]{1,9}))?")
SELECTION_HELP = "full, 2, 3 or 4 (a covering array of that strength), single, or random:N,SEED"


def select_combinations(
    flags: Sequence[Flag], selection: str = "", pins: Mapping[str, object] | None = None
) -> tuple[Combination, ...]:
    """Return the combinations for a matrix. The one nearest to the defaults is always among them.

    `selection` is `full`, the strength of a covering array (`2`, `3`, `4`), `single` (one flag at a time), or
    `random:N,SEED`. An empty selection means all combinations. Flags in `pins` have the same value in every
    combination. Raise `FlagError` if the selection is invalid, or if it is empty and there are more than 64
    combinations.
    """
    declared = tuple(flags)
    fixed = {flag.name: value_index(flag, pins[flag.name]) for flag in declared if flag.name in pins} if pins else {}
    return _select_with_cache(declared, selection, tuple(fixed.items()))


@lru_cache
def _select_with_cache(
    flags: tuple[Flag, ...], selection: str, pins: tuple[tuple[str, int], ...]
) -> tuple[Combination, ...]:
    """Return the combinations of a selection, with `pins` as pairs of a flag's name and the index of its value.

    The result is cached, because many tests have the same selection.
    """
    space = flag_space(flags)
    if pins:
        values = {flag.name: flag.values for flag in flags}
        space = FlagSpace(flags, pins={name: values[name][index] for name, index in pins})
    if not selection and not space.has_at_most_rows(MAX_COMBINATIONS_BY_DEFAULT):
        raise FlagError(_too_many_combinations_message(space))
    return tuple(Combination(flags, row) for row in _select_rows(space, selection or "full"))


def _select_rows(space: FlagSpace, selection: str) -> tuple[Row, ...]:
    """Return the rows of a selection such as `2`, `full` or `random:20,1`."""
    match = _SELECTION_PATTERN.fullmatch(selection)
    if match is None:
        raise FlagError(f"{selection!r} selects no combinations; use {SELECTION_HELP}")
    if selection == "single":
        return rows_with_single_changes(space)
    if match["size"]:
        return random_rows(space, int(match["size"]), int(match["seed"] or 0))
    if selection == "full" or int(selection) >= len(space.flags) - len(space.pins):
        return full_matrix(space)
    return covering_array(space, int(selection))


def _too_many_combinations_message(space: FlagSpace) -> str:
    """Return the error message for too many combinations. It lists the selections that give fewer."""
    pairs = len(covering_array(space, 2))
    # an array of triples of many flags takes seconds
    triples = f"{len(covering_array(space, 3))} cover" if len(space.flags) <= MAX_FLAGS_TO_COUNT_ROWS else "more cover"
    flags = len(space.flags) - len(space.pins)
    return (
        f"{flags} flags have {space.row_count:,} combinations, more than {MAX_COMBINATIONS_BY_DEFAULT}; choose: "
        f"strength=2 ({pairs} combinations cover every pair of values), strength=3 ({triples} every triple), "
        "strength='full', the names of fewer flags, --harness-matrix=2|3|4|full|single|random:N,SEED, "
        "or --harness-flags=... to fix some"
    )
