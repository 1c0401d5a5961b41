"""Find the cassette that a test with the mark `flag_matrix` had before it got the mark."""

import os
from pathlib import Path

import pytest

from flag_harness.flag import OFF_COMBINATION
from flag_harness.plugin.run.names import name_without_combination, vcr_name
from flag_harness.plugin.stash import COMBINATION_KEY


def cassette_path_to_play(node: pytest.Item, path: Path) -> Path:
    """Return the path of the cassette that a test plays.

    That is `path`. If no file exists there and the test runs under `off`, the path without the combination is used.
    """
    if path.exists() or (plain := find_path_without_combination(node, path)) is None:
        return path
    return plain if node.stash[COMBINATION_KEY].id == OFF_COMBINATION else path


def find_path_without_combination(node: pytest.Item, path: Path) -> Path | None:
    """Return `path` without the combination in its name, or None if no such file exists."""
    combination = node.stash.get(COMBINATION_KEY, None)
    if combination is None or not node.get_closest_marker("flag_matrix"):
        return None
    plain = path.with_name(name_without_combination(path.name, vcr_name(None, combination.id), "-"))
    return plain if plain != path and plain.exists() else None


def advice_about_cassette_without_combination(node: pytest.Item, path: Path) -> str:
    """Return a hint that the test has a cassette, but only for the combination `off`. It is empty if `path` exists."""
    if path.exists() or (plain := find_path_without_combination(node, path)) is None:
        return ""
    name = os.path.relpath(plain, node.config.rootpath)
    combination = node.stash[COMBINATION_KEY].id
    return f"\n{name} is played for the combination {OFF_COMBINATION!r} only, not for {combination!r}"
