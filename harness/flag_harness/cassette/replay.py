"""Answer requests from a cassette: find the recorded request that matches each, and return its response."""

import threading
from collections.abc import Callable
from dataclasses import replace

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.index import RequestIndex, UnplayedInteractions
from flag_harness.cassette.match.miss import Miss, MissReporter
from flag_harness.cassette.match.normalisers import NO_NORMALISERS, Normalisers
from flag_harness.cassette.merge import indices_recorded_by
from flag_harness.cassette.redact.filters import NO_FILTERS, Filters
from flag_harness.cassette.redact.scan import redact_api_keys
from flag_harness.errors import CassetteMiss
from flag_harness.wire.origin import UpstreamName
from flag_harness.wire.timeline import End, Request, Response


class Replay:
    """Answers each request with the recorded response to the matching request. Each response is played once.

    Equal requests are answered in recorded order. With `repeat`, the last of these answers is followed by the first.
    Filters and normalisers are applied to sent and recorded requests before they are compared, and no message shows
    filtered values or API keys. Ids from earlier answers may differ: see `match/returned_ids.py`.

    A request without a match raises `CassetteMiss`, and so does reading further in a response than the recorded client
    did. Each exception is kept in `misses`, and its details in `miss_reports`. `make_miss` makes the exception from an
    error message. For `find_refusal`, `depends_on_flag` and `find_sender` see `MissReporter`. `own_indices` are the
    indices of the interactions that the test `case` recorded itself, which are played first.
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
        make_miss: Callable[[str], CassetteMiss] = CassetteMiss,
        repeat: bool = False,
        find_refusal: Callable[[Request], str | None] = lambda request: None,
        depends_on_flag: Callable[[str], bool] = lambda path: False,
        find_sender: Callable[[], str] = str,
    ) -> None:
        self.cassette = _filter_cassette(cassette, filters)
        self.own_indices = indices_recorded_by(cassette, case)
        self._filters = filters
        self._index = _build_request_index(cassette, self.cassette, normalisers, frozenset(self.own_indices))
        explain = explain or (lambda path: None)
        self._reporter = MissReporter(
            self.cassette, self._index, explain, record, find_refusal, depends_on_flag, find_sender
        )
        self._make_miss = make_miss
        self.misses: list[CassetteMiss] = []
        self.miss_reports: list[Miss] = []
        self._unplayed = UnplayedInteractions(self._index, repeat=repeat)
        self._tracked_answers: dict[int, tuple[Request, int]] = {}
        self._nearest_by_key: dict[bytes, int | None] = {}
        self._lock = threading.Lock()

    @property
    def origin(self) -> UpstreamName:
        """The upstream from which the cassette was recorded: `live`, `simulator` or `imported`."""
        return self.cassette.metadata.upstream

    def __call__(self, request: Request) -> Response:
        response = self.find_answer(request)
        if response is None:
            raise self._report_miss(self._to_filtered_interaction(request))
        return response

    def find_answer(self, request: Request) -> Response | None:
        """Return the recorded answer to a request and mark it as played, or None if no answer is left."""
        sent = self._to_filtered_interaction(request)
        key = self._index.matching_key(sent)
        with self._lock:
            index = self._unplayed.take_next_answer(key, sent)
            if index is not None and id(request) in self._tracked_answers:
                self._tracked_answers[id(request)] = request, index
        return None if index is None else self._response_to_play(index, sent)

    def remember_answer_of_request(self, request: Request) -> None:
        """Start to remember which interaction answers this request, so that `requeue_answer` can make that answer
        available again.
        """
        with self._lock:
            self._tracked_answers[id(request)] = request, -1

    def requeue_answer(self, request: Request) -> None:
        """Make the answer to this request available again, because an injected fault has kept the client from getting
        it.
        """
        with self._lock:
            if (index := self._tracked_answers[id(request)][1]) >= 0:
                self._unplayed.requeue_interaction(index)

    @property
    def indices_not_played(self) -> tuple[int, ...]:
        """The indices of the interactions that have not been played."""
        with self._lock:
            played = self._unplayed.indices_already_played
        return tuple(index for index in range(len(self.cassette.interactions)) if index not in played)

    def _to_filtered_interaction(self, request: Request) -> Interaction:
        """Return a sent request in the form that a cassette keeps, without secrets, as an interaction without a
        response.
        """
        return Interaction(self._filters.filter_sent_request(request), ())

    def _response_to_play(self, index: int, sent: Interaction) -> Response:
        """Return the recorded response of the interaction at `index`.

        If the recorded client stopped reading it, a client that reads on gets an error.
        """
        response = self.cassette.interactions[index].response
        last = response[-1]
        if not (isinstance(last, End) and last.is_abandoned):
            return response
        report = self._reporter.report_read_past_end_of_recording
        refuse = replace(last, make_refusal=lambda: self._store_miss(report(sent, index)))
        return (*response[:-1], refuse)

    def _report_miss(self, sent: Interaction) -> CassetteMiss:
        """Build, store and return the exception for a request without a recorded answer.

        If several requests have no answer, each is compared to an interaction of its own, as long as there are enough.
        """
        key, own = self._index.matching_key(sent), frozenset(self.own_indices)
        unplayed = tuple(sorted(self.indices_not_played, key=lambda index: index not in own))
        with self._lock:
            others = {index for other, index in self._nearest_by_key.items() if other != key}
        miss = self._reporter.report_miss(sent, tuple(index for index in unplayed if index not in others) or unplayed)
        with self._lock:
            self._nearest_by_key[key] = miss.nearest_index
        return self._store_miss(miss)

    def _store_miss(self, found: Miss) -> CassetteMiss:
        """Store the report of a miss and the exception for it, and return the exception."""
        report = replace(found, message=redact_api_keys(found.message))
        miss = self._make_miss(report.message)
        with self._lock:
            self.misses.append(miss)
            self.miss_reports.append(report)
        return miss


def replay(
    cassette: Cassette,
    *,
    explain: Callable[[str], str | None] | None = None,
    record: str = "",
    filters: Filters = NO_FILTERS,
    normalisers: Normalisers = NO_NORMALISERS,
) -> Replay:
    """Return a `Replay`, which answers requests from the cassette.

    Filters and normalisers are applied to requests before they are compared. For messages about requests without an
    answer, `explain` returns the flag that changes a JSON path, or None, and `record` is the command that records the
    cassette.
    """
    return Replay(cassette, explain=explain, record=record, filters=filters, normalisers=normalisers)


def _filter_cassette(cassette: Cassette, filters: Filters) -> Cassette:
    """Return the cassette with the filters applied, since it may have been recorded before they were declared."""
    if not filters:
        return cassette
    return replace(cassette, interactions=tuple(map(filters.filter_interaction, cassette.interactions)))


def _build_request_index(
    recorded: Cassette, filtered: Cassette, normalisers: Normalisers, own_indices: frozenset[int]
) -> RequestIndex:
    """Build an index that finds interactions by their filtered and by their unfiltered requests.

    A request that was filtered when it was recorded may change if it is filtered again, so that both forms are needed.
    The interactions at `own_indices` come first.
    """
    preferred = own_indices if len(own_indices) < len(recorded.interactions) else frozenset()
    if recorded is filtered and not normalisers and not preferred:
        return recorded.index
    aliases = recorded.interactions if recorded is not filtered else ()
    return RequestIndex(filtered.interactions, filtered.metadata.match_on, normalisers, aliases, preferred)
