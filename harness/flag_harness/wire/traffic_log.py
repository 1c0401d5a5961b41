"""A log of the traffic: a layer that keeps what passes through it, without delaying anything."""

import threading
from collections.abc import Iterable

from flag_harness.wire.timeline import Cut, Edit, End, Piece, Request, Response


class TrafficLog:
    """Keeps every request that reaches it, and each piece of the response as it passes."""

    def __init__(self) -> None:
        self._entries: list[tuple[Request, list[Piece]]] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Edit:
        pieces: list[Piece] = []
        with self._lock:
            self._entries.append((request, pieces))

        def keep(piece: Piece) -> Iterable[Piece]:
            pieces.append(piece)
            return (piece,)

        return keep

    @property
    def exchanges(self) -> tuple[tuple[Request, Response], ...]:
        """The requests in the order in which they were sent, and their responses; an open response is abandoned."""
        return tuple((request, _complete_response(pieces)) for request, pieces in self.entries())

    def entries(self, start: int = 0) -> list[tuple[Request, list[Piece]]]:
        """Return the requests from index `start` on, with their pieces so far; a complete response has an end."""
        with self._lock:
            return self._entries[start:]


def _complete_response(pieces: list[Piece]) -> Response:
    if pieces and isinstance(pieces[-1], (Cut, End)):
        return tuple(pieces)
    return (*pieces, End(pieces[-1].at if pieces else 0.0, abandoned=True))
