"""A tap: a layer that notes what passes, without holding anything up."""

import threading
from collections.abc import Iterable

from flag_harness.wire.timeline import Cut, Edit, End, Piece, Request, Response


class TrafficLog:
    """Notes every request that reaches it, and each piece of its response as it leaves."""

    def __init__(self) -> None:
        self._noted: list[tuple[Request, list[Piece]]] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Edit:
        pieces: list[Piece] = []
        with self._lock:
            self._noted.append((request, pieces))

        def note(piece: Piece) -> Iterable[Piece]:
            pieces.append(piece)
            return (piece,)

        return note

    @property
    def exchanges(self) -> tuple[tuple[Request, Response], ...]:
        """Requests in the order in which they were sent, with what came; a response still open counts as abandoned."""
        return tuple((request, _closed(pieces)) for request, pieces in self.entries())

    def entries(self, start: int = 0) -> list[tuple[Request, list[Piece]]]:
        """The requests from the one at `start`, with what has come so far: an answer is whole once it has an end."""
        with self._lock:
            return self._noted[start:]


def _closed(pieces: list[Piece]) -> Response:
    if pieces and isinstance(pieces[-1], (Cut, End)):
        return tuple(pieces)
    return (*pieces, End(pieces[-1].at if pieces else 0.0, abandoned=True))
