"""The base classes, errors and responses of the HTTP library in use, `httpx2` or `httpx`."""

import math
from collections.abc import AsyncIterator, Iterator
from functools import cache
from types import ModuleType
from typing import Any

from flag_harness.wire.timeline import CutKind, Head, Headers, Request

_HEADER_ENCODING = "latin-1"
"""The encoding of headers: it turns any bytes into text, and that text back into the same bytes."""


class HttpLibrary:
    """The classes and errors of httpx or httpx2. They have the type `Any`, because the library may be missing."""

    def __init__(self, http: ModuleType) -> None:
        self.sync_transport: Any = http.BaseTransport
        self.async_transport: Any = http.AsyncBaseTransport
        self.transport_error: Any = http.TransportError
        self._response: Any = http.Response
        self._read_timeout: Any = http.ReadTimeout
        self._connect_timeout: Any = http.ConnectTimeout
        self._cut_errors: dict[CutKind, Any] = {
            "reset": http.ReadError,
            "eof": http.RemoteProtocolError,
            "read_timeout": http.ReadTimeout,
            "refused": http.ConnectError,
        }
        self._body = _make_body_class(http)

    def make_response(self, head: Head, content: Any, http_request: Any) -> Any:
        """Return a response of the library. Its body is the bytes that `content` yields."""
        headers = [(name.encode(_HEADER_ENCODING), value.encode(_HEADER_ENCODING)) for name, value in head.headers]
        return self._response(head.status, headers=headers, stream=self._body(content), request=http_request)

    def connection_error(self, kind: CutKind, http_request: Any) -> Exception:
        """Return the library's exception for a broken connection; `kind` says how it broke."""
        error: Exception = self._cut_errors[kind](f"the connection was cut: {kind}", request=http_request)
        return error

    def kind_of_connection_error(self, error: Exception) -> CutKind:
        """Return the `CutKind` (the way in which a connection broke) for an exception of the library."""
        if isinstance(error, self._connect_timeout):
            return "refused"
        return next((kind for kind, raised in self._cut_errors.items() if isinstance(error, raised)), "reset")

    def read_timeout_error(self, seconds: float, http_request: Any) -> Exception:
        """Return the exception that the library raises if nothing arrives within its read timeout of `seconds`."""
        error: Exception = self._read_timeout(f"nothing came for {seconds:g} s", request=http_request)
        return error


@cache
def _make_body_class(http: ModuleType) -> type[Any]:
    """Return a class for response bodies that is sync and async, as the library requires."""

    class Body(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]
        """The body of a response, as an iterator of bytes."""

        def __init__(self, content: Any) -> None:
            self._content = content

        def __iter__(self) -> Iterator[bytes]:
            return iter(self._content)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return aiter(self._content)

        def close(self) -> None:
            self._content.close()

        async def aclose(self) -> None:
            await self._content.aclose()

    return Body


def convert_request(http_request: Any, body: bytes) -> Request:
    """Convert the library's request to a `Request`."""
    return Request(http_request.method, str(http_request.url), read_headers(http_request), body)


def read_headers(message: Any) -> Headers:
    """Return a message's headers with lower-case names. This takes half as long as the library's own method."""
    return tuple(
        [(name.decode(_HEADER_ENCODING).lower(), value.decode(_HEADER_ENCODING)) for name, value in message.headers.raw]
    )


def client_read_timeout(http_request: Any) -> float:
    """Return the seconds that the client waits for the next bytes, or infinity if it has no read timeout."""
    seconds = http_request.extensions.get("timeout", {}).get("read")
    return math.inf if seconds is None else float(seconds)
