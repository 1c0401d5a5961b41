"""The table of routes in docs/network.md is true: each route is refused, stays open, or is not seen, as it says."""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import queue
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from os import posix_spawn
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flag_harness.errors import NetworkRefused
from flag_harness.transports import refuse_network

Address: TypeAlias = tuple[str, int]
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def send_request(address: Address) -> None:
    """Send a request over a new connection, and wait for the answer."""
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(REQUEST)
        connection.recv(10)


def look_up(address: Address) -> None:
    for function, argument in ((socket.gethostbyname, address[0]), (socket.gethostbyaddr, address[0])):
        swallow(lambda: function(argument))  # noqa: B023 - called at once
    swallow(lambda: socket.getnameinfo(address, 0))
    socket.getaddrinfo(*address)


def connect_below_socket(address: Address) -> None:
    import _socket

    with contextlib.closing(_socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)) as one:
        one.connect(address)
        one.send(REQUEST)


async def _open_connection(address: Address) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(REQUEST)
    await reader.read(2)
    writer.close()


def connect_with_asyncio(address: Address) -> None:
    asyncio.run(_open_connection(address))


def connect_with_uvloop(address: Address) -> None:
    import uvloop  # by a statement, which the guard sees

    uvloop.run(_open_connection(address))


def send_datagram_with_uvloop(address: Address) -> None:
    async def send() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        transport.sendto(b"data", address)
        await asyncio.sleep(0.1)
        transport.close()

    import uvloop

    uvloop.run(send())


def connect_with_gevent(address: Address) -> None:
    gevent_socket = pytest.importorskip("gevent.socket")
    with gevent_socket.socket() as one:
        one.connect(address)
        one.sendall(REQUEST)


def send_datagrams(address: Address) -> None:
    """Every way to send one is refused by itself."""
    for send in (
        lambda one: one.sendto(b"data", address),
        lambda one: one.sendto(b"data", 0, address),
        lambda one: one.sendmsg([b"data"], [], 0, address),
        lambda one: one.connect(address),
    ):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            swallow(lambda: send(one))  # noqa: B023 - called at once


def open_fast(address: Address) -> None:
    with socket.socket() as one:
        one.sendto(REQUEST, 0x20000000, address)  # MSG_FASTOPEN


def use_program(address: Address) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    subprocess.run(["curl", "-s", "-m5", "http://{}:{}/".format(*address)], check=False, stdout=subprocess.DEVNULL)


def use_program_with_environment(address: Address) -> None:
    code = f"import urllib.request as u; u.urlopen('http://{address[0]}:{address[1]}/')"
    environment = {"PATH": os.environ["PATH"], "HTTP_PROXY": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", code], check=False, env=environment, stderr=subprocess.DEVNULL)


def use_program_with_sockets(address: Address) -> None:
    code = f"import socket; socket.create_connection({address!r}).sendall({REQUEST!r})"
    subprocess.run([sys.executable, "-c", code], check=False)


def use_posix_spawn(address: Address) -> None:
    """With an environment that was made for it, and with that of the test."""
    code = f"import urllib.request as u; u.urlopen('http://{address[0]}:{address[1]}/').read()"
    command = [sys.executable, "-c", code]
    os.waitpid(os.posix_spawn(sys.executable, command, {"PATH": os.environ["PATH"]}), 0)
    os.waitpid(os.posix_spawnp(sys.executable, command, os.environ), 0)
    os.spawnve(os.P_WAIT, sys.executable, command, {"PATH": os.environ["PATH"]})


def use_posix_spawn_imported_before(address: Address) -> None:
    code = f"import urllib.request as u; u.urlopen('http://{address[0]}:{address[1]}/').read()"
    os.waitpid(posix_spawn(sys.executable, [sys.executable, "-c", code], {"PATH": os.environ["PATH"]}), 0)


def use_subinterpreter(address: Address) -> None:
    """The module is private up to Python 3.13."""
    interpreters: Any = pytest.importorskip("_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters")
    code = f"import _socket; s = _socket.socket(2, 1); s.connect({address!r}); s.send({REQUEST!r})"
    one = interpreters.create()
    interpreters.run_string(one, code)
    interpreters.destroy(one)


def use_libcurl(address: Address) -> None:
    pytest.importorskip("curl_cffi").requests.get("http://{}:{}/".format(*address), timeout=5)


def use_c(address: Address) -> None:
    libc = ctypes.CDLL(None)
    packed = struct.pack("=H", socket.AF_INET) + struct.pack(">H", address[1]) + socket.inet_aton(address[0]) + bytes(8)
    descriptor = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    libc.connect(descriptor, packed, len(packed))
    libc.send(descriptor, REQUEST, len(REQUEST), 0)
    os.close(descriptor)


def use_multiprocessing(*ways: str) -> Callable[[Address], None]:
    """Return a route through children that are started in these ways."""

    def start(address: Address) -> None:
        for way in ways:
            process = multiprocessing.get_context(way).Process(target=socket.create_connection, args=(address,))
            process.start()
            process.join(30)

    return start


def swallow(action: Callable[[], Any]) -> None:
    """Do it, and catch what the harness raises, as no code under test should."""
    try:
        action()
    except (Exception, NetworkRefused):
        return


NEW: Mapping[str, Callable[[Address], None]] = {
    "lookup of a name or an address": look_up,
    "connection of `socket`, by name or address": send_request,
    "connection of `_socket` to an address": connect_below_socket,
    "connection of asyncio": connect_with_asyncio,
    "connection of uvloop": connect_with_uvloop,
    "connection of gevent": connect_with_gevent,
    "datagram: `sendto`, `sendmsg`, or connected": send_datagrams,
    "TCP fast open": open_fast,
    "child of `os.fork`, or of multiprocessing by `fork`": use_multiprocessing("fork"),
    "child of multiprocessing by `spawn` or `forkserver`": use_multiprocessing("spawn", "forkserver"),
    "program that uses proxy variables, such as curl": use_program,
    "program with an `env` of its own in `subprocess`": use_program_with_environment,
    "libcurl: pycurl, curl_cffi": use_libcurl,
    "program that opens sockets itself": use_program_with_sockets,
    "program started by `os.posix_spawn`, `os.execve` or `os.spawnve`": use_posix_spawn,
    "`os.posix_spawn` or `os.execve`, imported before or from `posix`": use_posix_spawn_imported_before,
    "Python code in a subinterpreter": use_subinterpreter,
    "library in C that opens sockets itself": use_c,
    "uvloop: single datagrams, connections that were open before, and proxies": send_datagram_with_uvloop,
}
"""Routes that begin inside the test."""


@contextlib.contextmanager
def open_connection(address: Address) -> Iterator[Callable[[], Any]]:
    with socket.create_connection(address) as connection:
        yield lambda: connection.sendall(REQUEST)


@contextlib.contextmanager
def open_descriptor(address: Address) -> Iterator[Callable[[], Any]]:
    with socket.create_connection(address) as connection:
        yield lambda: os.write(connection.fileno(), REQUEST)


@contextlib.contextmanager
def waiting_thread(address: Address) -> Iterator[Callable[[], Any]]:
    jobs: queue.Queue[bool] = queue.Queue()
    done = threading.Event()

    def run() -> None:
        if jobs.get():
            swallow(lambda: send_request(address))
        done.set()

    threading.Thread(target=run, daemon=True).start()

    def use() -> None:
        jobs.put(True)
        assert done.wait(5)

    yield use
    jobs.put(False)


@contextlib.contextmanager
def waiting_process(address: Address) -> Iterator[Callable[[], Any]]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(int).result(60)
        yield lambda: pool.submit(send_request, address).result(60)


EARLIER: Mapping[str, Callable[[Address], Any]] = {
    "connection that was open before, such as that of a pool": open_connection,
    "thread that was started before": waiting_thread,
    "child process that was started before, without the harness": waiting_process,
    "data sent over the descriptor of an open connection": open_descriptor,
}
"""Routes that begin before the test: contexts that yield what the test does."""
TABLE = re.findall(
    r"^\| ([^|]+) \| (refused|open|not seen) \| [^|]+ \|$",
    (Path(__file__).parents[3] / "docs" / "network.md").read_text("utf-8"),
    re.MULTILINE,
)
"""Each route of the docs with its verdict."""
TESTED_ELSEWHERE = {
    "lookup by c-ares: pycares, aiodns, aiohttp with aiodns",
    "TLS connection that was open before",
    "proxy on loopback, by HTTP",
    "proxy on loopback, by SOCKS 5",
    "loopback, this machine's own name and addresses",
    "Unix socket",
    "child process that an earlier test or fixture of the harness started",
}
"""Routes that have tests of their own in this folder."""
TESTED_IN_PLUGIN = {"function fixture that is set up before `cassette`, or torn down after it"}
"""The route that `tests/plugin/test_run_border.py` tests."""
UNTESTABLE = {
    "lookup by `_socket` as part of a connection",
    "proxy by SOCKS 4 or HTTP/2, or asked in several pieces",
    "socket of another family: `AF_PACKET`, `AF_VSOCK`",
    "gateway on this machine that forwards by itself",
    "thread or `atexit` function that outlives the tests",
}
"""Routes whose harm cannot be had here: they need a name server, another proxy, or the end of the process."""


@pytest.mark.parametrize("route", NEW)
def test_a_route_has_the_verdict_of_the_table(route: str, far_host: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Refused routes send nothing, and name the host; routes that are not seen arrive."""
    with refuse_network() as refused:
        swallow(lambda: NEW[route](far_host.address))
    assert_verdict(route, far_host, refused)


@pytest.mark.parametrize("route", EARLIER)
def test_a_route_that_was_open_before_has_the_verdict_of_the_table(route: str, far_host: Any) -> None:
    """As the others."""
    with EARLIER[route](far_host.address) as use:
        far_host.forget()
        with refuse_network() as refused:
            swallow(use)
        assert_verdict(route, far_host, refused)


def test_a_process_that_an_earlier_test_has_started_is_refused(far_host: Any) -> None:
    """A pool of a session fixture works for tests that start no process."""
    with contextlib.ExitStack() as stack:
        with refuse_network():
            use = stack.enter_context(waiting_process(far_host.address))
        with refuse_network() as refused:
            swallow(use)
    assert b"" == far_host.received()
    assert [far_host.address[0] in str(one) for one in refused] == [True]


def assert_verdict(route: str, far_host: Any, refused: list[NetworkRefused]) -> None:
    """Compare what happened with the table."""
    verdict = dict(TABLE)[route]
    if verdict == "refused":
        assert b"" == far_host.received()
        assert refused
        assert all(far_host.address[0] in str(one) and "@pytest.mark.harness_network" in str(one) for one in refused)
    else:
        assert "not seen" == verdict
        assert far_host.received(patience=5.0)
        assert [] == refused


def test_every_row_of_the_table_is_tested() -> None:
    """Or named as one that cannot be."""
    assert sorted([*NEW, *EARLIER, *TESTED_ELSEWHERE, *TESTED_IN_PLUGIN, *UNTESTABLE]) == sorted(
        route for route, _ in TABLE
    )
