"""The recorder: a layer that stores requests and responses, to make cassettes from them."""

from collections.abc import Collection
from dataclasses import replace

from flag_harness.cassette.interaction import Interaction, make_storable_request
from flag_harness.cassette.redact.filters import NO_FILTERS, Filters
from flag_harness.cassette.redact.headers import select_response_headers
from flag_harness.wire.timeline import Head, Piece
from flag_harness.wire.traffic_log import TrafficLog

TIME_DECIMALS = 6
"""The number of decimals of times (in seconds) in a cassette, so that they are whole microseconds."""


class Recorder(TrafficLog):
    """Records requests, in the order in which they are sent, and their responses. It must be the layer next to the
    upstream.

    The filters remove secrets from everything that is recorded. `kept_headers` names response headers to record in
    addition to the usual ones.
    """

    def __init__(self, filters: Filters = NO_FILTERS, kept_headers: Collection[str] = ()) -> None:
        super().__init__()
        self._filters, self._kept_headers = filters, kept_headers

    @property
    def interactions(self) -> tuple[Interaction, ...]:
        """The recorded interactions, filtered, in the order in which their requests were sent."""
        return tuple(
            self._filters.filter_interaction(
                Interaction(
                    make_storable_request(request),
                    tuple(_storable_piece(piece, request.url, self._kept_headers) for piece in response),
                )
            )
            for request, response in self.exchanges
        )


def _storable_piece(piece: Piece, url: str, keep: Collection[str]) -> Piece:
    piece = replace(piece, at=round(piece.at, TIME_DECIMALS))
    if isinstance(piece, Head):
        return replace(piece, headers=select_response_headers(piece.headers, url, keep))
    return piece
