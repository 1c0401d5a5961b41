"""The loopback server sends what an upstream says, as it says it, and leaves nothing behind."""

import http.client
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from flag_harness.clock import VirtualClock
from flag_harness.errors import CassetteMiss, HarnessError
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response

OK = Head(0.0, 200, (("content-type", "text/event-stream"), ("x-one", "1"), ("content-length", "999")))


def serve(*pieces: Any) -> Any:
    """An upstream that always answers with these pieces."""
    return lambda request: pieces


def chunks(url: str) -> Iterator[bytes]:
    """The HTTP chunks of a response's body as they stand on the wire, read off the socket."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, rest = data.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        yield rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]


def test_each_piece_is_one_chunk_on_the_wire_where_time_is_kept() -> None:
    """Boundaries and bytes are kept; with no rhythm to keep, the same bytes are one chunk."""
    pieces = [b"event: a\n", b"\x00\xff", b"x" * 100_000]
    upstream = serve(OK, *(Chunk(0.0, piece) for piece in pieces), End(0.0))
    with LoopbackServer(upstream, pace=1) as server:
        assert [*pieces, b""] == list(chunks(server.url))
    with LoopbackServer(upstream) as server:
        assert [b"".join(pieces), b""] == list(chunks(server.url))


def test_answers_are_not_held_back() -> None:
    """Head and body are two writes; the second does not wait until the first is acknowledged (40 ms each)."""
    with LoopbackServer(serve(OK, Chunk(0.0, b"a"), End(0.0))) as server, httpx2.Client() as client:
        seconds = []
        for _ in range(50):
            start = time.perf_counter()
            client.get(server.url)
            seconds.append(time.perf_counter() - start)
        assert min(seconds[-20:]) < 0.03


def test_the_request_arrives_whole() -> None:
    """Method, URL with query, headers and all of a large body."""
    asked: list[Request] = []

    def upstream(request: Request) -> Response:
        asked.append(request)
        return Head(0.0, 201, (("x-answer", "yes"),)), Chunk(0.0, b"{}"), End(0.0)

    data = b"z" * 2_000_000
    with LoopbackServer(upstream) as server:
        response = httpx2.post(f"{server.url}/v1/messages?beta=true", content=data, headers={"X-Api-Key": "k"})
        url = server.url
    assert (201, b"{}", "yes") == (response.status_code, response.content, response.headers["x-answer"])
    assert (f"{url}/v1/messages?beta=true", "POST", data) == (asked[0].url, asked[0].method, asked[0].body)
    assert "/v1/messages?beta=true" == asked[0].path
    assert ("x-api-key", "k") in asked[0].headers
    assert {"date", "server"}.isdisjoint(response.headers)


@pytest.mark.parametrize("how", ["reset", "refused"])
@pytest.mark.parametrize("first", [(), (OK, Chunk(0.0, b"event: a\n"))], ids=["at once", "in the body"])
def test_a_reset_is_a_reset(how: Any, first: tuple[Any, ...]) -> None:
    """The client's system reports that the peer reset the connection."""
    with LoopbackServer(serve(*first, Cut(0.0, how))) as server, pytest.raises(httpx2.ReadError, match="reset by peer"):
        httpx2.get(server.url, timeout=60)


def test_an_early_end_is_told_as_one() -> None:
    """The connection is closed without the last chunk, or without an answer."""
    with LoopbackServer(serve(OK, Chunk(0.0, b"event: a\n"), Cut(0.0, "eof"))) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        connection.request("GET", "/")
        with pytest.raises(http.client.IncompleteRead) as caught:
            connection.getresponse().read()
        connection.close()
    assert b"event: a\n" == caught.value.partial
    with LoopbackServer(serve(Cut(0.0, "eof"))) as server, pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(server.url, timeout=60)


def test_silence_lasts_until_the_client_goes() -> None:
    """A read timeout is the client's own."""
    with (
        LoopbackServer(serve(OK, Chunk(0.0, b"event: a\n"), Cut(0.0, "read_timeout"))) as server,
        pytest.raises(httpx2.ReadTimeout),
    ):
        httpx2.get(server.url, timeout=0.2)


def test_pace_keeps_or_drops_the_times() -> None:
    """At pace 1 the rhythm of the data, at pace 0 none; a clock of one's own takes the place of both."""
    timeline = (OK, Chunk(0.1, b"a"), Chunk(0.3, b"b"), End(0.3))
    with LoopbackServer(serve(*timeline), pace=1) as server, httpx2.Client(timeout=60) as client:
        runs = []
        while len(runs) < 50 and not any(times[0] < 0.29 for times in runs):  # a busy machine may delay some
            start = time.perf_counter()
            with client.stream("GET", server.url) as response:
                runs.append([time.perf_counter() - start for _ in response.iter_raw()])
    first, last = runs[-1]
    assert 0.08 < first < 0.29 < last
    clock = VirtualClock()
    with LoopbackServer(serve(*timeline[:1], Chunk(3600.0, b"a"), End(3600.0)), clock=clock) as server:
        assert b"a" == httpx2.get(server.url, timeout=60).content
    assert 3600.0 == clock.now()


@pytest.mark.parametrize(("pace", "shown"), [(-1, "-1"), (float("nan"), "nan"), (float("inf"), "inf")])
def test_what_is_no_pace_is_refused(pace: float, shown: str) -> None:
    """Before anything listens."""
    with pytest.raises(HarnessError) as caught:
        LoopbackServer(serve(), pace=pace)
    told = "is invalid: 0 answers at once, 1 keeps the recorded times, 0.1 is ten times as fast"
    assert f"pace {shown} {told}" == str(caught.value)


def test_a_client_that_goes_while_it_asks_is_not_answered() -> None:
    """Half a request is none: the upstream is not asked, so nothing is missed and nothing used up."""
    asked: list[Request] = []

    def upstream(request: Request) -> Response:
        asked.append(request)
        return OK, End(0.0)

    half = b'POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{"a":1'
    with LoopbackServer(upstream) as server:
        for ending in (b"\0\0\0\0\0\0\0\0", b"\1\0\0\0\0\0\0\0"):  # closed, and reset
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ending)
                connection.sendall(half)
                time.sleep(0.2)
        time.sleep(0.2)
        assert [] == asked
        assert 200 == httpx2.get(server.url, timeout=60).status_code
    assert ["GET"] == [request.method for request in asked]


def test_a_proxys_headers_change_nothing() -> None:
    """Where the client says it is somebody else's, its connection is still found."""
    with LoopbackServer(serve(OK, Chunk(0.0, b"a"), End(0.0)), pace=1) as server:
        assert b"a" == httpx2.get(server.url, timeout=60, headers={"x-forwarded-for": "10.0.0.1"}).content


@pytest.mark.parametrize(
    "head",
    [Head(0.0, 101, ()), Head(0.0, 200, (("x-a", "✓"),)), Head(0.0, 200, (("x-a", "a\r\nb: c"),))],
    ids=["status", "character", "line"],
)
@pytest.mark.parametrize("pace", [0, 1])
def test_what_http_cannot_carry_is_a_broken_upstream(head: Head, pace: float, caplog: pytest.LogCaptureFixture) -> None:
    """Logged, and told as such: nobody is left without an answer."""
    with LoopbackServer(serve(head, End(0.0)), pace=pace) as server:
        response = httpx2.get(server.url, timeout=5)
    assert (500, b"broken") == (response.status_code, response.content)
    assert ["GET /: the upstream is broken"] == caplog.messages


def test_a_head_and_its_body_are_one_packet() -> None:
    """So that a client is woken once."""
    with (
        LoopbackServer(serve(OK, Chunk(0.0, b"abc"), End(0.0))) as server,
        socket.create_connection(("127.0.0.1", server.port)) as connection,
    ):
        for _ in range(20):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert connection.recv(65536).endswith(b"3\r\nabc\r\n0\r\n\r\n")


def test_layers_stand_before_the_upstream() -> None:
    """A layer that answers keeps the request from the upstream."""

    def overloaded(request: Request) -> Response:
        return Head(0.0, 529, ()), End(0.0)

    with LoopbackServer(serve(OK, End(0.0)), overloaded) as server:
        assert 529 == httpx2.get(server.url, timeout=60).status_code


def refuse(request: Request) -> Response:
    """An upstream that has no answer."""
    raise CassetteMiss("no answer for this")


def test_a_refusal_is_numbered_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    """A cassette's miss is no answer of the API, and no client should try again; what it is about stands in the log."""
    with LoopbackServer(refuse) as server:
        responses = [httpx2.get(server.url, timeout=60) for _ in range(2)]
    body = "flag-harness has no recorded answer for this request; its log says why, under miss-"
    assert [(404, "false", f"{body}{number}".encode()) for number in (1, 2)] == [
        (response.status_code, response.headers["x-should-retry"], response.content) for response in responses
    ]
    assert ["no answer for this"] * 2 == [str(refusal) for refusal in server.refusals]
    assert ["miss-1: no answer for this", "miss-2: no answer for this"] == caplog.messages


def test_a_broken_upstream_is_told_from_the_api(caplog: pytest.LogCaptureFixture) -> None:
    """What it raised stands in the log with its traceback, and the server goes on."""

    def upstream(request: Request) -> Response:
        if request.path == "/broken":
            raise ZeroDivisionError
        return OK, End(0.0)

    with LoopbackServer(upstream) as server:
        response = httpx2.get(f"{server.url}/broken", timeout=60)
        assert (500, "false", b"broken") == (
            response.status_code,
            response.headers["x-should-retry"],
            response.content,
        )
        assert 200 == httpx2.get(server.url, timeout=60).status_code
    assert ["GET /broken: the upstream is broken"] == caplog.messages
    assert caplog.records[0].exc_info is not None


def test_two_hundred_clients_at_once_are_answered() -> None:
    """All connected before the first one asks; each gets every byte."""
    data = b"x" * 50_000
    with LoopbackServer(serve(OK, Chunk(0.0, data), Chunk(0.05, data), End(0.05)), pace=1) as server:
        address = ("127.0.0.1", server.port)
        connections = [socket.create_connection(address) for _ in range(200)]
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        received = [b"".join(iter(lambda: connection.recv(1 << 20), b"")) for connection in connections]  # noqa: B023
        for connection in connections:
            connection.close()
    assert [2 * len(data)] * 200 == [answer.count(b"x", answer.index(b"\r\n\r\n")) for answer in received]


def test_a_client_that_hangs_up_harms_nobody_else() -> None:
    """The others' streams go on to their ends, and the server waits no longer for the one that went."""
    many = [Chunk(0.02 * index, b"y" * 10_000) for index in range(10)]
    with LoopbackServer(serve(OK, *many, End(0.2)), pace=1) as server:
        leaving = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(10)]
        for connection in leaving:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        with httpx2.stream("GET", server.url) as response:
            for connection in leaving:
                connection.recv(10)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()
            assert b"y" * 100_000 == response.read()
        assert 200 == httpx2.get(server.url, timeout=60).status_code
        assert () == server.refusals


def test_reading_on_after_an_abandoned_answer_is_a_miss() -> None:
    """What came after the client's leaving was never recorded: the connection breaks off, and the miss is kept."""
    end = End(0.0, is_abandoned=True, make_refusal=lambda: CassetteMiss("it read on"))
    with LoopbackServer(serve(OK, Chunk(0.0, b"a"), end)) as server:
        with httpx2.stream("GET", server.url) as response:
            pieces = response.iter_raw()
            assert b"a" == next(pieces)
            with pytest.raises(httpx2.RemoteProtocolError):
                next(pieces)
        assert ["it read on"] == [str(refusal) for refusal in server.refusals]


def test_leaving_where_the_recorded_client_left_is_no_miss() -> None:
    """Nothing is asked for that is not known."""
    end = End(0.0, is_abandoned=True, make_refusal=lambda: CassetteMiss("it read on"))
    with LoopbackServer(serve(OK, Chunk(0.0, b"a"), end)) as server:
        with httpx2.stream("GET", server.url) as response:
            assert b"a" == next(response.iter_raw())
        time.sleep(1.0)
        assert () == server.refusals


def test_nothing_is_left_behind() -> None:
    """No thread, no listener, even while a client reads a stream that never ends."""
    before = threading.active_count()
    with LoopbackServer(serve(OK, Chunk(0.0, b"a"), Chunk(3600.0, b"b"), End(3600.0)), pace=1) as server:
        response = urllib.request.urlopen(server.url)
        assert b"a" == response.read(1)
    assert before == threading.active_count()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
    response.close()


def test_concurrent_clients_are_answered_side_by_side() -> None:
    """Twenty streams of a second take nothing like twenty."""
    with LoopbackServer(serve(OK, Chunk(1.0, b"a"), End(1.0)), pace=1) as server:
        start = time.perf_counter()
        threads = [threading.Thread(target=httpx2.get, args=(server.url,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.perf_counter() - start < 15


def test_other_hosts_must_be_meant() -> None:
    """Loopback only, unless it is said that anywhere is meant."""
    with pytest.raises(HarnessError) as caught:
        LoopbackServer(serve(), host="0.0.0.0")
    assert (
        "'0.0.0.0' is not a loopback address: the server has no authentication, anyone could use it; "
        "say 127.0.0.1, or allow_any_host=True if that is meant"
    ) == str(caught.value)
    with pytest.raises(HarnessError):
        LoopbackServer(serve(), host="localhost.example.org")
    with LoopbackServer(serve(OK, End(0.0)), host="0.0.0.0", allow_any_host=True) as server:
        assert 200 == httpx2.get(f"http://127.0.0.1:{server.port}", timeout=60).status_code
    with LoopbackServer(serve(OK, End(0.0)), host="localhost") as server:
        assert server.url == f"http://localhost:{server.port}"


def test_a_taken_port_is_an_error_at_once() -> None:
    """The system's own error, before any thread starts."""
    with LoopbackServer(serve(OK, End(0.0))) as server, pytest.raises(OSError, match="in use"):
        LoopbackServer(serve(), port=server.port).__enter__()


def test_a_server_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever: the thread ends, and the error names the address."""
    from flag_harness.transports.serve import server as module

    async def never(self: Any, sockets: Any = None) -> None:
        self.should_exit = True

    monkeypatch.setattr(module.uvicorn.Server, "startup", never)
    monkeypatch.setattr(module._ThreadedServer, "startup", never)
    monkeypatch.setattr(module, "MAX_SECONDS_TO_START", 0.2)
    broken = LoopbackServer(serve())
    with pytest.raises(HarnessError, match=r"^the server at http://127\.0\.0\.1:\d+ did not start in 0\.2 s$"):
        broken.__enter__()
    assert "loopback-server" not in {thread.name for thread in threading.enumerate()}


def test_ipv6_addresses_stand_in_brackets() -> None:
    """So that clients can read the URL."""
    assert "http://[::1]:80" == LoopbackServer(serve(), host="::1", port=80).url


def test_a_log_of_the_server_shows_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """Neither of the URL nor of the error of a broken upstream."""
    key = "sk-ant-api03-" + "Zm9vYmFyMTIz" * 4

    def fail(_: Request) -> Response:
        raise ValueError(key)

    with LoopbackServer(fail) as server:
        assert 500 == httpx2.get(f"{server.url}/{key}", timeout=5).status_code
    assert ["GET /REDACTED: the upstream is broken"] == caplog.messages
    assert "ValueError: REDACTED" in caplog.text
    assert key not in caplog.text
