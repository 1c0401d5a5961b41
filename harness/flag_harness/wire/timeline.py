"""A request, and a response as data: what arrived, and when. There is no clock, no socket and nothing to await.

The words that the whole package uses:

- piece: one part of a response in the order of arrival: its `Head`, a `Chunk` of its body, its `End`, or a `Cut`.
- response: a tuple of pieces. Also called a timeline, because each piece has its time.
- upstream: what answers a request: a cassette, the simulator or the live API.
- layer: what stands between a client and the upstream and may answer, edit or watch: a fault, a filter, a recorder.

`at` is always in seconds since the request was sent.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Header names and values in the order in which they were sent; a name may occur more than once."""

CutKind: TypeAlias = Literal["reset", "eof", "read_timeout", "refused"]

_MESSAGES = "/v1/messages"
_ENDPOINT = re.compile(
    r".*(?P<endpoint>/v1/(?:messages|complete|models|files|skills|agents|sessions|environments|organizations|"
    r"memory_stores|vaults)(?:/.*)?|/v1/projects/.*|/model/[^/]+/(?:invoke|invoke-with-response-stream|"
    r"converse|converse-stream))",
    re.DOTALL,
)
"""An endpoint of the API, of Vertex AI or of Bedrock, after any base path."""


@dataclass(frozen=True, slots=True)
class Request:
    """One complete HTTP request."""

    method: str
    url: str
    headers: Headers
    body: bytes

    @property
    def path(self) -> str:
        """The endpoint with its query, `/v1/messages?beta=true`, without scheme, host and base path.

        The URL may be a path already. A gateway's base path is cut (`/anthropic/v1/messages`); the path of an unknown
        endpoint is returned whole.
        """
        parts = urlsplit(f"//host{self.url}" if self.url.startswith("/") else self.url)
        return _cut_base_path(parts.path) + (f"?{parts.query}" if parts.query else "")


def _cut_base_path(path: str) -> str:
    if path.startswith(_MESSAGES):
        return path
    found = _ENDPOINT.fullmatch(path)
    return found["endpoint"] if found else path


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers."""

    at: float
    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of the body that arrived together."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection broke. As the first piece: there was no connection, or it broke before the answer began."""

    at: float
    how: CutKind


@dataclass(frozen=True, slots=True)
class End:
    """The body is complete, or (`abandoned`, in recordings only) the client stopped reading it.

    If a client reads on after an abandoned end, `make_refusal` returns the error to raise: no more is recorded.
    """

    at: float
    abandoned: bool = False
    make_refusal: Callable[[], BaseException] | None = field(default=None, repr=False, compare=False)


Piece: TypeAlias = Head | Chunk | Cut | End
"""One part of a response, with the time of its arrival."""
Response: TypeAlias = tuple[Piece, ...]
"""The pieces of one answer: a head, chunks, and an end or a cut. If there was no connection, only a cut."""

Upstream: TypeAlias = Callable[[Request], Response]
"""Answers requests without I/O; its state is behind a lock."""

Edit: TypeAlias = Callable[[Piece], Iterable[Piece]]
"""Changes one response, piece by piece, whether it is complete or still arriving."""

Layer: TypeAlias = Callable[[Request], "Response | Edit | None"]
"""Comes before an upstream: answers itself, edits the answer from below, or lets the request pass (`None`)."""


def header_value(headers: Headers, name: str, default: str = "") -> str:
    """Return the values of `name` (in any case) joined by commas, as HTTP allows, or `default` if there are none."""
    lower_name = name.lower()
    return ", ".join(value for key, value in headers if key.lower() == lower_name) or default


def is_stream(head: Head) -> bool:
    """Return whether the head says that the body is server-sent events."""
    return header_value(head.headers, "content-type").startswith("text/event-stream")


def body(response: Response) -> bytes:
    """Return all bytes of the response's body."""
    return b"".join(piece.data for piece in response if isinstance(piece, Chunk))
