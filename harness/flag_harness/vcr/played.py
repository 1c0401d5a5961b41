"""A vcrpy cassette that is played: an upstream in vcrpy's terms."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flag_harness.errors import CassetteMiss
from flag_harness.vcr import filters, responses
from flag_harness.vcr.loading import rows_of
from flag_harness.vcr.matchers import failing
from flag_harness.vcr.report import message
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.responses import VcrResponse
from flag_harness.vcr.settings import VcrSettings
from flag_harness.wire.timeline import Request, Response


class VcrCassette:
    """What the `vcr` fixture yields, and a layer: answers each request with the first recorded one that it matches.

    Each answer is played once, unless the settings allow repeats; what is never played is no mistake. A request that
    none matches raises `CassetteMiss`, which is also kept in `misses`; one that a filter leaves out passes on.
    `advice` ends the message of a miss, and `refusal` makes it of the whole. Raises `CassetteError` naming a file that
    cannot be read.
    """

    def __init__(
        self,
        path: Path,
        settings: VcrSettings,
        extra: Iterable[Path] = (),
        advice: str = "",
        refusal: Callable[[str], CassetteMiss] = CassetteMiss,
    ) -> None:
        self.path, self.settings = path, settings
        self.misses: list[CassetteMiss] = []
        self.passed_on = False
        self.play_counts: Counter[int] = Counter()
        self._advice, self._refusal = advice, refusal
        self._lock = threading.Lock()
        self.data = list(self._loaded([path, *extra]))

    def __call__(self, request: Request) -> Response | None:
        """The answer to a request; `None` for one that is none of the cassette's."""
        with self._lock:
            sent = filters.applied(VcrRequest.of(request), self.settings.request_filters)
            if sent is None:
                self.passed_on = True
                return None
            place = self._place(sent)
            if place is None:
                self.misses.append(self._refusal(self._message(sent)))
                raise self.misses[-1]
            self.play_counts[place] += 1
        return responses.played(self.data[place][1])

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        """A cassette is one, however little it holds."""
        return True

    def __contains__(self, request: VcrRequest) -> bool:
        """Whether an answer is left for a request."""
        sent = filters.applied(request, self.settings.request_filters)
        return sent is not None and self._place(sent) is not None

    @property
    def requests(self) -> list[VcrRequest]:
        """The recorded requests, as filters leave them."""
        return [request for request, _ in self.data]

    @property
    def responses(self) -> list[VcrResponse]:
        """The recorded responses, in vcrpy's shape."""
        return [response for _, response in self.data]

    @property
    def play_count(self) -> int:
        """How many answers were played."""
        return sum(self.play_counts.values())

    @property
    def all_played(self) -> bool:
        """Whether each answer was played."""
        return len(self.play_counts) == len(self)

    @property
    def record_mode(self) -> str:
        """The record mode that was asked for; nothing is recorded."""
        return self.settings.record_mode

    def rewind(self) -> None:
        """Forget what was played."""
        self.play_counts.clear()

    def _loaded(self, paths: list[Path]) -> Iterable[tuple[VcrRequest, VcrResponse]]:
        for row in rows_of(paths):
            # of a header that stands twice vcrpy takes the first
            headers = dict(reversed(row.request_headers))
            recorded = VcrRequest(row.method, row.url, row.request_body, headers)
            request = filters.applied(recorded, self.settings.request_filters)
            response = responses.applied(responses.vcr_response(row), self.settings.response_filters)
            if request is not None and response is not None:
                yield request, response

    def _place(self, sent: VcrRequest) -> int | None:
        """Where the answer to a request is that is to be played next."""
        for place, (recorded, _) in enumerate(self.data):
            open_ = self.settings.repeats or not self.play_counts[place]
            if open_ and not failing(sent, recorded, self.settings.matchers):
                return place
        return None

    def _message(self, sent: VcrRequest) -> str:
        played: list[Any] = [place for place in range(len(self)) if self.play_counts[place]]
        return message(sent, self.path, self.requests, played, self.settings.matchers, self._advice)
