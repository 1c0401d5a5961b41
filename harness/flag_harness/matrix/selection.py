"""Which combinations a matrix test runs under: all, a covering array, single changes, or a random sample."""

import re
from collections.abc import Sequence
from functools import lru_cache

from flag_harness.errors import FlagError
from flag_harness.flags import Flag
from flag_harness.matrix.combination import Combination, all_combinations, flag_space
from flag_harness.matrix.covering import covering_array, full_matrix, random_sample, single_changes
from flag_harness.matrix.space import FlagSpace, Row

MAX_COMBINATIONS = 64
"""The most combinations that a test runs under unless it, or the command line, says which."""

_SELECTION = re.compile(r"full|single|[234]|random:(?P<size>[1-9][0-9]{0,5})(?:,(?P<seed>[0-9]{1,9}))?")
SELECTION_HELP = "full, 2, 3 or 4 (a covering array of that strength), single, or random:N,SEED"


def select_combinations(flags: Sequence[Flag], selection: str = "") -> tuple[Combination, ...]:
    """Return the combinations of a matrix; the one with every flag at its default is always among them.

    `selection` is `full`, the strength of a covering array (`2`, `3`, `4`), `single` (one flag at a time), or
    `random:N,SEED`. Without one, all combinations are returned. Raise `FlagError` if there are more than 64 then, or if
    the selection is none of these.
    """
    return _select(tuple(flags), selection)


@lru_cache
def _select(flags: tuple[Flag, ...], selection: str) -> tuple[Combination, ...]:
    """Return the combinations. A suite asks for the same ones once per test function."""
    space = flag_space(flags)
    if not selection and not space.has_at_most(MAX_COMBINATIONS):
        raise FlagError(_too_many(space))
    if selection in ("", "full"):
        return all_combinations(flags)
    return tuple(Combination(flags, row) for row in _rows(space, selection))


def _rows(space: FlagSpace, selection: str) -> tuple[Row, ...]:
    match = _SELECTION.fullmatch(selection)
    if match is None:
        raise FlagError(f"{selection!r} selects no combinations; use {SELECTION_HELP}")
    if selection == "single":
        return single_changes(space)
    if match["size"]:
        return random_sample(space, int(match["size"]), int(match["seed"] or 0))
    strength = int(selection)
    return full_matrix(space) if strength >= len(space.flags) else covering_array(space, strength)


def _too_many(space: FlagSpace) -> str:
    pairs, triples = (len(covering_array(space, strength)) for strength in (2, 3))
    return (
        f"{len(space.flags)} flags have {space.count:,} combinations, more than {MAX_COMBINATIONS}; choose: "
        f"strength=2 ({pairs} combinations cover every pair of values), strength=3 ({triples} cover every triple), "
        "strength='full', the names of fewer flags, or --harness-matrix=2|3|4|full|single|random:N,SEED"
    )
