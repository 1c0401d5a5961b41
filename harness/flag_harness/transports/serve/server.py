"""Serve an upstream over real HTTP, for clients in other processes."""

import asyncio
import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from flag_harness.clock import Clock
from flag_harness.errors import HarnessError, Refusal, require_extra
from flag_harness.transports.clients import make_clock_for_pace
from flag_harness.transports.serve.application import UpstreamApplication
from flag_harness.transports.serve.http_protocol import ConnectionProtocol
from flag_harness.transports.serve.limits import ServerLimits, listens_on_loopback
from flag_harness.wire.layers import faulty
from flag_harness.wire.origin import UpstreamName
from flag_harness.wire.timeline import Layer, Upstream

with require_extra("serve"):
    import uvicorn

MAX_SECONDS_TO_START = 10.0
"""Seconds to wait for the server to start. It usually takes milliseconds."""
SECONDS_TO_CLOSE_CONNECTIONS = 0.2
"""Seconds in which connections of a stopped server may close by themselves."""
MAX_SECONDS_TO_STOP = 1.0
"""Seconds that a threaded server may take to end. After that, its threads are abandoned."""


class LoopbackServer:
    """Serves an upstream through layers (outermost first) at `url`, from a thread, while its `with` block runs.

    With `pace` 0 a body is sent at once, as one chunk; with 1 each piece is an HTTP chunk at its recorded time. A
    `clock` overrides `pace`, and then each piece is a chunk, too. A cut breaks the connection: `reset` and `refused`
    with a TCP reset, `eof` by closing it before the body is complete, `read_timeout` by silence until the client
    leaves.

    If the upstream refuses a request (a cassette's miss), the answer is 404 with `x-should-retry: false`, a text that
    no agent can mistake for an error of the API, and a number (`miss-1`); the message is in the log and in `refusals`.
    If the upstream raises another error, the answer is 500, `broken`, and the error is in the log. The server listens
        on loopback
    only: raise `HarnessError` for another host, unless `allow_any_host` is true.

    A request that exceeds the `limits` is answered with an error message. With `threaded`, a slow answer of the
    upstream delays neither other requests nor the end of the `with` block.

    Each answer names its `origin` in a header: who gave it, by default the simulator or the replay of a cassette. A
    test elsewhere that records the answers writes that name into its cassette instead of `live`.
    """

    def __init__(
        self,
        upstream: Upstream,
        *layers: Layer,
        pace: float = 0,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_any_host: bool = False,
        limits: ServerLimits = ServerLimits(),  # noqa: B008 - a frozen value
        threaded: bool = False,
        origin: UpstreamName | None = None,
    ) -> None:
        if not allow_any_host and not listens_on_loopback(host):
            raise HarnessError(
                f"{host!r} is not a loopback address: the server has no authentication, anyone could use it; "
                "say 127.0.0.1, or allow_any_host=True if that is meant"
            )
        joined = clock is None and not pace
        upstream_with_layers = faulty(upstream, *layers) if layers else upstream
        self._application = UpstreamApplication(
            upstream_with_layers,
            clock or make_clock_for_pace(pace, moves_loop=False),
            limits,
            joins_chunks=joined,
            uses_threads=threaded,
            origin=origin or getattr(upstream, "origin", None),
        )
        self._limits, self._stop_seconds = limits, MAX_SECONDS_TO_STOP if threaded else None
        self._address = (host, port)
        self._running = contextlib.ExitStack()
        self.port = port

    @property
    def url(self) -> str:
        """The server's address, `http://127.0.0.1:PORT`, for `base_url=` and `ANTHROPIC_BASE_URL`."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"http://{host}:{self.port}"

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The errors with which the upstream refused requests, in order."""
        return tuple(self._application.refusals)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=512)
        self.port = listener.getsockname()[1]
        server = _ThreadedServer(self._application, listener, self._limits)
        thread = threading.Thread(target=server.run_until_stopped, name="loopback-server", daemon=True)
        thread.start()
        with contextlib.ExitStack() as running:
            running.callback(thread.join, self._stop_seconds)
            running.callback(server.stop)
            if not server.ready.wait(MAX_SECONDS_TO_START):
                raise HarnessError(f"the server at {self.url} did not start in {MAX_SECONDS_TO_START:g} s")
            self._running = running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()


class _ThreadedServer(uvicorn.Server):
    """A uvicorn server that runs in a thread of its own, without signal handlers or logs."""

    def __init__(self, application: UpstreamApplication, listener: socket.socket, limits: ServerLimits) -> None:
        attributes = {"connection_by_address": application.connection_by_address, "limits": limits}
        protocol = type("_ServerProtocol", (ConnectionProtocol,), attributes)
        config = uvicorn.Config(
            application,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            date_header=False,
            server_header=False,
        )
        super().__init__(config)
        self._listener = listener
        self.ready = threading.Event()

    def run_until_stopped(self) -> None:
        """Serve until `stop` is called. Then close every socket, and cancel unfinished tasks."""
        with contextlib.closing(self._listener):
            asyncio.run(self.serve(sockets=[self._listener]))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and set `ready`."""
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and close all connections, even of clients in the middle of a request."""
        asyncio.get_running_loop().call_later(SECONDS_TO_CLOSE_CONNECTIONS, self._abort_connections)
        await super().shutdown(sockets)
        self._abort_connections()
        await asyncio.sleep(0)  # they close in the next turn of the event loop

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def stop(self) -> None:
        """Ask the thread to end, even if streams are open."""
        self.force_exit = True
        self.should_exit = True
