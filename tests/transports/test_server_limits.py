"""The server holds its limits, and no client holds up another one or the end."""

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from flag_harness.transports.serve.limits import MEBIBYTE, ServerLimits
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

ANSWER = Head(0.0, 200, ()), Chunk(0.0, b"ok"), End(0.0)
LIMITS = ServerLimits(accepted_hosts=("flags.example", "*.test"), max_body_bytes=MEBIBYTE, max_head_seconds=0.3)


@pytest.fixture
def requests() -> list[Request]:
    """The requests that the upstream has seen."""
    return []


@pytest.fixture
def server(requests: list[Request]) -> Iterator[LoopbackServer]:
    """A server with small limits."""

    def upstream(request: Request) -> Response:
        requests.append(request)
        return ANSWER

    with LoopbackServer(upstream, limits=LIMITS, threaded=True) as one:
        yield one


def send(server: LoopbackServer, data: bytes) -> tuple[int, str]:
    """Send bytes; return the status and the body of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        with closing(http.client.HTTPResponse(connection)) as response:
            response.begin()
            return response.status, response.read().decode()


def get(server: LoopbackServer, host: str = "localhost") -> tuple[int, str]:
    """Send a small request."""
    return send(server, f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())


def test_a_host_header_that_names_another_machine_is_refused(
    server: LoopbackServer, requests: list[Request], caplog: pytest.LogCaptureFixture
) -> None:
    """In words that name the option, to the client and in the log; the upstream sees nothing."""
    for host in ("rebound.example:8080", "127.0.0.1.evil.example", "evil.example."):
        name = host.partition(":")[0].rstrip(".")
        words = (
            f"The Host header names {name}, which is not this server. A web page may use that name to reach it "
            f"(DNS rebinding). If the name is yours: flag-harness serve ... --allow-host {name}"
        )
        assert (421, words) == get(server, host)
        assert f"GET /: 421 {words}" == caplog.messages[-1]
    assert [] == requests


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.0.0.1:8080", "[::1]:8080", "192.0.2.7", "agent", "host.docker.internal", "app.localhost:1"),
        *(socket.gethostname(), "FLAGS.example:80", "a.b.test"),
    ],
)
def test_a_host_header_that_no_web_page_can_own_passes(server: LoopbackServer, host: str) -> None:
    """Addresses, names without a dot, private domains, and what is allowed."""
    assert (200, "ok") == get(server, host)


def test_lines_and_headers_are_bounded(server: LoopbackServer, requests: list[Request]) -> None:
    """Complete or not."""
    host = b"host: localhost\r\n"
    url = "The URL is longer than 16 KiB. Send long values in the body."
    headers = "The headers are longer than 64 KiB. Send shorter ones."
    for end in (b" HTTP/1.1\r\n" + host + b"\r\n", b""):
        assert (414, url) == send(server, b"GET /" + b"a" * 20_000 + end)
    for end in (b"\r\n\r\n", b""):
        assert (431, headers) == send(server, b"GET / HTTP/1.1\r\n" + host + b"x-a: " + b"a" * 70_000 + end)
    many = b"".join(b"x-%d: a\r\n" % number for number in range(10_000))
    assert (431, headers) == send(server, b"GET / HTTP/1.1\r\n" + host + many + b"\r\n")
    assert [] == requests
    assert (200, "ok") == get(server)


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_bounded(server: LoopbackServer, requests: list[Request], chunked: bool) -> None:
    """Whether or not the length is said first; in the form of the API's own error."""
    body = b"a" * (MEBIBYTE + 1)
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\n"
    framed = b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body)
    status, text = send(server, head + (framed if chunked else b"content-length: %d\r\n\r\n" % len(body)))
    error = {
        "type": "request_too_large",
        "message": "The body is longer than 1 MiB, which is the most that this server takes.",
    }
    assert (413, {"type": "error", "error": error}) == (status, json.loads(text))
    assert [] == requests
    fits = b"content-length: %d\r\n\r\n%s" % (MEBIBYTE, body[:MEBIBYTE])
    assert (200, "ok") == send(server, head + fits)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"a": [' + b"{}," * 200_000 + b"{}]}", "has more than 400,000 values"),
        (b"[" + b"1," * 400_000 + b"1]", "has more than 400,000 values"),
    ],
)
def test_what_grows_when_it_is_decoded_is_bounded(requests: list[Request], body: bytes, problem: str) -> None:
    """An empty object of two bytes takes sixty."""
    with LoopbackServer(lambda request: requests.append(request) or ANSWER) as server:  # type: ignore[func-returns-value]
        head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
        status, text = send(server, head + body)
    assert 413 == status
    assert f"The body {problem}, which is the most that this server takes." == json.loads(text)["error"]["message"]
    assert [] == requests


def test_commas_and_brackets_in_texts_are_no_values(requests: list[Request]) -> None:
    """A table of half a million cells in a prompt is one text."""
    body = b'{"a": "' + b"1,[{" * 500_000 + b'\\", x"}'
    with LoopbackServer(lambda request: requests.append(request) or ANSWER) as server:  # type: ignore[func-returns-value]
        head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
        assert 200 == send(server, head + body)[0]


def test_a_connection_without_a_request_is_closed_in_words(server: LoopbackServer) -> None:
    """So that half-open ones do not gather; one that has asked before may be silent."""
    assert (408, "The head of the request was not complete within 0.3 s.") == send(server, b"GET / HT")
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        for _ in range(2):
            connection.request("GET", "/")
            assert b"ok" == connection.getresponse().read()
            time.sleep(0.5)


def test_what_is_not_http_is_refused_in_words(server: LoopbackServer, caplog: pytest.LogCaptureFixture) -> None:
    """The server goes on."""
    with caplog.at_level(logging.ERROR):
        assert (400, "Invalid HTTP request received.") == send(server, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    assert ["400 Invalid HTTP request received."] == caplog.messages
    assert (200, "ok") == get(server)


def test_nobody_waits_for_a_slow_client_or_a_slow_answer() -> None:
    """A head, a body and an answer that never end; neither do others wait, nor the end of the server."""
    release = threading.Event()

    def upstream(request: Request) -> Response:
        if request.path == "/slow":
            release.wait(30)
        return Head(0.0, 200, ()), Chunk(0.0, b"x" * 30_000_000 if request.path == "/large" else b"ok"), End(0.0)

    started = [
        b"",
        b"GET / HTTP/1.1\r\nhost: lo",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nabc",
        b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ]
    with LoopbackServer(upstream, threaded=True) as server:
        connections: list[Any] = []
        for data in started:
            connections.append(socket.create_connection(("127.0.0.1", server.port)))
            connections[-1].sendall(data)
        time.sleep(0.2)
        start = time.monotonic()
        assert (200, "ok") == get(server)
        assert time.monotonic() - start < 2
        start = time.monotonic()
    assert time.monotonic() - start < 2
    release.set()
    for connection in connections:
        connection.close()


def test_nothing_is_read_after_a_rejection(server: LoopbackServer, requests: list[Request]) -> None:
    """A request that follows on the same connection is not answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"no http\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b"" == b"".join(iter(lambda: connection.recv(4096), b"")).partition(b"Invalid HTTP request received.")[2]
    assert [] == requests
