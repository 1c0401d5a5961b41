"""A vcrpy cassette that plays its responses."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flag_harness.errors import CassetteMiss
from flag_harness.vcr import filters, responses
from flag_harness.vcr.loading import load_interactions
from flag_harness.vcr.matchers import failing_matchers
from flag_harness.vcr.report import miss_message
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.responses import VcrResponse
from flag_harness.vcr.settings import VcrSettings
from flag_harness.wire.timeline import Request, Response


class VcrCassette:
    """A layer that answers each request with the first recorded response that matches; the fixture `vcr` yields it.

    Each response is played once, unless the settings allow repeats; unplayed responses are not an error. A request
    without a match raises `CassetteMiss`, which is also kept in `misses`; a request that a filter leaves out is passed
    on. `advice` ends the message of a miss, and `refusal` builds the exception from it. Raises `CassetteError` naming a
    file that cannot be read.
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
        self.data = list(self._load([path, *extra]))

    def __call__(self, request: Request) -> Response | None:
        """Return the answer to a request, or None if a filter leaves the request out."""
        with self._lock:
            sent = filters.apply_filters(VcrRequest.from_request(request), self.settings.request_filters)
            if sent is None:
                self.passed_on = True
                return None
            index = self._next_index(sent)
            if index is None:
                self.misses.append(self._refusal(self._miss_message(sent)))
                raise self.misses[-1]
            self.play_counts[index] += 1
        return responses.to_response(self.data[index][1])

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        """Return True, even if the cassette is empty."""
        return True

    def __contains__(self, request: VcrRequest) -> bool:
        """Return whether an answer to a request is left."""
        sent = filters.apply_filters(request, self.settings.request_filters)
        return sent is not None and self._next_index(sent) is not None

    @property
    def requests(self) -> list[VcrRequest]:
        """The recorded requests, after filtering."""
        return [request for request, _ in self.data]

    @property
    def responses(self) -> list[VcrResponse]:
        """The recorded responses, in vcrpy's format."""
        return [response for _, response in self.data]

    @property
    def play_count(self) -> int:
        """How many times an answer was played."""
        return sum(self.play_counts.values())

    @property
    def all_played(self) -> bool:
        """Whether every answer was played."""
        return len(self.play_counts) == len(self)

    @property
    def record_mode(self) -> str:
        """The configured record mode. Nothing is recorded in any mode."""
        return self.settings.record_mode

    def rewind(self) -> None:
        """Make every answer playable again."""
        self.play_counts.clear()

    def _load(self, paths: list[Path]) -> Iterable[tuple[VcrRequest, VcrResponse]]:
        for row in load_interactions(paths):
            # if a header occurs twice, vcrpy takes the first
            headers = dict(reversed(row.request_headers))
            recorded = VcrRequest(row.method, row.url, row.request_body, headers)
            request = filters.apply_filters(recorded, self.settings.request_filters)
            response = responses.apply_response_filters(responses.to_vcr_response(row), self.settings.response_filters)
            if request is not None and response is not None:
                yield request, response

    def _next_index(self, sent: VcrRequest) -> int | None:
        """Return the index of the next answer to a request, or None if none is left."""
        for index, (recorded, _) in enumerate(self.data):
            is_playable = self.settings.repeats or not self.play_counts[index]
            if is_playable and not failing_matchers(sent, recorded, self.settings.matchers):
                return index
        return None

    def _miss_message(self, sent: VcrRequest) -> str:
        played: list[Any] = [index for index in range(len(self)) if self.play_counts[index]]
        return miss_message(sent, self.path, self.requests, played, self.settings.matchers, self._advice)
