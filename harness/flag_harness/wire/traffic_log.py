"""A layer that stores all requests and responses that pass through it. It changes and delays nothing."""

import threading
from collections.abc import Callable, Iterable

from flag_harness.wire.timeline import Cut, Edit, End, Piece, Request, Response


class TrafficLog:
    """A layer that stores every request, the time at which it was sent, and each piece of its response.

    `now` returns the current time in seconds; without it, all times are 0.
    """

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._entries: list[tuple[Request, list[Piece]]] = []
        self._request_times: list[float] = []
        self._now = now
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Edit:
        pieces: list[Piece] = []
        with self._lock:
            self._entries.append((request, pieces))
            self._request_times.append(self._now())

        def log_piece(piece: Piece) -> Iterable[Piece]:
            pieces.append(piece)
            return (piece,)

        return log_piece

    @property
    def exchanges(self) -> tuple[tuple[Request, Response], ...]:
        """All requests in the order in which they were sent, each with its response.

        A response that is still arriving ends with an `End` marked as abandoned.
        """
        return tuple((request, _make_response_with_end(pieces)) for request, pieces in self.entries_from())

    @property
    def request_times(self) -> tuple[float, ...]:
        """The time at which each request was sent, in seconds on the log's clock; all are 0 if the log has no clock."""
        with self._lock:
            return tuple(self._request_times)

    def entries_from(self, start: int = 0) -> list[tuple[Request, list[Piece]]]:
        """Return the requests from index `start` on, each with the pieces of its response so far."""
        with self._lock:
            return self._entries[start:]


def _make_response_with_end(pieces: list[Piece]) -> Response:
    """Return the pieces as a response. If the last piece is neither an end nor a cut, an abandoned `End` is added."""
    if pieces and isinstance(pieces[-1], (Cut, End)):
        return tuple(pieces)
    return (*pieces, End(pieces[-1].at if pieces else 0.0, is_abandoned=True))
