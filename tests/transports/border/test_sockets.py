"""Sockets below the guard: connections that were open before, and proxies on loopback."""

import asyncio
import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flag_harness.errors import NetworkRefused
from flag_harness.transports import ApiScope, network, refuse_network
from flag_harness.transports.border.sockets import target_of_proxy_request

NEXT_STEP = (
    "; it is no host of the API: replace that call in the test, list the host in allowed_hosts of [tool.flag-harness], "
    "or let it through with @pytest.mark.harness_network"
)


@pytest.fixture
def proxy() -> Iterator[tuple[str, int]]:
    """The address of a proxy on loopback that takes anything and answers `ok`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def test_a_request_to_a_proxy_on_loopback_is_refused_by_its_target(proxy: tuple[str, int]) -> None:
    """With a tunnel and without; the message names both, and an allowed target passes."""
    tunnel = http.client.HTTPConnection(*proxy)
    tunnel.set_tunnel("far.example", 443)
    through = "this test plays recordings, but tried to reach {} through a proxy at 127.0.0.1:{}" + NEXT_STEP
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://{}:{}".format(*proxy)}))
    with refuse_network() as refused, contextlib.closing(tunnel):
        with pytest.raises(NetworkRefused):
            tunnel.connect()
        with pytest.raises(NetworkRefused):
            opener.open("http://far.example/list?x=1")
    expected = [through.format(target, proxy[1]) for target in ("far.example:443", "far.example:80")]
    assert expected == list(map(str, refused))
    with refuse_network(scope=ApiScope(allowed_hosts=("far.example",))) as refused:
        assert b"ok" == opener.open("http://far.example/list?x=1").read()
    assert [] == refused


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (b"CONNECT far.example:443 HTTP/1.1\r\n", ("far.example", 443)),
        (b"CONNECT [2001:db8::1]:8443 HTTP/1.0\r\n", ("2001:db8::1", 8443)),
        (b"GET http://far.example/a HTTP/1.1\r\n", ("far.example", 80)),
        (b"POST https://user:word@far.example:8443?x HTTP/1.1\r\n", ("far.example", 8443)),
        (b"\x05\x01\x00\x03\x0bfar.example\x01\xbb", ("far.example", 443)),
        (b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50", ("192.0.2.1", 80)),
        (b"\x05\x01\x00\x04" + bytes.fromhex("20010db8000000000000000000000001") + b"\x00\x50", ("2001:db8::1", 80)),
        (b"GET /http://far.example/ HTTP/1.1\r\n", None),
        (b'CONNECT {"verbose":false}\r\n', None),
        (b"CONNECT\nhost:stomp\n\n\x00", None),
        (b"\x05\x01\x00\x03\x0cfar.example\x01\xbb", None),
        (b"\x05\x01\x00", None),
        (b"", None),
    ],
)
def test_the_target_of_a_proxy_is_read_from_what_is_sent(data: bytes, target: tuple[str, int] | None) -> None:
    """HTTP and SOCKS 5 have one; what services of the same machine say does not."""
    assert target == target_of_proxy_request(data)


def test_a_socks_proxy_on_loopback_is_refused_by_its_target(proxy: tuple[str, int]) -> None:
    """As one for HTTP is."""
    with (
        refuse_network() as refused,
        socket.create_connection(proxy) as connection,
        pytest.raises(NetworkRefused, match=r"far\.example:443 through a proxy at 127\.0\.0\.1"),
    ):
        connection.sendall(b"\x05\x01\x00\x03\x0bfar.example\x01\xbb")
    assert 1 == len(refused)


SENDING: list[Callable[[socket.socket], Any]] = [
    lambda one: one.send(b"data"),
    lambda one: one.sendall(bytearray(b"data")),
    lambda one: one.sendmsg([b"da", b"ta"]),
    lambda one: write_to_file(one, b"data"),
]


def write_to_file(connection: socket.socket, data: bytes) -> None:
    """Send data by way of a file."""
    with connection.makefile("wb", buffering=0) as file:
        file.write(data)


@pytest.mark.parametrize("send", SENDING)
def test_nothing_is_sent_over_a_connection_that_was_open_before(send: Callable[..., Any], far_host: Any) -> None:
    """However it is sent; the message says so."""
    with socket.create_connection(far_host.address) as connection:
        far_host.forget()
        with refuse_network() as refused, pytest.raises(NetworkRefused):
            send(connection)
    address = "{}:{}".format(*far_host.address)
    message = f"this test plays recordings, but tried to reach {address} over a connection that was open before"
    assert [message + NEXT_STEP] == list(map(str, refused))
    assert b"" == far_host.received()


def test_a_debugger_and_a_server_may_answer(far_host: Any) -> None:
    """A debugger's window is often on another machine, as are the clients of a server that a test runs."""
    with socket.create_connection(far_host.address) as connection, socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
        thread = threading.Thread(target=connection.sendall, args=(b"paused",))
        thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]  # as pydevd marks its own
        with client, served, refuse_network() as refused:
            thread.start()
            thread.join()
            served.sendall(b"answer")
            assert b"answer" == client.recv(10)
    assert [] == refused


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_nothing_is_sent_over_a_tls_connection_that_was_open_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An `SSLSocket` sends past the methods of `socket`."""
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 1"
    files = "-keyout key.pem -out certificate.pem"
    command = ["openssl", "req", *options.split(), *files.split()]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    client_context = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    received: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with server_context.wrap_socket(connection, server_side=True) as tls, contextlib.suppress(OSError):
            received.append(tls.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        plain = socket.create_connection(listener.getsockname())
        with client_context.wrap_socket(plain, server_hostname="localhost") as client:
            monkeypatch.setattr(network, "is_loopback", lambda host: host is None)
            with refuse_network() as refused:
                for send in (client.send, client.sendall, client.write):
                    with pytest.raises(NetworkRefused):
                        send(b"data")
        thread.join()
    assert 3 == len(refused)
    assert [b""] == received


def test_uvloop_uses_a_connection_that_is_open(proxy: tuple[str, int]) -> None:
    """Its peer is on loopback; a socket without a peer fails as it would without the guard."""
    uvloop = pytest.importorskip("uvloop")

    async def exchange() -> bytes:
        loop = asyncio.get_running_loop()
        connection = socket.create_connection(proxy)
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        answer = await reader.read()
        writer.close()
        with socket.socket() as unconnected:
            unconnected.setblocking(False)
            with pytest.raises(OSError, match=r"Broken pipe|not connected"):
                await loop.sock_sendall(unconnected, b"x")
        return answer

    with refuse_network() as refused:
        assert b"ok" == uvloop.run(exchange())[-2:]
    assert [] == refused


def test_what_is_no_data_is_refused_by_the_socket_itself(proxy: tuple[str, int]) -> None:
    """With the error that it always had."""
    with refuse_network(), socket.create_connection(proxy) as connection:
        with pytest.raises(TypeError, match="a bytes-like object is required, not 'str'"):
            connection.send("text")  # type: ignore[arg-type]
        connection.sendall(b"x")
