"""A request, and a response as data: what came over the wire, and when. No clock, no socket, nothing to await.

`at` is always in seconds since the request was sent.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Header names and values in the order in which they were sent; a name may stand more than once."""

CutKind: TypeAlias = Literal["reset", "eof", "read_timeout", "refused"]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body complete."""

    method: str
    url: str
    headers: Headers
    body: bytes

    @property
    def path(self) -> str:
        """The URL without scheme and host: `/v1/messages?beta=true`. A URL that is a path already stays one."""
        parts = urlsplit(f"//host{self.url}" if self.url.startswith("/") else self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers."""

    at: float
    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of the body as they arrived together."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection broke. As the first piece: there never was a connection, or no answer came over it."""

    at: float
    how: CutKind


@dataclass(frozen=True, slots=True)
class End:
    """The body is complete; or, `abandoned`, the client stopped reading it (in recordings only).

    `make_refusal` makes what is raised in a client that reads on after such an end, where nothing is known to play.
    """

    at: float
    abandoned: bool = False
    make_refusal: Callable[[], BaseException] | None = field(default=None, repr=False, compare=False)


Piece: TypeAlias = Head | Chunk | Cut | End
Response: TypeAlias = tuple[Piece, ...]
"""Head? Chunk* (End | Cut)"""

Upstream: TypeAlias = Callable[[Request], Response]
"""Answers requests without I/O; keeps what state it has behind a lock."""

Edit: TypeAlias = Callable[[Piece], Iterable[Piece]]
"""Changes one response, piece by piece, whether it is a value or still arriving."""

Layer: TypeAlias = Callable[[Request], "Response | Edit | None"]
"""Stands before an upstream: answers itself, edits what comes from below, or lets the request pass."""


def header_value(headers: Headers, name: str, default: str = "") -> str:
    """The values of `name` (any case) joined by commas as HTTP allows, or `default` where there is none."""
    wanted = name.lower()
    return ", ".join(value for key, value in headers if key.lower() == wanted) or default


def is_stream(head: Head) -> bool:
    """Whether what follows the head is said to be server-sent events."""
    return header_value(head.headers, "content-type").startswith("text/event-stream")


def response_body(response: Response) -> bytes:
    """All bytes of the response's body."""
    return b"".join(piece.data for piece in response if isinstance(piece, Chunk))
