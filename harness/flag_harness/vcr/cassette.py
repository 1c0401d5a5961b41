"""A cassette in vcrpy's format, which plays recorded responses and records new ones."""

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flag_harness.callers import find_calling_line
from flag_harness.cassette.match.miss import API_REFUSAL_ADVICE, API_REFUSAL_NOTE, BUG_ADVICE
from flag_harness.errors import CassetteError, CassetteMiss
from flag_harness.vcr import filters, responses
from flag_harness.vcr.interaction_hooks import apply_hooks
from flag_harness.vcr.matchers import MATCHERS, failing_matchers
from flag_harness.vcr.report import miss_message
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.responses import VcrResponse
from flag_harness.vcr.secrets import drop_credential_headers, unfiltered_credential_headers
from flag_harness.vcr.settings import VcrSettings
from flag_harness.vcr.storage import StoredCassette, VcrInteraction
from flag_harness.wire.compression import missing_decompression_package
from flag_harness.wire.timeline import Cut, Edit, End, Head, Piece, Request, Response


class VcrCassette:
    """Answers each request with the first recorded response that matches; the fixture `vcr` yields it.

    Each response is played once unless the settings allow repeats; unplayed responses are not an error. If no response
    matches, the record mode decides, as in vcrpy: the request is sent and its answer recorded, or `CassetteMiss` is
    raised and also added to `misses`. A request that a filter drops is sent, and not recorded.

    `path` is the cassette's file, and `extra_paths` are files from which more responses are loaded. `advice` ends the
    message of a `CassetteMiss`, and `make_miss` makes the exception from the message. `find_refusal` returns the
    message with which the API would refuse a request, or None; such a message replaces the advice. Raise
    `CassetteError` naming a cassette that cannot be read.
    """

    def __init__(
        self,
        path: Path,
        settings: VcrSettings,
        extra_paths: Iterable[Path] = (),
        advice: str = "",
        make_miss: Callable[[str], CassetteMiss] = CassetteMiss,
        find_refusal: Callable[[Request], str | None] = lambda request: None,
    ) -> None:
        self.settings = settings
        self.misses: list[CassetteMiss] = []
        self.passed_on_requests = False
        self.play_counts: Counter[int] = Counter()
        self._file, self._advice, self._refusal, self._find_refusal = path, advice, make_miss, find_refusal
        self._lock = threading.RLock()
        self._recorded_by_number: dict[int, VcrInteraction] = {}
        self._started_count = 0
        self.is_saved = False
        self._compared_credentials: set[str] = set()
        self.data: list[VcrInteraction] = []
        self.rewound = self._load_files(extra_paths)

    def __call__(self, request: Request) -> Response | Edit | None:
        """Answer a request: return the recorded answer, or an edit that records the answer that the upstream will give.

        Return None if a filter drops the request, so that it is sent and not recorded.
        """
        sent = VcrRequest.from_request(request)
        with self._lock:
            filtered = self.filter_request(sent)
            if filtered is None:
                self.passed_on_requests = True
                return None
            answer = self.play(filtered, request)
        if answer is None:
            return self._make_recording_edit(sent)
        response = responses.response_from_vcr(answer)
        if package := missing_decompression_package(response):
            text = f"{self._file}: an answer is compressed, and {package} is missing to read it; pip install {package}"
            warnings.warn(text, stacklevel=2)
        return response

    def play(self, filtered: VcrRequest, original: Request) -> VcrResponse | None:
        """Return the next recorded answer to a filtered request, or None if there is none and the mode permits
        recording.

        `original` is the request before filtering. Raise `CassetteMiss` if there is no answer and the mode forbids
        recording.
        """
        with self._lock:
            index = self._next_answer_index(filtered) if self._may_play_again else None
            if index is not None:
                self.play_counts[index] += 1
                return self.data[index][1]
            if self.write_protected:
                self.misses.append(self._refusal(self._miss_message(filtered, original)))
                raise self.misses[-1]
        return None

    def reserve_record_number(self) -> int:
        """Return the number under which the next request that is sent is recorded.

        `record` takes this number, so that requests are stored in the order in which they were sent.
        """
        with self._lock:
            self._started_count += 1
            return self._started_count

    def record(self, number: int, sent: VcrRequest, response: VcrResponse) -> None:
        """Filter a request and its response, and record them unless a filter drops them. Credential headers are left
        out.

        `number` is the result of `reserve_record_number`, and `sent` the request before filtering.
        """
        request = self.filter_request(sent)
        filtered = responses.apply_response_filters(response, self.settings.response_filters)
        if request is None or filtered is None:
            return
        credentials = unfiltered_credential_headers(request, sent)
        if "headers" in self.settings.matchers:
            self._compared_credentials.update(credentials)
        else:
            for name in credentials:
                del request.headers[name]
        with self._lock:
            self._recorded_by_number[number] = request, drop_credential_headers(filtered)
            self.data.append(self._recorded_by_number[number])

    def save(self) -> None:
        """Write the new interactions, if there are any, in the order in which their requests were sent.

        Raise `CassetteError` if the cassette cannot be written, or would contain an API key.
        """
        if not self._recorded_by_number:
            return
        if self._compared_credentials:
            names = sorted(self._compared_credentials)
            raise CassetteError(
                f"{self.path} was not written: match_on compares headers, and {', '.join(names)} would be written as "
                f"sent; add to vcr_config: filter_headers = {names!r}"
            )
        recorded = [interaction for _, interaction in sorted(self._recorded_by_number.items())]
        self.settings.storage.update(self._file, lambda stored: self._merge_with_stored(stored, recorded))
        self.is_saved = True

    @property
    def can_record(self) -> bool:
        """Whether requests without a match are sent, and their answers recorded."""
        return not self.write_protected

    @property
    def has_ignored_body(self) -> bool:
        """Whether a request with a body was answered by a response that was chosen without comparing bodies."""
        names = MATCHERS.keys() - {"body", "raw_body"}
        is_loose = all(name in names and MATCHERS[name] is one for name, one in self.settings.matchers.items())
        return is_loose and any(self.data[index][0].body for index in self.play_counts)

    @property
    def write_protected(self) -> bool:
        """Whether nothing may be recorded: the record mode is `none`, or it is `once` and the cassette
        existed before.
        """
        mode = self.settings.record_mode
        return mode == "none" or (mode == "once" and self.rewound)

    @property
    def new_interaction_count(self) -> int:
        """The number of interactions that have been recorded since the cassette was loaded."""
        return len(self._recorded_by_number)

    @property
    def path(self) -> str:
        """The path of the cassette as text, as in vcrpy."""
        return str(self._file)

    _path = path
    """The name of `path` in vcrpy until 9.4, so that suites can still use it."""

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        """Return True, even if the cassette is empty, so that `if cassette:` means that there is one."""
        return True

    def __contains__(self, request: VcrRequest) -> bool:
        """Return whether the cassette still has an answer to play to a request."""
        sent = self.filter_request(request)
        return sent is not None and self._next_answer_index(sent) is not None

    @property
    def requests(self) -> list[VcrRequest]:
        """The recorded requests, as the filters have changed them."""
        return [request for request, _ in self.data]

    @property
    def responses(self) -> list[VcrResponse]:
        """The recorded responses, in vcrpy's format."""
        return [response for _, response in self.data]

    @property
    def play_count(self) -> int:
        """The number of times that answers have been played."""
        return sum(self.play_counts.values())

    @property
    def all_played(self) -> bool:
        """Whether every answer has been played."""
        return len(self.play_counts) == len(self)

    @property
    def dirty(self) -> bool:
        """Whether answers have been recorded that `save` would write."""
        return bool(self._recorded_by_number)

    @property
    def record_mode(self) -> str:
        """The record mode; `rewrite` is shown as `new_episodes`, as in pytest-recording."""
        return "new_episodes" if self.settings.record_mode == "rewrite" else self.settings.record_mode

    def rewind(self) -> None:
        """Make every answer playable again, also those that have been played."""
        self.play_counts.clear()

    def filter_request(self, request: VcrRequest) -> VcrRequest | None:
        """Return a filtered copy of a request, or None if a filter drops it."""
        return filters.apply_filters(request, self.settings.request_filters)

    @property
    def _may_play_again(self) -> bool:
        return self.settings.record_mode != "all" and (self.rewound or self.settings.allows_repeats)

    def _load_files(self, extra_paths: Iterable[Path]) -> bool:
        """Load this cassette (unless the record mode is `rewrite`) and the extra ones.

        Return whether any of the files exists.
        """
        paths = [*([] if self.settings.record_mode == "rewrite" else [self._file]), *extra_paths]
        stored = [found for path in dict.fromkeys(paths) if (found := self.settings.storage.load(path)) is not None]
        self.data = [pair for one in stored for pair in self._filter_loaded_interactions(one)]
        return bool(stored)

    def _filter_loaded_interactions(self, stored: StoredCassette) -> Iterable[VcrInteraction]:
        """Yield the stored requests and responses after hooks and filters, except those that a hook or filter drops."""
        for pair in stored.interactions:
            hooked = apply_hooks(self.settings.load_hooks, *pair, self) if self.settings.load_hooks else pair
            if hooked is None:
                continue
            request = self.filter_request(hooked[0])
            response = responses.apply_response_filters(hooked[1], self.settings.response_filters)
            if request is not None and response is not None:
                yield request, response

    def _make_recording_edit(self, sent: VcrRequest) -> Edit:
        """Return an edit that records an answer once it is complete, because vcrpy stores only complete ones.

        The edit holds the pieces of the answer back until then.
        """
        number, pieces = self.reserve_record_number(), list[Piece]()

        def pass_on_and_record(piece: Piece) -> Iterable[Piece]:
            pieces.append(piece)
            if isinstance(piece, End) and not piece.is_abandoned and isinstance(pieces[0], Head):
                self.record(number, sent, responses.vcr_response_from_timeline(tuple(pieces)))
            return pieces if isinstance(piece, (Cut, End)) else ()

        return pass_on_and_record

    def _merge_with_stored(self, stored: StoredCassette | None, recorded: list[VcrInteraction]) -> StoredCassette:
        """Return the stored interactions that the record mode keeps, followed by the newly `recorded` ones."""
        mode = self.settings.record_mode
        kept = [] if stored is None or mode == "rewrite" else list(self._filter_loaded_interactions(stored))
        if mode == "all":
            kept = [pair for pair in kept if not any(self._is_match(one, pair[0]) for one, _ in recorded)]
        both = [apply_hooks(self.settings.save_hooks, *pair, self) for pair in [*kept, *recorded]]
        return StoredCassette([pair for pair in both if pair is not None], stored.metadata if stored else {})

    def _is_match(self, sent: VcrRequest, recorded: VcrRequest) -> bool:
        """Return whether all matchers of the settings accept the two requests as equal."""
        return not failing_matchers(sent, recorded, self.settings.matchers)

    def _next_answer_index(self, sent: VcrRequest) -> int | None:
        """Return the index of the next recorded answer that may be played to a request, or None if no
        answer is left.
        """
        for index, (recorded, _) in enumerate(self.data):
            if (self.settings.allows_repeats or not self.play_counts[index]) and self._is_match(sent, recorded):
                return index
        return None

    def _miss_message(self, sent: VcrRequest, original: Request) -> str:
        played: list[Any] = [index for index in range(len(self)) if self.play_counts[index]]
        refusal = self._find_refusal(original)
        advice = f"{API_REFUSAL_NOTE}: {refusal}\n{API_REFUSAL_ADVICE}" if refusal else self._advice
        if self.requests and not refusal:
            advice = f"{BUG_ADVICE}: {find_calling_line() or 'the code'} sends the request\n{advice}"
        return miss_message(sent, self._file, self.requests, played, self.settings.matchers, advice)
