"""How the requests of one test are to be answered, as options, marks and configuration say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from flag_harness.cassette import NO_FILTERS, NO_NORMALISERS, Cassette, Filters, Normalisers
from flag_harness.cassette.merge import can_add, holds_recording_of
from flag_harness.clock import Clock, VirtualClock
from flag_harness.flags import SHIPPED, Flag
from flag_harness.plugin.modes import RecordMode
from flag_harness.transports import SystemClock

UpstreamChoice = Literal["live", "simulator"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a test's requests are to be answered. `command` records its cassette, once an upstream is added."""

    path: Path
    mode: RecordMode = "none"
    disabled: bool = False
    upstream: UpstreamChoice = "live"
    scenario: Path | None = None
    case: str = ""
    combination: str = ""
    flags: tuple[Flag, ...] = SHIPPED
    """The flags that the project declares."""
    command: str = ""
    filters: Filters = NO_FILTERS
    normalisers: Normalisers = NO_NORMALISERS
    allowed: frozenset[str] = frozenset()
    cassette: Cassette | None = None
    """What was recorded before, where that is played or added to."""
    blobs: Path | None = None
    gone: Callable[[str], bool] = lambda case: False
    """Whether a test, by its name, does not exist any more."""
    anew: Callable[[str], bool] = lambda case: False
    """Whether a test, by its name, has been recorded in this run."""
    most_age: timedelta | None = None
    """The most that a recording may have aged, where there is a limit."""

    @property
    def records(self) -> bool:
        """Whether what is not played will be recorded; under `once`, where nothing is this test's own."""
        if self.disabled or self.mode == "none":
            return False
        return self.mode != "once" or self.cassette is None or not holds_recording_of(self.cassette, self.case)

    @property
    def plays(self) -> bool:
        """Whether recorded answers are played."""
        return not self.disabled and (not self.records or self.mode == "new_episodes")

    @property
    def asks_upstream(self) -> bool:
        """Whether a request may reach the upstream."""
        return self.records or self.disabled

    @property
    def mixes(self) -> bool:
        """Whether what is recorded now would be added to what another upstream has answered."""
        added = self.cassette if self.records and self.mode != "rewrite" else None
        return added is not None and not can_add(added, self.upstream)

    @property
    def rewrite(self) -> str:
        """The command that records the cassette anew from the upstream of this run."""
        return f"{self.command} --harness-upstream={self.upstream}"

    @property
    def answers(self) -> str:
        """Who answers, or answered: also of what is yet to be recorded, where the test names a scenario."""
        if self.cassette and not self.records:
            return self.cassette.envelope.upstream
        return "simulator" if self.scenario and not self.asks_upstream else self.upstream

    def clock(self) -> Clock:
        """Return a virtual clock for recorded and simulated answers, the system's for the live API."""
        return SystemClock() if self.asks_upstream and self.upstream == "live" else VirtualClock()


def cassette_of(path: Path, mode: RecordMode, disabled: bool) -> Cassette | None:
    """The recording that a test plays or adds to. A rewrite does neither. Raises `CassetteError` for a broken file."""
    if disabled or mode == "rewrite" or not path.exists():
        return None
    return Cassette.load(path)
