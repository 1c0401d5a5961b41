"""Replay: a cassette as an upstream."""

import threading
from collections.abc import Callable
from dataclasses import replace

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Interaction, kept_request
from flag_harness.cassette.match.index import Index, Queues
from flag_harness.cassette.match.miss import Miss, Reporter
from flag_harness.cassette.match.normalise import NO_NORMALISERS, Normalisers
from flag_harness.cassette.merge import own_places
from flag_harness.cassette.redact.filters import NO_FILTERS, Filters
from flag_harness.cassette.redact.scan import redact_keys
from flag_harness.errors import CassetteMiss
from flag_harness.wire.timeline import End, Request, Response


class Replay:
    """Answers each request with the recorded one that equals it, equal ones in recorded order, each once.

    With `repeat` each any number of times: after the last of equal ones comes the first. Filters and normalisers are
    applied to both before they are compared; no miss shows what filters name, or a key. Ids that recorded answers gave
    are bound: see `bindings.py`. A request that none equals raises `CassetteMiss`, and so does reading past the end of
    an answer that its own client abandoned; each is also kept in `misses`, with its parts in `reports`; `refusal` makes
    it of its message. In a cassette that tests share, the `own` interactions are those that the test `case` recorded:
    they are played before others that equal them.
    """

    def __init__(
        self,
        cassette: Cassette,
        *,
        explain: Callable[[str], str | None] | None = None,
        record: str = "",
        filters: Filters = NO_FILTERS,
        normalisers: Normalisers = NO_NORMALISERS,
        case: str = "",
        refusal: Callable[[str], CassetteMiss] = CassetteMiss,
        repeat: bool = False,
    ) -> None:
        self.cassette = _filtered(cassette, filters)
        self.own = own_places(cassette, case)
        self._filters = filters
        self._index = _index(cassette, self.cassette, normalisers, frozenset(self.own))
        self._reporter = Reporter(self.cassette, self._index, explain or (lambda path: None), record)
        self._refusal = refusal
        self.misses: list[CassetteMiss] = []
        self.reports: list[Miss] = []
        self._queues = Queues(self._index, repeat=repeat)
        self._spoilable: dict[int, tuple[Request, int]] = {}
        self._near: dict[bytes, int | None] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        response = self.find(request)
        if response is None:
            raise self._missed(self._asked(request))
        return response

    def find(self, request: Request) -> Response | None:
        """The recorded answer to a request, which is played with it; `None` where there is none left."""
        asked = self._asked(request)
        key = self._index.key(asked)
        with self._lock:
            place = self._queues.take(key, asked)
            if place is not None and id(request) in self._spoilable:
                self._spoilable[id(request)] = request, place
        return None if place is None else self._response(place, asked)

    def expect_spoiling(self, request: Request) -> None:
        """Remember which answer this very request will get, so that `play_again` can name it."""
        with self._lock:
            self._spoilable[id(request)] = request, -1

    def play_again(self, request: Request) -> None:
        """Answer the request that this one equals once more: what answered it was spoiled on its way."""
        with self._lock:
            if (place := self._spoilable[id(request)][1]) >= 0:
                self._queues.give_back(place)

    @property
    def unplayed(self) -> tuple[int, ...]:
        """The positions of the interactions that nobody asked for."""
        with self._lock:
            taken = self._queues.taken
        return tuple(place for place in range(len(self.cassette.interactions)) if place not in taken)

    def _asked(self, request: Request) -> Interaction:
        return Interaction(self._filters.filter_request(kept_request(request)), ())

    def _response(self, place: int, asked: Interaction) -> Response:
        response = self.cassette.interactions[place].response
        last = response[-1]
        if not (isinstance(last, End) and last.abandoned):
            return response
        refuse = replace(last, make_refusal=lambda: self._kept(self._reporter.read_on(asked, place)))
        return (*response[:-1], refuse)

    def _missed(self, asked: Interaction) -> CassetteMiss:
        """The miss of a request. Different requests are told different nearest ones, as long as there are some."""
        key, own = self._index.key(asked), frozenset(self.own)
        unplayed = tuple(sorted(self.unplayed, key=lambda place: place not in own))
        with self._lock:
            others = {place for other, place in self._near.items() if other != key}
        miss = self._reporter.miss(asked, tuple(place for place in unplayed if place not in others) or unplayed)
        with self._lock:
            self._near[key] = miss.place
        return self._kept(miss)

    def _kept(self, found: Miss) -> CassetteMiss:
        report = replace(found, message=redact_keys(found.message))
        miss = self._refusal(report.message)
        with self._lock:
            self.misses.append(miss)
            self.reports.append(report)
        return miss


def replay(
    cassette: Cassette,
    *,
    explain: Callable[[str], str | None] | None = None,
    record: str = "",
    filters: Filters = NO_FILTERS,
    normalisers: Normalisers = NO_NORMALISERS,
) -> Replay:
    """The cassette as an upstream. `explain` names the flag that changes a path; `record` is the command to record."""
    return Replay(cassette, explain=explain, record=record, filters=filters, normalisers=normalisers)


def _filtered(cassette: Cassette, filters: Filters) -> Cassette:
    """The cassette without what the filters name, where it was recorded before they were declared."""
    if not filters:
        return cassette
    return replace(cassette, interactions=tuple(map(filters.filter_interaction, cassette.interactions)))


def _index(recorded: Cassette, filtered: Cassette, normalisers: Normalisers, own: frozenset[int]) -> Index:
    """The index, also of what was recorded: a pattern may find something in what a filter left."""
    first = own if len(own) < len(recorded.interactions) else frozenset()
    if recorded is filtered and not normalisers and not first:
        return recorded.index
    aliases = recorded.interactions if recorded is not filtered else ()
    return Index(filtered.interactions, filtered.envelope.match_on, normalisers, aliases, first)
