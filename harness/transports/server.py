"""An upstream over real HTTP: for clients in other processes, for recording through sockets, for tests that kill."""

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from harness.clock import Clock
from harness.errors import HarnessError, Refusal
from harness.transports.clients import clock_for
from harness.wire.layers import faulty
from harness.wire.timeline import Chunk, Cut, End, Head, Layer, Piece, Request, Response, Upstream
from harness.wire.timeline import body as body_of

logger = logging.getLogger(__name__)

_ABORT_WITH_RESET = struct.pack("ii", 1, 0)
_FRAMING = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers that belong to one connection; the server writes its own: every body is chunked, a piece a chunk."""
_REFUSED_STATUS, _BROKEN_STATUS = 404, 500
BASE_URL = "ANTHROPIC_BASE_URL"
"""The variable from which every SDK of the API, in any language, takes its address."""
LEAVING_SECONDS = 0.5
"""How long a client may take to hang up where the recorded one did; who is still there then reads on."""
START_SECONDS = 10.0
"""How long to wait for the server's thread; it takes milliseconds."""


class LoopbackServer:
    """Serves an upstream through layers (outermost first) at `url`, from a thread, while its `with` block runs.

    `pace` 0 sends a body at once, joined; 1 keeps the times of the data, each piece an HTTP chunk of its own; a `clock`
    takes the place of both, its pieces are chunks, too. A cut aborts the connection: `reset` and `refused` with a TCP
    reset, `eof` by closing it before its body is complete, `read_timeout` by saying nothing more until the client goes.

    What an upstream refused (a cassette's miss) is answered with 404, `x-should-retry: false` and its number
    (`miss-1`), so that no agent takes it for an error that it can act on; what there is to say stands in the log and in
    `refusals`. An upstream that raises anything else is answered with 500, `broken` and the error in the log. Listens
    on loopback only unless `anywhere` is true; raises `HarnessError` for another host.
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
                "say 127.0.0.1, or anywhere=True (--allow-anyone) if that is meant"
            )
        joined = clock is None and not pace
        answering = faulty(upstream, *layers) if layers else upstream
        self._application = _Application(answering, clock or clock_for(pace), joined=joined)
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
        # asyncio does so only where the listening socket names its protocol, which `create_server`'s does not
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self.open_transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_transports.pop(self.client, None)
        super().connection_lost(exc)


class _Application:
    """The upstream as a raw ASGI application; `joined` bodies are sent in one piece."""

    def __init__(self, upstream: Upstream, clock: Clock, *, joined: bool) -> None:
        self._upstream, self._clock, self._joined = upstream, clock, joined
        self.open_transports: dict[Any, asyncio.Transport] = {}
        self.refusals: list[Refusal] = []

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        response = self._answer(await _read(scope, receive))
        if self._joined and isinstance(response[0], Head) and isinstance(response[-1], End) and not response[-1].refuse:
            await send(_message(response[0]))
            await send({"type": "http.response.body", "body": body_of(response)})
        else:
            await self._play(response, scope, receive, send)

    async def _play(self, response: Response, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        start = self._clock.now()
        for piece in response:
            if not self._clock.reached(start + piece.at):
                await self._clock.asleep(start + piece.at - self._clock.now())
            if scope["client"] not in self.open_transports:
                return  # whoever asked has gone: nobody is kept waiting for the rest
            if isinstance(piece, Cut):
                await self._cut(piece, scope, receive)
                return
            if isinstance(piece, End) and piece.refuse is not None:
                await self._abandoned(piece.refuse, scope, receive)
                return
            await send(_message(piece))

    async def _abandoned(self, refuse: Callable[[], BaseException], scope: Mapping[str, Any], receive: Any) -> None:
        """Let the client go where its recorded one went; one that stays reads on, past all that is known."""
        try:
            await asyncio.wait_for(receive(), LEAVING_SECONDS)
        except TimeoutError:
            self._note(refuse())
            await self._cut(Cut(0.0, "eof"), scope, receive)

    def _answer(self, request: Request) -> Response:
        try:
            return self._upstream(request)
        except Refusal as refusal:
            return _told(_REFUSED_STATUS, self._note(refusal))
        except Exception:
            logger.exception("%s %s: the upstream is broken", request.method, request.path)
            return _told(_BROKEN_STATUS, "broken")

    def _note(self, refusal: Any) -> str:
        """Keep and log a refusal; its name in the log."""
        self.refusals.append(refusal)
        miss = f"miss-{len(self.refusals)}"
        logger.error("%s: %s", miss, refusal)
        return miss

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


def _told(status: int, words: str) -> Response:
    """An answer that is none of the API: plain words, and no reason to ask again."""
    headers = (("content-type", "text/plain"), ("x-should-retry", "false"))
    return Head(0.0, status, headers), Chunk(0.0, words.encode()), End(0.0)


@contextlib.contextmanager
def served(
    upstream: Upstream,
    *layers: Layer,
    pace: float = 0,
    environment: MutableMapping[str, str] | None = None,
) -> Iterator[LoopbackServer]:
    """Serve an upstream as `LoopbackServer` does, with `ANTHROPIC_BASE_URL` set to its address meanwhile.

    `environment` is the process's own unless given; what the variable said before is put back. The first refusal is
    raised again at the end, where no other error is on its way: a program that swallowed it fails all the same.
    """
    variables = os.environ if environment is None else environment
    before = variables.get(BASE_URL)
    with LoopbackServer(upstream, *layers, pace=pace) as server:
        variables[BASE_URL] = server.url
        try:
            yield server
        finally:
            if before is None:
                del variables[BASE_URL]
            else:
                variables[BASE_URL] = before
    if server.refusals:
        raise server.refusals[0]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
