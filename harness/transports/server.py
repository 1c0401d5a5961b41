"""An upstream over real HTTP: for clients in other processes, for recording through sockets, for tests that kill."""

import asyncio
import contextlib
import ipaddress
import json
import socket
import struct
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from harness.clock import Clock
from harness.errors import HarnessError, Refusal
from harness.transports.clients import clock_for
from harness.wire.layers import faulty
from harness.wire.timeline import Chunk, Cut, End, Head, Layer, Piece, Request, Response, Upstream

_ABORT_WITH_RESET = struct.pack("ii", 1, 0)
_FRAMING = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers that belong to one connection; the server writes its own: every body is chunked, a piece a chunk."""
_REFUSED_STATUS = 404
START_SECONDS = 10.0
"""How long to wait for the server's thread; it takes milliseconds."""


class LoopbackServer:
    """Serves an upstream through layers (outermost first) at `url`, from a thread, while its `with` block runs.

    `pace` 0 sends at once, 1 keeps the times of the data; a `clock` takes the place of both. Pieces are sent as HTTP
    chunks of their own. A cut aborts the connection: `reset` and `refused` with a TCP reset, `eof` by closing it before
    its body is complete, `read_timeout` by saying nothing more until the client goes. What an upstream refused (a
    cassette's miss) is answered with 404 and kept in `refusals`. Listens on loopback only unless `anywhere` is true;
    raises `HarnessError` for another host.
    """

    def __init__(
        self,
        upstream: Upstream,
        *layers: Layer,
        pace: float = 0,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        anywhere: bool = False,
    ) -> None:
        if not anywhere and not _is_loopback(host):
            raise HarnessError(
                f"{host!r} is not a loopback address: the server has no authentication, anyone could use it; "
                "say 127.0.0.1, or anywhere=True if that is meant"
            )
        self._application = _Application(faulty(upstream, *layers) if layers else upstream, clock or clock_for(pace))
        self._address = (host, port)
        self._running = contextlib.ExitStack()
        self.port = port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, for `base_url=` and `ANTHROPIC_BASE_URL`."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"http://{host}:{self.port}"

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What the upstream refused, in order."""
        return tuple(self._application.refusals)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=512)
        self.port = listener.getsockname()[1]
        server = _Server(self._application, listener)
        thread = threading.Thread(target=server.run_until_stopped, name="loopback-server", daemon=True)
        thread.start()
        with contextlib.ExitStack() as running:
            running.callback(thread.join)
            running.callback(server.stop)
            if not server.ready.wait(START_SECONDS):
                raise HarnessError(f"the server at {self.url} did not start in {START_SECONDS:g} s")
            self._running = running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()


class _Server(uvicorn.Server):
    """uvicorn in a thread of its own: no signals, no log, stopped from another thread."""

    def __init__(self, application: "_Application", listener: socket.socket) -> None:
        protocol = type("_TrackedProtocol", (_Protocol,), {"open_transports": application.open_transports})
        config = uvicorn.Config(
            application,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
        )
        super().__init__(config)
        self._listener = listener
        self.ready = threading.Event()

    def run_until_stopped(self) -> None:
        """Serve until `stop`; then close every socket and cancel what still runs."""
        with contextlib.closing(self._listener):
            asyncio.run(self.serve(sockets=[self._listener]))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        self.ready.set()

    def stop(self) -> None:
        """Ask the thread to end, open streams or not."""
        self.force_exit = True
        self.should_exit = True


class _Protocol(H11Protocol):
    """Remembers each connection's transport by its client's address, so that a cut can abort it."""

    open_transports: dict[Any, asyncio.Transport]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.open_transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_transports.pop(self.client, None)
        super().connection_lost(exc)


class _Application:
    """The upstream as a raw ASGI application."""

    def __init__(self, upstream: Upstream, clock: Clock) -> None:
        self._upstream, self._clock = upstream, clock
        self.open_transports: dict[Any, asyncio.Transport] = {}
        self.refusals: list[Refusal] = []

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        response = self._answer(await _read(scope, receive))
        start = self._clock.now()
        for piece in response:
            if not self._clock.reached(start + piece.at):
                await self._clock.asleep(start + piece.at - self._clock.now())
            if isinstance(piece, Cut):
                await self._cut(piece, scope, receive)
                return
            await send(_message(piece))

    def _answer(self, request: Request) -> Response:
        try:
            return self._upstream(request)
        except Refusal as refusal:
            self.refusals.append(refusal)
            return _refused(str(refusal))

    async def _cut(self, cut: Cut, scope: Mapping[str, Any], receive: Any) -> None:
        transport = self.open_transports[scope["client"]]
        if cut.how == "read_timeout":
            await receive()  # the request is read, so what comes next is that the client has gone
        elif cut.how == "eof":
            transport.close()
        else:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_WITH_RESET)
            transport.abort()


async def _read(scope: Mapping[str, Any], receive: Any) -> Request:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    query = scope["query_string"].decode("latin-1")
    host = next((value for name, value in headers if name == "host"), "")
    url = f"http://{host}{scope['raw_path'].decode('latin-1')}" + (f"?{query}" if query else "")
    return Request(scope["method"], url, headers, bytes(body))


def _message(piece: Piece) -> dict[str, Any]:
    """The ASGI message for a piece."""
    if isinstance(piece, Head):
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in piece.headers
            if name.lower() not in _FRAMING
        ]
        return {"type": "http.response.start", "status": piece.status, "headers": headers}
    data = piece.data if isinstance(piece, Chunk) else b""
    return {"type": "http.response.body", "body": data, "more_body": isinstance(piece, Chunk)}


def _refused(message: str) -> Response:
    """What a client is told of a refusal; it should not ask again."""
    error = {"type": "error", "error": {"type": "harness_refused", "message": message}}
    headers = (("content-type", "application/json"), ("x-should-retry", "false"))
    return Head(0.0, _REFUSED_STATUS, headers), Chunk(0.0, json.dumps(error).encode()), End(0.0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
