"""The two kinds of values in a cassette: the metadata, which describes the recording, and the interactions."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from flag_harness.cassette.match.matching import (
    MatchPart,
    content_of_selected_parts,
    content_to_match,
    decode_comparable_body,
    hash_content,
)
from flag_harness.cassette.match.multipart import normalise_multipart_boundary
from flag_harness.cassette.redact.headers import select_request_headers
from flag_harness.wire.origin import UpstreamName
from flag_harness.wire.timeline import Chunk, Head, Piece, Request, Response, body

_TIME_HEADER_ENDINGS = ("-reset",)
"""The endings of names of headers that hold times, which differ from run to run."""


@dataclass(frozen=True, slots=True)
class CassetteMetadata:
    """Describes a recording: date (`recorded_at`, ISO 8601 in UTC), upstream, SDK, test and combination.

    Cassette files have the metadata under the key `envelope`.

    In an imported recording, `fidelity` lists what did not come from the API (words of `importers/fidelity.py`), and
    `match_on` lists the parts of a request to compare; if it is empty, all parts are compared. `is_rebased` is True if
    requests were rewritten after recording, so it is not known whether the API would still answer this way.
    `excluded_from_effects` says why the recording is not compared to those of other combinations; empty if it is.
    """

    upstream: UpstreamName
    recorded_at: str
    sdk: str = ""
    case: str = ""
    combination: str = ""
    fidelity: tuple[str, ...] = ()
    match_on: tuple[MatchPart, ...] = ()
    is_rebased: bool = False
    excluded_from_effects: str = ""


@dataclass(frozen=True)
class Interaction:
    """One request in the form that a cassette keeps (path instead of URL, allow-listed headers), and its response.

    `case` is the node id of the test that recorded the interaction; it is empty if the metadata names this test
    already. `in_teardown` is True if the request was sent while the test's fixtures were torn down.
    """

    request: Request
    response: Response
    case: str = ""
    in_teardown: bool = False

    @cached_property
    def decoded_body(self) -> Any:
        """The request's body, decoded from JSON, or its bytes if it is not JSON."""
        return decode_comparable_body(self.request.body)

    @cached_property
    def match_key(self) -> bytes:
        """A hash of those parts of the request by which requests are compared."""
        return hash_content(self.match_content(()))

    def match_content(self, match_on: tuple[MatchPart, ...]) -> bytes:
        """Return the bytes by which this request is compared: the parts in `match_on`, or all if it is empty."""
        if match_on:
            return content_of_selected_parts(self.request, self.decoded_body, match_on)
        value = decode_comparable_body(self.request.body)  # not cached: an index needs each body only once
        if isinstance(value, bytes):
            value = normalise_multipart_boundary(self.request).body
        return content_to_match(self.request.method, self.request.path, self.request.headers, value)


def make_storable_request(request: Request) -> Request:
    """Return the request as a cassette keeps it: without host, and with allow-listed headers only."""
    return Request(request.method, request.path, select_request_headers(request.headers), request.body)


def is_same_recording(old: Interaction, new: Interaction) -> bool:
    """Return whether two interactions are equal, except for times and for how the response is split into chunks."""
    same_sender = (old.case, old.in_teardown) == (new.case, new.in_teardown)
    same_request = same_sender and normalise_multipart_boundary(old.request) == normalise_multipart_boundary(
        new.request
    )
    return same_request and _response_content(old.response) == _response_content(new.response)


def _response_content(response: Response) -> tuple[Any, ...]:
    """Return the head, the body and the end of a response without times, to compare it with another response."""
    first, last = response[0], response[-1]
    return _remove_times(first), body(response), _remove_times(last)


def _remove_times(piece: Piece) -> Piece:
    """Return a piece of a response without its time and without headers that hold times."""
    if isinstance(piece, Head):
        headers = tuple(pair for pair in piece.headers if not pair[0].endswith(_TIME_HEADER_ENDINGS))
        return replace(piece, at=0.0, headers=headers)
    return replace(piece, at=0.0) if not isinstance(piece, Chunk) else Chunk(0.0, b"")
