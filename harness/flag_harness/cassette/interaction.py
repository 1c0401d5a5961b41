"""What a cassette holds, as values."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from flag_harness.cassette.match.matching import MatchWord, body_value, hashed, loose_content, match_content
from flag_harness.cassette.match.multipart import without_boundary
from flag_harness.cassette.redact.headers import select_request_headers
from flag_harness.wire.timeline import Chunk, Head, Piece, Request, Response, response_body

UpstreamName = Literal["live", "simulator", "imported"]

_TIMES = ("-reset",)
"""Headers whose names end so hold moments: they differ from run to run."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of a recording: `recorded_at` in ISO 8601 UTC, and which upstream really answered.

    Of an imported one also `fidelity`, what in it is not the API's own (words of `importers/fidelity.py`), and
    `match_on`, the parts of a request that matched where it was recorded; empty: all that this harness compares.
    `rebased`: requests were rewritten after they were recorded; whether the API would still answer so is not verified.
    """

    upstream: UpstreamName
    recorded_at: str
    sdk: str = ""
    case: str = ""
    combination: str = ""
    fidelity: tuple[str, ...] = ()
    match_on: tuple[MatchWord, ...] = ()
    rebased: bool = False


@dataclass(frozen=True)
class Interaction:
    """One request as a cassette keeps it (path for URL, allow-listed headers) and its response.

    `case` is the test that recorded it, where that is not the one that the cassette's envelope names. `late`: it was
    sent when the test's own code had ended, by what tears its fixtures down.
    """

    request: Request
    response: Response
    case: str = ""
    late: bool = False

    @cached_property
    def value(self) -> Any:
        """The request's JSON body, or its bytes where it is none."""
        return body_value(self.request.body)

    @cached_property
    def key(self) -> bytes:
        """The hash of all that takes part in matching."""
        return hashed(self.content_on(()))

    def content_on(self, match_on: tuple[MatchWord, ...]) -> bytes:
        """What takes part in matching; all of it where no parts are named."""
        if match_on:
            return loose_content(self.request, self.value, match_on)
        value = body_value(self.request.body)  # not kept: an index asks for each once
        if isinstance(value, bytes):
            value = without_boundary(self.request).body
        return match_content(self.request.method, self.request.path, self.request.headers, value)


def kept_request(request: Request) -> Request:
    """The request without what a cassette does not keep: its host and every header that is not on the allow-list."""
    return Request(request.method, request.path, select_request_headers(request.headers), request.body)


def same_but_for_times(old: Interaction, new: Interaction) -> bool:
    """Whether two recordings say the same: offsets, and where the network cut the body into chunks, are timing."""
    same_sender = (old.case, old.late) == (new.case, new.late)
    same_request = same_sender and without_boundary(old.request) == without_boundary(new.request)
    return same_request and _timeless(old.response) == _timeless(new.response)


def _timeless(response: Response) -> tuple[Any, ...]:
    first, last = response[0], response[-1]
    return _timeless_piece(first), response_body(response), _timeless_piece(last)


def _timeless_piece(piece: Piece) -> Piece:
    if isinstance(piece, Head):
        headers = tuple(pair for pair in piece.headers if not pair[0].endswith(_TIMES))
        return replace(piece, at=0.0, headers=headers)
    return replace(piece, at=0.0) if not isinstance(piece, Chunk) else Chunk(0.0, b"")
