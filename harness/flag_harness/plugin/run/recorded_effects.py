"""Find the flag that explains a changed request, from the recordings in the same folder."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.cassette import Cassette
from flag_harness.errors import CassetteError
from flag_harness.flag import Flag
from flag_harness.matrix.combination import flag_and_value_by_id_part
from flag_harness.plugin.marks import declared_flags

if TYPE_CHECKING:
    from flag_harness.analysis.effects.attribution import FlagEffectAttribution

_RECORDED_EFFECTS_KEY = pytest.StashKey[dict[Path, "FlagEffectsInRecordings"]]()
"""The stash key of the effects of flags that were read from recordings in this run, by folder."""
_MAX_CASSETTES = 256
"""The most recordings that are read to explain a miss: a test with eight boolean flags has as many."""


def load_flag_effects(config: pytest.Config, folder: Path) -> "FlagEffectsInRecordings":
    """Return the effects of flags in a folder's recordings. Each folder is read once in a run."""
    known = config.stash.setdefault(_RECORDED_EFFECTS_KEY, {})
    if folder not in known:
        known[folder] = FlagEffectsInRecordings(folder, declared_flags(config))
    return known[folder]


class FlagEffectsInRecordings:
    """What each flag changes in the requests of a folder's recordings, which are read on first use."""

    def __init__(self, folder: Path, flags: Sequence[Flag]) -> None:
        self._folder, self._flags = folder, tuple(flags)

    def flag_that_changes_path(self, path: str) -> str | None:
        """Return the flag that changes a path of a request body, or None if the recordings show none."""
        return self._attribution.flag_that_changes_path(path)

    def depends_on_flag(self, path: str) -> bool:
        """Return whether the recordings show that any flag changes a path of a request body."""
        return self.flag_that_changes_path(path) is not None

    def make_explainer(self, combination: str) -> Callable[[str], str | None]:
        """Return a function that returns the flag which explains a change at a path of a request body, or None.

        Only flags that are not at their default in `combination` can explain it. If `combination` is empty, the values
        are unknown, and any flag can.
        """
        if not combination:
            return self.flag_that_changes_path
        parts = flag_and_value_by_id_part(self._flags)
        changed = {self._flags[parts[part][0]].name for part in combination.split("+") if part in parts}
        return lambda path: flag if changed and (flag := self.flag_that_changes_path(path)) in changed else None

    @cached_property
    def _attribution(self) -> "FlagEffectAttribution":
        from flag_harness.analysis.effects.flag_runs import attribute_effects_from_cassettes

        return attribute_effects_from_cassettes(self._load_cassettes(), self._flags)

    def _load_cassettes(self) -> Iterator[Cassette]:
        for file in sorted(self._folder.glob("*.json"))[:_MAX_CASSETTES]:
            try:
                yield Cassette.load(file)
            except CassetteError:
                continue  # a broken recording is reported by the test that plays it
