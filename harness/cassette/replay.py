"""Replay: a cassette as an upstream."""

import threading
from collections.abc import Callable
from dataclasses import replace

from harness.cassette.cassette import Cassette
from harness.cassette.filters import NO_FILTERS, Filters
from harness.cassette.interaction import Interaction, kept_request
from harness.cassette.miss import miss_message
from harness.errors import CassetteMiss
from harness.wire.timeline import Request, Response


class Replay:
    """Answers each request with the recorded one that equals it, equal ones in recorded order, each once.

    Filters are applied to both before they are compared, so that no miss shows what they name.
    A request that none equals raises `CassetteMiss`, which is also kept in `misses`.
    """

    def __init__(
        self,
        cassette: Cassette,
        *,
        explain: Callable[[str], str | None] | None = None,
        record: str = "",
        filters: Filters = NO_FILTERS,
    ) -> None:
        self.cassette = _filtered(cassette, filters)
        self._filters = filters
        self.misses: list[CassetteMiss] = []
        self._explain = explain or (lambda path: None)
        self._record = record
        self._left = {key: iter(places) for key, places in _places(cassette, self.cassette).items()}
        self._played: set[int] = set()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        response = self.find(request)
        if response is None:
            raise self._missed(self._asked(request))
        return response

    def find(self, request: Request) -> Response | None:
        """The recorded answer to a request, which is played with it; `None` where there is none left."""
        key = self.cassette.key(self._asked(request))
        with self._lock:
            place = next((place for place in self._left.get(key, ()) if place not in self._played), None)
            if place is None:
                return None
            self._played.add(place)
        return self.cassette.interactions[place].response

    @property
    def unplayed(self) -> tuple[int, ...]:
        """The positions of the interactions that nobody asked for."""
        with self._lock:
            return tuple(place for place in range(len(self.cassette.interactions)) if place not in self._played)

    def _asked(self, request: Request) -> Interaction:
        return Interaction(self._filters.request(kept_request(request)), ())

    def _missed(self, asked: Interaction) -> CassetteMiss:
        miss = CassetteMiss(miss_message(asked, self.cassette, self.unplayed, self._explain, self._record))
        self.misses.append(miss)
        return miss


def replay(
    cassette: Cassette,
    *,
    explain: Callable[[str], str | None] | None = None,
    record: str = "",
    filters: Filters = NO_FILTERS,
) -> Replay:
    """The cassette as an upstream. `explain` names the flag that changes a path; `record` is the command to record."""
    return Replay(cassette, explain=explain, record=record, filters=filters)


def _filtered(cassette: Cassette, filters: Filters) -> Cassette:
    """The cassette without what the filters name, where it was recorded before they were declared."""
    if not filters:
        return cassette
    return replace(cassette, interactions=tuple(map(filters.interaction, cassette.interactions)))


def _places(recorded: Cassette, filtered: Cassette) -> dict[bytes, list[int]]:
    """The positions by key, also by that of what was recorded: a pattern may find something in what it left."""
    if recorded is filtered:
        return recorded.index
    keys = {*recorded.index, *filtered.index}
    return {key: sorted({*recorded.index.get(key, ()), *filtered.index.get(key, ())}) for key in keys}
