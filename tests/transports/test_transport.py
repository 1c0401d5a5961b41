"""The transport, for both HTTP libraries, sync and async, judged by the bytes that a server of its own has kept."""

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, Recorder, replay
from flag_harness.clock import VirtualClock
from flag_harness.errors import CassetteMiss
from flag_harness.transports import SystemClock, async_http_client, http_client, make_transport_class
from flag_harness.wire.timeline import Chunk, Cut, Edit, End, Head, Piece, Request, Response
from flag_harness.wire.traffic_log import TrafficLog

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
CUTS = {"reset": "ReadError", "eof": "RemoteProtocolError", "read_timeout": "ReadTimeout"}
STEPS = {"reset": "reset", "eof": "close", "read_timeout": "silence"}

pytestmark = [
    pytest.mark.parametrize("http", [httpx2, httpx], ids=["httpx2", "httpx"]),
    pytest.mark.parametrize("kind", ["sync", "async"]),
]


def _chunk(data: bytes) -> bytes:
    """A piece of a chunked body as it goes over the wire."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _live(http: Any, kind: str) -> Any:
    return http.HTTPTransport() if kind == "sync" else http.AsyncHTTPTransport()


def _fetch(
    http: Any,
    kind: str,
    transport: Any,
    url: str,
    *,
    seen: Callable[[int], bool] = lambda count: True,
    timeout: float = 5.0,
    raw: bool = True,
) -> list[bytes]:
    """POST, and read the body as it comes; `seen` hears how many pieces came, and says whether to go on."""
    got: list[bytes] = []

    def sync() -> None:
        with (
            http.Client(transport=transport, timeout=timeout) as client,
            client.stream("POST", url, content=b"{}") as response,
        ):
            for data in response.iter_raw() if raw else response.iter_bytes():
                got.append(data)
                if not seen(len(got)):
                    break

    async def asynchronous() -> None:
        async with (
            http.AsyncClient(transport=transport, timeout=timeout) as client,
            client.stream("POST", url, content=b"{}") as response,
        ):
            async for data in response.aiter_raw() if raw else response.aiter_bytes():
                got.append(data)
                if not seen(len(got)):
                    break

    if kind == "sync":
        sync()
    else:
        asyncio.run(asynchronous())
    return got


def _transport(http: Any, upstream: Any, *layers: Any, clock: Any = None) -> Any:
    return make_transport_class(http)(upstream, *layers, clock=clock or VirtualClock())


def _replayed(recorder: Recorder) -> Any:
    return replay(Cassette(CassetteMetadata("live", ""), recorder.interactions))


def test_recording_holds_nothing_up_and_keeps_every_boundary(
    http: ModuleType, kind: str, byte_server: Callable[..., Any]
) -> None:
    """The server sends a piece only after the client has the one before; what is replayed is what it sent."""
    parts = [b"event: ping\n\n", "é".encode()[:1], b"\xa9\xff", b"x" * 5000]
    gates = [threading.Event() for _ in parts]
    steps = [step for part, gate in zip(parts, gates, strict=True) for step in (_chunk(part), gate)]
    server = byte_server((HEAD, *steps, LAST))
    recorder = Recorder()

    def seen(count: int) -> bool:
        gates[count - 1].set()
        return True

    live = _transport(http, _live(http, kind), recorder, clock=SystemClock())
    assert parts == _fetch(http, kind, live, server.url, seen=seen)
    response = recorder.interactions[0].response
    assert parts == [piece.data for piece in response if isinstance(piece, Chunk)]
    assert [HEAD, *map(_chunk, parts), LAST] == server.sent[0]
    assert (200, (("content-type", "text/event-stream"), ("request-id", "req_1"))) == _status(response[0])
    assert isinstance(response[-1], End)
    assert not response[-1].is_abandoned
    assert parts == _fetch(http, kind, _transport(http, _replayed(recorder)), server.url)


def _status(piece: Piece) -> Any:
    return (piece.status, piece.headers) if isinstance(piece, Head) else None


def test_offsets_are_those_of_the_wire(http: ModuleType, kind: str, byte_server: Callable[..., Any]) -> None:
    """Seconds since the request was sent; a virtual clock replays them without waiting, a real one in their rhythm."""
    server = byte_server((0.05, HEAD, 0.05, _chunk(b"one"), 0.1, _chunk(b"two"), 0.05, LAST))
    recorder = Recorder()
    _fetch(http, kind, _transport(http, _live(http, kind), recorder, clock=SystemClock()), server.url)
    offsets = [piece.at for piece in recorder.interactions[0].response]
    assert all(offset >= least for offset, least in zip(offsets, [0.05, 0.1, 0.2, 0.25], strict=True))
    assert sorted(offsets) == offsets
    assert offsets[-1] < 1.0
    clock, started = VirtualClock(100.0), time.perf_counter()
    _fetch(http, kind, _transport(http, _replayed(recorder), clock=clock), server.url)
    assert 100.0 + offsets[-1] == pytest.approx(clock.now())
    assert _fetch(http, kind, _transport(http, _replayed(recorder), clock=SystemClock()), server.url)
    assert time.perf_counter() - started >= offsets[-1]


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("begun", [True, False], ids=["in the body", "before the head"])
def test_a_cut_raises_the_same_error_live_and_replayed(
    http: ModuleType, kind: str, how: str, begun: bool, byte_server: Callable[..., Any]
) -> None:
    """After the bytes that came before it."""
    sent, gate = ((HEAD, _chunk(b"one")) if begun else ()), threading.Event()
    wait = (gate,) if begun else ()
    server = byte_server((*sent, *wait, STEPS[how]))
    recorder, counts = Recorder(), []

    def seen(count: int) -> bool:
        counts.append(count)
        gate.set()
        return True

    error = getattr(http, CUTS[how])
    live = _transport(http, _live(http, kind), recorder, clock=SystemClock())
    with pytest.raises(error):
        _fetch(http, kind, live, server.url, seen=seen, timeout=1 if how == "read_timeout" else 30)
    with pytest.raises(error) as caught:
        _fetch(http, kind, _transport(http, _replayed(recorder)), server.url, seen=seen)
    assert f"the connection was cut: {how}" == str(caught.value)
    assert server.url == str(caught.value.request.url)
    assert ([1, 1] if begun else []) == counts
    last = recorder.interactions[0].response[-1]
    assert Cut(last.at, how) == last  # type: ignore[arg-type]


def test_a_refused_connection_is_recorded_and_replayed(http: ModuleType, kind: str) -> None:
    """Nobody listens on the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    recorder = Recorder()
    with pytest.raises(http.ConnectError):
        _fetch(http, kind, _transport(http, _live(http, kind), recorder, clock=SystemClock()), url)
    (piece,) = recorder.interactions[0].response
    assert Cut(piece.at, "refused") == piece
    with pytest.raises(http.ConnectError):
        _fetch(http, kind, _transport(http, _replayed(recorder)), url)


@pytest.mark.parametrize(
    ("name", "how"), [("ConnectTimeout", "refused"), ("WriteError", "reset"), ("PoolTimeout", "reset")]
)
def test_other_errors_of_the_wire_are_the_nearest_cut(http: Any, kind: str, name: str, how: str) -> None:
    """The live error itself goes on to the caller."""

    class Broken(http.BaseTransport, http.AsyncBaseTransport):
        def handle_request(self, request: Any) -> Any:
            raise getattr(http, name)("broken", request=request)

        async def handle_async_request(self, request: Any) -> Any:
            return self.handle_request(request)

    tap = TrafficLog()
    with pytest.raises(getattr(http, name), match=r"^broken$"):
        _fetch(http, kind, _transport(http, Broken(), tap), "http://127.0.0.1/")
    assert (Cut(0.0, how),) == tap.exchanges[0][1]  # type: ignore[arg-type]


def test_a_server_that_compresses_all_the_same_is_kept_as_it_is(
    http: ModuleType, kind: str, byte_server: Callable[..., Any]
) -> None:
    """Recording asks for plain bytes; what comes is stored raw and unpacked by the client, live and replayed."""
    data = gzip.compress(b'{"text": "word"}', mtime=0)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
    server = byte_server((head % len(data) + data,))
    recorder = Recorder()
    live = _transport(http, _live(http, kind), recorder, clock=SystemClock())
    assert [b'{"text": "word"}'] == _fetch(http, kind, live, server.url, raw=False)
    assert b"accept-encoding: identity\r\n" in server.requests[0].lower()
    assert 1 == server.requests[0].lower().count(b"accept-encoding:")
    response = recorder.interactions[0].response
    assert data == b"".join(piece.data for piece in response if isinstance(piece, Chunk))
    assert [b'{"text": "word"}'] == _fetch(http, kind, _transport(http, _replayed(recorder)), server.url, raw=False)


def test_a_client_that_stops_reading_is_recorded_as_abandoned(
    http: ModuleType, kind: str, byte_server: Callable[..., Any]
) -> None:
    """And its connection is closed: the server sees it go."""
    server = byte_server((HEAD, _chunk(b"one"), "silence"))
    recorder = Recorder()
    live = _transport(http, _live(http, kind), recorder, clock=SystemClock())
    assert [b"one"] == _fetch(http, kind, live, server.url, seen=lambda count: False)
    assert server.gone.wait(5.0)
    response = recorder.interactions[0].response
    assert [Head, Chunk, End] == [type(piece) for piece in response]
    assert End(response[-1].at, is_abandoned=True) == response[-1]


def test_headers_of_any_bytes_come_as_they_were(http: Any, kind: str, byte_server: Callable[..., Any]) -> None:
    """Live, recorded and replayed, names in lower case: no guess is made at what the bytes mean."""
    odd = b"caf\xe9 \xc3\xa9"
    server = byte_server((b"HTTP/1.1 200 OK\r\nRequest-ID: %b\r\ncontent-length: 0\r\n\r\n" % odd,))

    def asked(upstream: Any, *layers: Any) -> bytes:
        transport = _transport(http, upstream, *layers)

        async def asynchronous() -> Any:
            async with http.AsyncClient(transport=transport) as client:
                return await client.get(server.url, headers={"Content-Type": odd})

        def sync() -> Any:
            with http.Client(transport=transport) as client:
                return client.get(server.url, headers={"Content-Type": odd})

        response = sync() if kind == "sync" else asyncio.run(asynchronous())
        return dict(response.headers.raw)[b"request-id"]

    recorder = Recorder()
    assert odd == asked(_live(http, kind), recorder)
    (interaction,) = recorder.interactions
    text = odd.decode("latin-1")
    assert (("content-type", text),) == interaction.request.headers
    assert Head(interaction.response[0].at, 200, (("request-id", text),)) == interaction.response[0]
    assert odd == asked(_replayed(recorder))


def test_connections_are_kept_alive(http: Any, kind: str, byte_server: Callable[..., Any]) -> None:
    """Two requests of one client share one."""
    script = (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",)
    server = byte_server(script, script)
    recorder = Recorder()
    transport = _transport(http, _live(http, kind), recorder, clock=SystemClock())

    def sync() -> list[bytes]:
        with http.Client(transport=transport) as client:
            return [client.post(server.url, content=body).content for body in (b"1", b"2")]

    async def asynchronous() -> list[bytes]:
        async with http.AsyncClient(transport=transport) as client:
            return [(await client.post(server.url, content=body)).content for body in (b"1", b"2")]

    assert [b"ok", b"ok"] == (sync() if kind == "sync" else asyncio.run(asynchronous()))
    assert 1 == server.connections
    assert [b"1", b"2"] == [interaction.request.body for interaction in recorder.interactions]
    assert [request[-1:] for request in server.requests] == [b"1", b"2"]


def test_the_upstream_gets_the_request_as_a_value(http: Any, kind: str) -> None:
    """Its body complete, though the caller streams it; repeated headers each for itself."""
    asked: list[Request] = []

    def upstream(request: Request) -> Response:
        asked.append(request)
        return Head(0.0, 204, (("a", "1"), ("a", "2"))), End(0.0)

    async def parts() -> Any:
        for part in (b"o", b"ne"):
            yield part

    transport, url = _transport(http, upstream), "https://api.anthropic.com/v1/messages?beta=true"
    headers = [("x-one", "1"), ("x-one", "2")]
    if kind == "sync":
        with http.Client(transport=transport) as client:
            response = client.post(url, content=iter([b"o", b"ne"]), headers=headers)
    else:

        async def post() -> Any:
            async with http.AsyncClient(transport=transport) as client:
                return await client.post(url, content=parts(), headers=headers)

        response = asyncio.run(post())
    assert ("POST", url, b"one") == (asked[0].method, asked[0].url, asked[0].body)
    assert ["1", "2"] == [value for name, value in asked[0].headers if name.lower() == "x-one"]
    assert (204, ["1", "2"]) == (response.status_code, response.headers.get_list("a"))


def test_a_layer_that_answers_keeps_the_request_from_the_network(
    http: ModuleType, kind: str, byte_server: Callable[..., Any]
) -> None:
    """Live or replayed, nothing below it is asked."""
    server, tap = byte_server(), TrafficLog()

    def answering(request: Request) -> Response:
        return Head(0.0, 529, ()), Chunk(0.0, b"busy"), End(0.0)

    def never(request: Request) -> Response:
        raise AssertionError("the upstream was asked")

    for upstream in (_live(http, kind), never):
        assert [b"busy"] == _fetch(http, kind, _transport(http, upstream, tap, answering), server.url)
    assert 0 == server.connections
    assert 2 == len(tap.exchanges)


def test_layers_edit_live_traffic_and_the_innermost_sees_what_came(
    http: ModuleType, kind: str, byte_server: Callable[..., Any]
) -> None:
    """A recorder below a fault keeps what the server sent; one above it what the client got."""
    server = byte_server((HEAD, _chunk(b"one"), _chunk(b"two"), LAST))

    def shouting(request: Request) -> Edit:
        return lambda piece: (Chunk(piece.at, piece.data.upper()),) if isinstance(piece, Chunk) else (piece,)

    outer, inner = TrafficLog(), TrafficLog()
    live = _transport(http, _live(http, kind), outer, shouting, inner, clock=SystemClock())
    assert b"ONETWO" == b"".join(_fetch(http, kind, live, server.url))
    for tap, expected in ((outer, b"ONETWO"), (inner, b"onetwo")):
        pieces = tap.exchanges[0][1]
        assert expected == b"".join(piece.data for piece in pieces if isinstance(piece, Chunk))


def test_a_layer_may_end_the_answer_early(http: ModuleType, kind: str, byte_server: Callable[..., Any]) -> None:
    """The client sees a complete body; the connection is given up, and the recorder below says abandoned."""
    server, recorder = byte_server((HEAD, _chunk(b"one"), "silence")), Recorder()

    def ending(request: Request) -> Edit:
        return lambda piece: (piece, End(piece.at)) if isinstance(piece, Chunk) else (piece,)

    live = _transport(http, _live(http, kind), ending, recorder, clock=SystemClock())
    assert [b"one"] == _fetch(http, kind, live, server.url)
    assert server.gone.wait(5.0)
    last = recorder.interactions[0].response[-1]
    assert End(last.at, is_abandoned=True) == last


def test_closing_the_client_closes_the_live_transport(http: Any, kind: str) -> None:
    """And an upstream, which has nothing to close, is left alone."""
    closed: list[str] = []

    class Live(http.BaseTransport, http.AsyncBaseTransport):
        def close(self) -> None:
            closed.append("sync")

        async def aclose(self) -> None:
            closed.append("async")

    async def asynchronous(upstream: Any) -> None:
        async with http.AsyncClient(transport=_transport(http, upstream)):
            pass

    for upstream in (Live(), lambda request: ()):
        if kind == "sync":
            with http.Client(transport=_transport(http, upstream)):
                pass
        else:
            asyncio.run(asynchronous(upstream))
    assert [kind] == closed


def test_a_refusal_goes_through_the_sdk_at_once(http: ModuleType, kind: str) -> None:
    """Its retries and its `except Exception` do not see it; the layers are told that there was no answer."""
    import anthropic

    tap, upstream = TrafficLog(), replay(Cassette(CassetteMetadata("live", ""), ()))
    asked: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}

    async def asynchronous() -> None:
        async with anthropic.AsyncAnthropic(api_key="x", http_client=async_http_client(upstream, tap)) as client:
            await client.messages.create(**asked)

    def sync() -> None:
        with anthropic.Anthropic(api_key="x", http_client=http_client(upstream, tap)) as client:
            client.messages.create(**asked)

    with pytest.raises(CassetteMiss, match=r"^POST /v1/messages is not in the cassette \(0 interactions\)\.$"):
        sync() if kind == "sync" else asyncio.run(asynchronous())
    assert 1 == len(upstream.misses)
    assert [(End(0.0, is_abandoned=True),)] == [response for _, response in tap.exchanges]


@pytest.mark.parametrize(
    ("timeout", "head", "chunk", "passed", "got"),
    [
        (5, 4, 8, 8, [b"a"]),
        (5, 6, 8, 5, []),
        (5, 4, 10, 9, []),
        (None, 60, 1000, 1000, [b"a"]),
    ],
)
def test_the_clients_own_read_timeout_strikes(
    http: Any, kind: str, timeout: Any, head: float, chunk: float, passed: float, got: list[bytes]
) -> None:
    """Where nothing comes for longer, on the clock, before the head or between two pieces; and not without one."""
    clock = VirtualClock()
    response: Response = (Head(head, 200, ()), Chunk(chunk, b"a"), End(chunk))
    transport = make_transport_class(http)(lambda request: response, clock=clock)
    if got:
        assert got == _fetch(http, kind, transport, "http://host/", timeout=timeout)
    else:
        with pytest.raises(http.ReadTimeout, match="nothing came for 5 s"):
            _fetch(http, kind, transport, "http://host/", timeout=timeout)
    assert passed == clock.now()


def test_a_client_that_was_slow_itself_is_not_timed_out(http: Any, kind: str) -> None:
    """What came while it was busy is there when it reads on."""
    clock = VirtualClock()
    response: Response = (Head(0, 200, ()), Chunk(1, b"a"), Chunk(9, b"b"), End(9))
    transport = make_transport_class(http)(lambda request: response, clock=clock)

    def busy(count: int) -> bool:
        clock.sleep(4)
        return True

    assert [b"a", b"b"] == _fetch(http, kind, transport, "http://host/", timeout=5, seen=busy)


def test_answers_at_the_same_time_arrive_in_the_order_of_their_offsets(http: Any, kind: str) -> None:
    """Tasks share one clock; sync answers come one after the other."""
    clock, order = VirtualClock(), []

    def upstream(request: Request) -> Response:
        first = float(request.body)
        return Head(first, 200, ()), Chunk(first + 2, b"x"), End(first + 4)

    async def ask(client: Any, body: bytes) -> None:
        async with client.stream("POST", "http://x/", content=body) as response:
            order.append(float(body))
            async for _ in response.aiter_raw():
                order.append(float(body) + 2)  # noqa: PERF401 - others append in between

    async def asynchronous() -> None:
        async with http.AsyncClient(transport=_transport(http, upstream, clock=clock)) as client:
            await asyncio.gather(*(ask(client, body) for body in (b"3", b"0", b"4")))

    if kind == "async":
        asyncio.run(asynchronous())
        assert [0.0, 2.0, 3.0, 4.0, 5.0, 6.0] == order
        assert 8.0 == clock.now()
    else:
        with http.Client(transport=_transport(http, upstream, clock=clock)) as client:
            for body in (b"3", b"0"):
                client.post("http://x/", content=body)
        assert 11.0 == clock.now()


def test_a_cancelled_task_is_recorded_as_abandoned(http: Any, kind: str, byte_server: Callable[..., Any]) -> None:
    """While it waits for the head, or for the next piece; a sync reader that fails counts the same."""
    server = byte_server((HEAD, _chunk(b"one"), "silence"), ("silence",))
    recorder = Recorder()
    transport = _transport(http, _live(http, kind), recorder, clock=SystemClock())

    async def read(client: Any, started: asyncio.Event) -> None:
        async with client.stream("POST", server.url, content=b"{}") as response:
            async for _ in response.aiter_raw():
                started.set()

    async def asynchronous() -> None:
        async with http.AsyncClient(transport=transport) as client:
            started = asyncio.Event()
            first = asyncio.create_task(read(client, started))
            await started.wait()
            second = asyncio.create_task(read(client, started))
            while len(server.requests) < 2:  # noqa: ASYNC110 - the server is a thread
                await asyncio.sleep(0.01)
            for task in (first, second):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    def failing(count: int) -> bool:
        raise ZeroDivisionError

    if kind == "async":
        asyncio.run(asynchronous())
        expected = [[Head, Chunk, End], [End]]
    else:
        with pytest.raises(ZeroDivisionError):
            _fetch(http, kind, transport, server.url, seen=failing)
        expected = [[Head, Chunk, End]]
    responses = [interaction.response for interaction in recorder.interactions]
    assert expected == [[type(piece) for piece in response] for response in responses]
    assert all(End(response[-1].at, is_abandoned=True) == response[-1] for response in responses)
    assert isinstance(recorder.interactions[0], Interaction)
