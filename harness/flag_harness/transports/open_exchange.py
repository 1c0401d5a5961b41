"""A request that is being answered, with the layers that can answer it or edit its response."""

from collections.abc import AsyncGenerator, Generator

from flag_harness.clock import Clock
from flag_harness.wire.layers import apply_edits, pass_request_to_layers
from flag_harness.wire.timeline import Cut, Edit, End, Layer, Piece, Request, Response


class OpenExchange:
    """A request whose answer is still arriving.

    `answer` is the response of a layer, or None if no layer answered. `edits` are the functions with which layers
    change each piece of the response. `error` is the exception that broke a live connection, or None.
    """

    __slots__ = ("answer", "clock", "edits", "error", "start_time")

    def __init__(self, request: Request, layers: tuple[Layer, ...], clock: Clock) -> None:
        self.clock, self.start_time = clock, clock.now()
        self.answer: Response | None
        self.edits: tuple[Edit, ...]
        self.answer, self.edits = pass_request_to_layers(request, layers) if layers else (None, ())
        self.error: Exception | None = None

    def apply_layers(self, source: Generator[Piece]) -> Generator[Piece]:
        """Yield the pieces of `source` after all layers have edited them. Closing the result closes `source`."""
        return self._edit_pieces(source) if self.edits else source

    def async_apply_layers(self, source: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
        """Yield the pieces of an async `source` after all layers have edited them; see `apply_layers`."""
        return self._async_edit_pieces(source) if self.edits else source

    def seconds_since_request(self) -> float:
        """Return the seconds since the request was sent."""
        return self.clock.now() - self.start_time

    def _edit_pieces(self, source: Generator[Piece]) -> Generator[Piece]:
        """Yield the edited pieces. If the client stops reading, send the edits an `End` for it, and close `source`."""
        piece: Piece | None = None
        try:
            for piece in source:
                yield from apply_edits(piece, self.edits)
        finally:
            self._report_abandonment(piece)
            source.close()

    async def _async_edit_pieces(self, source: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
        piece: Piece | None = None
        try:
            async for piece in source:
                for edited_piece in apply_edits(piece, self.edits):
                    yield edited_piece
        finally:
            self._report_abandonment(piece)
            await source.aclose()

    def _report_abandonment(self, last: Piece | None) -> None:
        """Tell the layers that the client has stopped reading, unless the response is complete."""
        if not isinstance(last, (Cut, End)):
            for _ in apply_edits(End(self.seconds_since_request(), is_abandoned=True), self.edits):
                pass
