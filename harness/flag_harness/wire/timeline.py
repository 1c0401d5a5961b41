"""Requests and responses as data: what arrived, and at what time. Nothing here uses a clock, a socket or `await`.

The words that the whole package uses:
- piece: one part of a response, in the order of arrival: its `Head`, a `Chunk` of its body, its `End`, or a `Cut`.
- response: a tuple of pieces. It is also called a timeline, because each piece has a time.
- upstream: a function that answers requests: a cassette, the simulator or the live API.
- layer: a function between a client and the upstream that may answer, edit or watch: a fault, a filter or a recorder.

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

_MESSAGES_ENDPOINT, _API_VERSION_PATH = "/v1/messages", "/v1/"
_ENDPOINT_PATTERN = re.compile(
    r".*(?P<endpoint>/v1/(?:messages|complete|models|files|skills|agents|sessions|environments|organizations|"
    r"memory_stores|vaults)(?:/.*)?|/v1/projects/.*|/model/[^/]+/(?:invoke|invoke-with-response-stream|"
    r"converse|converse-stream))",
    re.DOTALL,
)
"""Matches a URL path that ends with an endpoint of the API, Vertex AI or Bedrock; a gateway's base path may
come first.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One complete HTTP request."""

    method: str
    url: str
    headers: Headers
    body: bytes

    @property
    def path(self) -> str:
        """The endpoint with its query, such as `/v1/messages?beta=true`, without scheme and host.

        The base path of a gateway (as in `/anthropic/v1/messages`) is removed if the endpoint is known. `url` may also
        consist of a path only.
        """
        parts = urlsplit(f"//host{self.url}" if self.url.startswith("/") else self.url)
        return _remove_base_path(parts.path) + (f"?{parts.query}" if parts.query else "")


def _remove_base_path(path: str) -> str:
    """Remove the base path of a gateway: `/anthropic/v1/messages` becomes `/v1/messages`.

    Other paths stay unchanged.
    """
    if (
        path.startswith(_MESSAGES_ENDPOINT) and path.rfind(_API_VERSION_PATH) == 0
    ):  # most paths need no regular expression
        return path
    found = _ENDPOINT_PATTERN.fullmatch(path)
    return found["endpoint"] if found else path


@dataclass(frozen=True, slots=True)
class Head:
    """The status and headers of a response, with the time of their arrival."""

    at: float
    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of the body that arrived together, with the time of their arrival."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """The break of a connection. `kind` says how it broke.

    If this is the only piece of a response, no connection was made, or it broke before the answer began.
    """

    at: float
    kind: CutKind


@dataclass(frozen=True, slots=True)
class End:
    """The end of a response.

    If `is_abandoned` is False, the body is complete. If it is True (in recordings only), the client stopped reading, so
    the rest was not recorded. If a client reads further during replay, it gets the error that `make_refusal` returns.
    """

    at: float
    is_abandoned: bool = False
    make_refusal: Callable[[], BaseException] | None = field(default=None, repr=False, compare=False)


Piece: TypeAlias = Head | Chunk | Cut | End
"""One part of a response, with the time of its arrival."""
Response: TypeAlias = tuple[Piece, ...]
"""The pieces of one answer in order: a head, chunks, and an end or a cut. If no connection was made, only a cut."""

Upstream: TypeAlias = Callable[[Request], Response]
"""A function that answers requests, without I/O. It may be called by several threads at once."""

Edit: TypeAlias = Callable[[Piece], Iterable[Piece]]
"""A function that changes one response piece by piece: it receives each piece and returns its replacements."""

Layer: TypeAlias = Callable[[Request], "Response | Edit | None"]
"""A function in front of an upstream. For a request, it returns an answer of its own, an edit of the upstream's answer,
or None to let the request pass.
"""


def header_value(headers: Headers, name: str, default: str = "") -> str:
    """Return the values of the header `name`, joined by commas, or `default` if there is none."""
    lower_name = name.lower()
    return ", ".join([value for key, value in headers if key.lower() == lower_name]) or default


def is_stream(head: Head) -> bool:
    """Return whether the head announces a stream of server-sent events."""
    return header_value(head.headers, "content-type").startswith("text/event-stream")


def body(response: Response) -> bytes:
    """Return the whole body of a response as bytes."""
    return b"".join(piece.data for piece in response if isinstance(piece, Chunk))
