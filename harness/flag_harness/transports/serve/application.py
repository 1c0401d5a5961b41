"""Serve an upstream as an ASGI application: cuts break the connection, and refused requests get a 404 with a number."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from flag_harness.cassette.redact.scan import redact_api_keys
from flag_harness.clock import Clock
from flag_harness.errors import Refusal
from flag_harness.transports.serve.http_protocol import BufferedConnection
from flag_harness.transports.serve.limits import ServerLimits, StatusTypeAndText, declared_body_length
from flag_harness.wire.head_rules import reason_head_is_invalid
from flag_harness.wire.origin import UpstreamName, add_origin_header
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request, Response, Upstream, body


class ApiKeyLogFilter(logging.Filter):
    """Redacts everything that looks like an API key in log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message and the traceback of a record, and keep the record."""
        record.msg, record.args = redact_api_keys(record.getMessage()), None
        if record.exc_info:
            record.exc_text = redact_api_keys(logging.Formatter().formatException(record.exc_info))
        return True


logger = logging.getLogger(__name__)
logger.addFilter(ApiKeyLogFilter())

_CONNECTION_HEADERS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers about a connection, which the server writes itself."""
_STATUS_OF_REFUSAL, _STATUS_OF_UPSTREAM_ERROR = 404, 500
_MAX_CACHED_HEADS = 1024
"""The number of converted response heads to cache, since a recorded head is played many times."""
SECONDS_FOR_CLIENT_TO_HANG_UP = 0.5
"""Seconds that a client may take to hang up, at the moment at which the recorded client hung up."""
_TEXT_OF_REFUSED_REQUEST = "flag-harness has no recorded answer for this request; its log says why, under "
"""The beginning of the answer's text for a refused request. An agent cannot mistake it for an error of the API."""


class UpstreamApplication:
    """An ASGI application that serves the answers of an upstream.

    With `joins_chunks`, each body is sent as one chunk. With `uses_threads`, each request has a thread of its own, so
    that a slow answer delays no other. `refusals` are the errors with which the upstream refused requests.
    `connection_by_address` maps the address of each client to its open connection. `origin` is the upstream that every
    answer names in a header.
    """

    def __init__(
        self,
        upstream: Upstream,
        clock: Clock,
        limits: ServerLimits,
        *,
        joins_chunks: bool,
        uses_threads: bool,
        origin: UpstreamName | None = None,
    ) -> None:
        self._origin = origin
        self._upstream, self._clock, self._joins_chunks, self._limits = upstream, clock, joins_chunks, limits
        self._uses_threads, self._lock = uses_threads, threading.Lock()
        self._asgi_head_message = lru_cache(_MAX_CACHED_HEADS)(_asgi_head_message)
        self.connection_by_address: dict[Any, BufferedConnection] = {}
        self.refusals: list[Refusal] = []

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        received = await self._read_request(scope, receive)
        if received is None:
            return  # the client left before its request was complete: nothing is answered, no interaction is used up
        response = await self._run_upstream(received) if isinstance(received, Request) else _rejection_answer(received)
        if self._origin is not None:
            response = add_origin_header(response, self._origin)
        if (
            self._joins_chunks
            and isinstance(response[0], Head)
            and isinstance(response[-1], End)
            and not response[-1].make_refusal
        ):
            await send(self._asgi_head_message(response[0]))
            await send({"type": "http.response.body", "body": body(response)})
        else:
            await self._send_pieces(response, scope, receive, send)

    async def _send_pieces(self, response: Response, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Send each piece of a response at its time. If a piece is a `Cut`, break the connection."""
        start = self._clock.now()
        for piece in response:
            if not self._clock.reach_without_waiting(start + piece.at):
                await self._clock.async_sleep(start + piece.at - self._clock.now())
            if scope["client"] not in self.connection_by_address:
                return  # the client has left
            if isinstance(piece, Cut):
                await self._break_connection(piece, scope, receive)
                return
            if isinstance(piece, End) and piece.make_refusal is not None:
                await self._wait_for_disconnect(piece.make_refusal, scope, receive)
                return
            await send(self._asgi_head_message(piece) if isinstance(piece, Head) else _asgi_body_message(piece))

    async def _wait_for_disconnect(
        self, refuse: Callable[[], BaseException], scope: Mapping[str, Any], receive: Any
    ) -> None:
        """Wait for the client to hang up, as the client did in the recording.

        If the client stays connected, store the error that `refuse` makes, and close the connection.
        """
        try:
            await asyncio.wait_for(receive(), SECONDS_FOR_CLIENT_TO_HANG_UP)
        except TimeoutError:
            self._store_and_log_refusal(refuse())
            await self._break_connection(Cut(0.0, "eof"), scope, receive)

    async def _read_request(self, scope: Mapping[str, Any], receive: Any) -> Request | StatusTypeAndText | None:
        """Read the whole request. Return None if the client leaves before the request is complete.

        If the request exceeds a limit, stop reading and return a rejection.
        """
        by_name = dict(scope["headers"])
        rejection = self._limits.host_rejection(by_name) or self._limits.body_rejection(declared_body_length(by_name))
        body, more = bytearray(), True
        while more and rejection is None:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            rejection = self._limits.body_rejection(len(body))
        if rejection := rejection or self._limits.content_rejection(body):
            logger.error("%s %s: %s %s", scope["method"], scope["path"][:200], rejection[0], rejection[2])
            return rejection
        return _make_request(scope, bytes(body))

    async def _run_upstream(self, request: Request) -> Response:
        """Return the upstream's answer. With `uses_threads`, the upstream runs in a new thread."""
        if not self._uses_threads:
            return self._upstream_answer(request)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Response] = loop.create_future()

        def run_and_pass_on_answer() -> None:
            response = self._upstream_answer(request)
            with contextlib.suppress(RuntimeError):  # the server has stopped
                loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(response))

        threading.Thread(target=run_and_pass_on_answer, name="loopback-upstream", daemon=True).start()
        return await future

    def _upstream_answer(self, request: Request) -> Response:
        """Return the upstream's answer, or a plain error if the upstream fails or HTTP cannot carry its answer."""
        try:
            response = self._upstream(request)
            if isinstance(response[0], Head):
                self._asgi_head_message(response[0])
        except Refusal as refusal:
            return _plain_text_error(
                _STATUS_OF_REFUSAL, _TEXT_OF_REFUSED_REQUEST + self._store_and_log_refusal(refusal)
            )
        except Exception:
            logger.exception("%s %s: the upstream is broken", request.method, request.path)
            return _plain_text_error(_STATUS_OF_UPSTREAM_ERROR, "broken")
        return response

    def _store_and_log_refusal(self, refusal: Any) -> str:
        """Store and log a refusal. Return its name in the log, such as `miss-1`."""
        with self._lock:
            self.refusals.append(refusal)
            miss = f"miss-{len(self.refusals)}"
        logger.error("%s: %s", miss, refusal)
        return miss

    async def _break_connection(self, cut: Cut, scope: Mapping[str, Any], receive: Any) -> None:
        """Break the connection in the way that a `Cut` describes."""
        connection = self.connection_by_address[scope["client"]]
        if cut.kind == "read_timeout":
            await receive()  # the request is complete, so the next message says that the client has left
        elif cut.kind == "eof":
            connection.close()
        else:
            connection.reset()


def _make_request(scope: Mapping[str, Any], body: bytes) -> Request:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    query = scope["query_string"].decode("latin-1")
    host = next((value for name, value in headers if name == "host"), "")
    url = f"http://{host}{scope['raw_path'].decode('latin-1')}" + (f"?{query}" if query else "")
    return Request(scope["method"], url, headers, body)


def _asgi_head_message(head: Head) -> dict[str, Any]:
    """Return the ASGI message for a response's head. Raise `ValueError` if it cannot be sent over HTTP."""
    if reason := reason_head_is_invalid(head.status, head.headers):
        raise ValueError(reason)
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in head.headers
        if name.lower() not in _CONNECTION_HEADERS
    ]
    return {"type": "http.response.start", "status": head.status, "headers": headers}


def _asgi_body_message(piece: Piece) -> dict[str, Any]:
    """Return the ASGI message for a piece of a body: a chunk or the end."""
    data = piece.data if isinstance(piece, Chunk) else b""
    return {"type": "http.response.body", "body": data, "more_body": isinstance(piece, Chunk)}


def _plain_text_error(status: int, text: str) -> Response:
    """Return a plain-text error that tells the SDK not to retry, and that no client can mistake for an error of the
    API.
    """
    headers = (("content-type", "text/plain"), ("x-should-retry", "false"))
    return Head(0.0, status, headers), Chunk(0.0, text.encode()), End(0.0)


def _rejection_answer(rejection: StatusTypeAndText) -> Response:
    """Return the answer to a request that exceeds a limit."""
    status, content_type, text = rejection
    headers = (("content-type", content_type), ("x-should-retry", "false"))
    return Head(0.0, status, headers), Chunk(0.0, text.encode()), End(0.0)
