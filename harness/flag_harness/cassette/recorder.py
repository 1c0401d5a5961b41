"""The recorder: the tap from which cassettes are made."""

from dataclasses import replace

from flag_harness.cassette.interaction import Interaction, kept_request
from flag_harness.cassette.redact.filters import NO_FILTERS, Filters
from flag_harness.cassette.redact.headers import select_response_headers
from flag_harness.wire.timeline import Head, Piece
from flag_harness.wire.traffic_log import TrafficLog

MICROSECONDS = 6
"""Decimals of the offsets that are kept: a cassette's times are whole microseconds."""


class Recorder(TrafficLog):
    """A layer, always the innermost. A request takes its place when it starts, whenever it ends.

    What the filters name stays out of its interactions.
    """

    def __init__(self, filters: Filters = NO_FILTERS) -> None:
        super().__init__()
        self._filters = filters

    @property
    def interactions(self) -> tuple[Interaction, ...]:
        """What a cassette keeps of all that was noted, in the order in which requests were sent."""
        return tuple(
            self._filters.filter_interaction(
                Interaction(kept_request(request), tuple(_kept(piece, request.url) for piece in response))
            )
            for request, response in self.exchanges
        )


def _kept(piece: Piece, url: str) -> Piece:
    piece = replace(piece, at=round(piece.at, MICROSECONDS))
    return replace(piece, headers=select_response_headers(piece.headers, url)) if isinstance(piece, Head) else piece
