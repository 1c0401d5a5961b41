"""Services on this machine stay open, without configuration: servers on loopback stand in for eight usual stacks."""

import asyncio
import http.client
import http.server
import queue
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flag_harness.transports import refuse_network

STARTUP = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""Postgres: may I speak TLS?"""


class _Echo(socketserver.BaseRequestHandler):
    """Answers each piece with itself, after `+`."""

    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(b"+" + data)


class _Http(http.server.BaseHTTPRequestHandler):
    """Answers every request with its own target, so that a proxy and a server can be told apart."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", str(len(self.path)))
        self.end_headers()
        self.wfile.write(self.path.encode())

    def do_POST(self) -> None:
        self.do_GET()

    def address_string(self) -> str:
        return "client"

    def log_message(self, *arguments: Any) -> None:
        pass


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def running(server: socketserver.BaseServer) -> Iterator[Any]:
    """Run a server in a thread; return its address."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address
        server.shutdown()
        thread.join()


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """The address of a server that speaks any protocol."""
    with running(_TcpServer(("127.0.0.1", 0), _Echo)) as address:
        yield address


@pytest.fixture
def web() -> Iterator[tuple[str, int]]:
    """The address of a server that speaks HTTP."""
    with running(_TcpServer(("127.0.0.1", 0), _Http)) as address:
        yield address


Stack = Callable[[pytest.FixtureRequest], None]


def use_postgres(request: pytest.FixtureRequest) -> None:
    """An async driver, by the name `localhost`."""
    _, port = request.getfixturevalue("echo")

    async def connect() -> bytes:
        reader, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET)
        writer.write(STARTUP)
        answer = await reader.readexactly(9)
        writer.close()
        await writer.wait_closed()
        return answer

    assert b"+" + STARTUP == asyncio.run(connect())


def use_redis(request: pytest.FixtureRequest) -> None:
    """A blocking client, in several threads."""
    address = request.getfixturevalue("echo")
    answers: queue.Queue[bytes] = queue.Queue()

    def ping() -> None:
        with socket.create_connection(address) as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            answers.put(connection.recv(100))

    threads = [threading.Thread(target=ping) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [b"+*1\r\n$4\r\nPING\r\n"] * 4 == [answers.get() for _ in threads]


def use_launchdarkly(request: pytest.FixtureRequest) -> None:
    """Its client in test mode sends no event; a relay on this machine streams the flags to a thread."""
    host, port = request.getfixturevalue("web")
    flags: queue.Queue[bytes] = queue.Queue()
    url = f"http://{host}:{port}/all"
    thread = threading.Thread(target=lambda: flags.put(urllib.request.urlopen(url).read()))
    thread.start()
    thread.join()
    assert b"/all" == flags.get()


def use_otel_collector(request: pytest.FixtureRequest) -> None:
    """An exporter posts spans from a thread of its own."""
    with closing(http.client.HTTPConnection(*request.getfixturevalue("web"))) as connection:
        connection.request("POST", "/v1/traces", b"\x0a\x00", {"content-type": "application/x-protobuf"})
        assert b"/v1/traces" == connection.getresponse().read()


def use_datadog(request: pytest.FixtureRequest) -> None:
    """Statistics as datagrams: over UDP, and to the agent's Unix socket."""
    path = str(request.getfixturevalue("tmp_path") / "dsd")
    with ExitStack() as stack:
        agents = [stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)) for family in (socket.AF_INET, 1)]
        for agent, address in zip(agents, (("127.0.0.1", 0), path), strict=True):
            agent.bind(address)
            client = stack.enter_context(socket.socket(agent.family, socket.SOCK_DGRAM))
            client.sendto(b"requests:1|c", agent.getsockname())
            client.connect(agent.getsockname())
            client.send(b"requests:2|c")
            assert [b"requests:1|c", b"requests:2|c"] == [agent.recv(100), agent.recv(100)]


def use_connection_pool(request: pytest.FixtureRequest) -> None:
    """SQLAlchemy's pool: connections that a session-scoped fixture has opened before the test."""
    connection = request.getfixturevalue("pooled_connection")
    for query in (b"SELECT 1", b"SELECT 2"):
        connection.sendall(query)
        assert b"+" + query == connection.recv(100)


def use_docker(request: pytest.FixtureRequest) -> None:
    """HTTP over the Unix socket of the daemon."""
    path = str(request.getfixturevalue("tmp_path") / "docker.sock")
    with running(_UnixServer(path, _Http)), closing(http.client.HTTPConnection("docker")) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        connection.request("GET", "/containers/json")
        assert b"/containers/json" == connection.getresponse().read()


def use_local_proxy(request: pytest.FixtureRequest) -> None:
    """A proxy of this machine, for a service of this machine, in the process and in a child."""
    host, port = request.getfixturevalue("web")
    proxy, target = f"http://{host}:{port}", "http://localhost:1/metrics"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
    assert target.encode() == opener.open(target).read()
    code = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
    run = subprocess.run(
        [sys.executable, "-c", code, f"{proxy}/child"], check=True, capture_output=True, text=True, timeout=60
    )
    assert "/child\n" == run.stdout


@pytest.fixture
def pooled_connection(echo: tuple[str, int]) -> Iterator[socket.socket]:
    """A connection that was open before."""
    with socket.create_connection(echo) as connection:
        yield connection


STACKS = [
    use_postgres,
    use_redis,
    use_launchdarkly,
    use_otel_collector,
    use_datadog,
    use_connection_pool,
    use_docker,
    use_local_proxy,
]


@pytest.mark.parametrize("use", STACKS)
def test_a_local_service_is_reached_without_configuration(use: Stack, request: pytest.FixtureRequest) -> None:
    """Nothing is refused, and the answers arrive."""
    for fixture in ("echo", "web", "tmp_path", "pooled_connection"):
        request.getfixturevalue(fixture)
    with refuse_network() as refused:
        use(request)
    assert [] == refused


def test_this_machine_is_reached_by_its_name_and_addresses(tmp_path: Path) -> None:
    """As containers and cluster managers address it; a server that listens everywhere answers clients of any host."""
    with running(_TcpServer(("0.0.0.0", 0), _Http)) as (_, port), refuse_network() as refused:
        found = {str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)}
        for host in (socket.gethostname(), "0.0.0.0", *found):
            with closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
                connection.request("GET", f"/{host}")
                assert f"/{host}".encode() == connection.getresponse().read()
    assert [] == refused
