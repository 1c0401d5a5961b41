"""Recorded, saved, loaded and replayed, an answer is the bytes that the server sent: over every client.

What is expected is what a server on a socket kept of what it sent and was sent, never what our codec says.
"""

import asyncio
import gzip
import importlib
import json
import random
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
import pytest
import zstandard

from flag_harness.cassette import Cassette, CassetteMetadata, Recorder, replay
from flag_harness.clock import VirtualClock
from flag_harness.errors import CassetteMiss
from flag_harness.transports import SystemClock, intercept_clients, make_transport_class

TRAFFIC = Path(__file__).parents[3] / "shared" / "traffic" / "interactions.jsonl.gz"
ELSEWHERE = "http://anywhere.invalid"
METADATA = CassetteMetadata("live", "2026-01-02T03:04:05Z")
JSON = {"content-type": "application/json"}
needs_traffic = pytest.mark.skipif(not TRAFFIC.exists(), reason="the traffic stands beside the project, not in it")

FRAMING = {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}
"""Headers that say how the bytes travelled when they were recorded: this server has its own."""


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstandard.ZstdCompressor(level=1).compress,
}


@dataclass
class Asked:
    """A request to send, and the answer that the server is to give: its body in the pieces that are sent as chunks.

    `ends` is `whole`, or what breaks the connection after the last piece: `eof`, or `reset`, before which the server
    waits until the client has what was sent.
    """

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int = 200
    answer_headers: Sequence[tuple[str, str]] = ()
    pieces: Sequence[bytes] = ()
    ends: str = "whole"
    encoding: str = "identity"
    plain: bytes = b""
    seen: threading.Event = field(default_factory=threading.Event)


class Server:
    """Answers the n-th request as the n-th of `asked` says, on as few connections as clients make, and keeps both."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._asked = iter(asked)
        self.received: list[bytes] = []
        self.sent: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for the thread to end."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection, connection.makefile("rb") as reader, suppress(ConnectionError):
                    while self._one(connection, reader):
                        pass

    def _one(self, connection: socket.socket, reader: Any) -> bool:
        lines = list(iter(reader.readline, b"\r\n")) if reader.peek(1) else []
        if not lines:
            return False
        length = next((line.split(b":")[1] for line in lines if line.lower().startswith(b"content-length:")), b"0")
        self.received.append(reader.read(int(length)))
        asked = next(self._asked)
        self.sent.append(b"".join(asked.pieces))
        head = [f"HTTP/1.1 {asked.status} OK", *(f"{name}: {value}" for name, value in asked.answer_headers)]
        framed = ["transfer-encoding: chunked", "", ""] if asked.pieces else ["content-length: 0", "", ""]
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in asked.pieces]
        last = b"0\r\n\r\n" if asked.pieces and asked.ends == "whole" else b""
        connection.sendall("\r\n".join([*head, *framed]).encode("latin-1") + b"".join(chunks) + last)
        if asked.ends == "reset":
            asked.seen.wait(10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return asked.ends == "whole"


@dataclass(frozen=True)
class Got:
    """What a client got of an answer: its parts as they came, undecoded, and how reading ended."""

    status: int
    parts: tuple[bytes, ...]
    ended: str


@dataclass(frozen=True)
class Way:
    """How a client is answered: by which library, with a transport that it is handed or intercepted, async or not."""

    library: str
    handed: bool
    is_async: bool

    def __str__(self) -> str:
        return f"{self.library}-{'handed' if self.handed else 'intercepted'}-{'async' if self.is_async else 'sync'}"

    def ask(
        self, asked: Sequence[Asked], url: str, *, upstream: Any, layers: Sequence[Any] = (), decode: bool = False
    ) -> list[Any]:
        """What a client gets for each request; with no upstream, of the network. `decode` gives bodies decoded."""
        http = importlib.import_module(self.library)
        clock = VirtualClock() if upstream else SystemClock()
        onward = upstream or (http.AsyncHTTPTransport() if self.is_async else http.HTTPTransport())
        transport = make_transport_class(http)(onward, *layers, clock=clock) if self.handed else None
        work = self._ask_async if self.is_async else self._ask
        if self.handed:
            return work(http, transport, asked, url, decode)
        with intercept_clients(upstream, *layers, clock=clock):
            return work(http, None, asked, url, decode)

    def _ask(self, http: Any, transport: Any, asked: Sequence[Asked], url: str, decode: bool) -> list[Any]:
        with http.Client(transport=transport, trust_env=False, timeout=10) as client:
            return [self._one(http, client, one, url, decode) for one in asked]

    def _one(self, http: Any, client: Any, one: Asked, url: str, decode: bool) -> Any:
        parts: list[bytes] = []
        with client.stream(one.method, url + one.path, content=one.body, headers=one.headers) as response:
            if decode:
                return response.read()
            try:
                for part in response.iter_raw():
                    parts.append(part)
                    one.seen.set()
                    if one.ends == "abandoned":
                        break
            except http.TransportError as error:
                return Got(response.status_code, tuple(parts), type(error).__name__)
        return Got(response.status_code, tuple(parts), "")

    def _ask_async(self, http: Any, transport: Any, asked: Sequence[Asked], url: str, decode: bool) -> list[Any]:
        async def each() -> list[Any]:
            async with http.AsyncClient(transport=transport, trust_env=False, timeout=10) as client:
                return [await self._async_one(http, client, one, url, decode) for one in asked]

        return asyncio.run(each())

    async def _async_one(self, http: Any, client: Any, one: Asked, url: str, decode: bool) -> Any:
        parts: list[bytes] = []
        async with client.stream(one.method, url + one.path, content=one.body, headers=one.headers) as response:
            if decode:
                return await response.aread()
            try:
                async for part in response.aiter_raw():
                    parts.append(part)
                    one.seen.set()
                    if one.ends == "abandoned":
                        break
            except http.TransportError as error:
                return Got(response.status_code, tuple(parts), type(error).__name__)
        return Got(response.status_code, tuple(parts), "")


WAYS = [
    Way(library, handed, is_async)
    for library in ("httpx2", "httpx")
    for handed in (True, False)
    for is_async in (False, True)
]
every_way = pytest.mark.parametrize("way", WAYS, ids=str)


@pytest.fixture
def serve() -> Iterator[Callable[[Sequence[Asked]], Server]]:
    """Starts servers, which end with the test."""
    servers: list[Server] = []

    def start(asked: Sequence[Asked]) -> Server:
        servers.append(Server(asked))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def _through_a_file(recorder: Recorder, path: Path) -> Cassette:
    Cassette(METADATA, recorder.interactions).save(path)
    return Cassette.load(path)


def _prove(way: Way, asked: Sequence[Asked], server: Server, path: Path) -> Cassette:
    """Record over a way, save, load, replay over it; compare with what the server kept."""
    recorder = Recorder()
    recorded = way.ask(asked, server.url, upstream=None, layers=[recorder])
    got = [b"".join(one.parts) for one in recorded]
    expected = [
        sent[: len(had)] if one.ends == "abandoned" else sent
        for one, sent, had in zip(asked, server.sent, got, strict=True)
    ]
    assert expected == got
    cassette = _through_a_file(recorder, path)
    player = replay(cassette)
    replayed = way.ask(asked, ELSEWHERE, upstream=player)
    assert recorded == replayed
    assert server.received == [interaction.request.body for interaction in cassette.interactions]
    assert ((), []) == (player.indices_not_played, player.misses)
    return cassette


def _pieces(data: bytes, chance: random.Random) -> list[bytes]:
    """The bytes in a few parts, cut anywhere."""
    cuts = sorted(chance.randrange(1, len(data)) for _ in range(chance.randrange(4))) if len(data) > 1 else []
    return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True) if start < stop]


def _asked_of_row(row: dict[str, Any], chance: random.Random) -> Asked:
    """A row of the traffic, its answer compressed and cut as chance has it."""
    request, response = row["request"], row["response"]
    parts = urlsplit(request["url"])
    encoding = chance.choice(list(ENCODINGS))
    headers = [pair for pair in response["headers"] if pair[0].lower() not in FRAMING]
    return Asked(
        request["method"],
        parts.path + (f"?{parts.query}" if parts.query else ""),
        {name: value for name, value in request["headers"] if name.lower() in ("anthropic-beta", "content-type")},
        request["body"].encode(),
        response["status"],
        [*headers, ("content-encoding", encoding)],
        _pieces(ENCODINGS[encoding](response["body"].encode()), chance),
        encoding=encoding,
        plain=response["body"].encode(),
    )


@pytest.fixture(scope="module")
def traffic() -> list[dict[str, Any]]:
    """Every recorded interaction."""
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@needs_traffic
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way == WAYS[0] else pytest.mark.deep) for way in WAYS], ids=str
)
def test_real_traffic_is_replayed_to_the_byte(
    way: Way,
    traffic: list[dict[str, Any]],
    serve: Callable[[Sequence[Asked]], Server],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    deep: bool,
) -> None:
    """Every third interaction, plain and compressed in four ways, in chunks cut anywhere; and decoded, what it says."""
    if way != WAYS[0]:  # the scan for keys takes as long as all the rest, and what it reads does not depend on the way
        monkeypatch.setattr("flag_harness.cassette.cassette.refuse_api_keys", lambda *arguments: None)
    chance = random.Random(str(way))
    traffic = traffic if deep else traffic[::3]
    asked = [_asked_of_row(row, chance) for row in traffic]
    cassette = _prove(way, asked, serve(asked), tmp_path / "x.json")
    assert len(traffic) == len(cassette.interactions)
    decoded = way.ask(asked, ELSEWHERE, upstream=replay(cassette), decode=True)
    known = importlib.import_module(way.library).Client().headers["accept-encoding"]
    expected = [one.plain if one.encoding in f"identity, {known}" else b"".join(one.pieces) for one in asked]
    assert expected == decoded


ANYTHING = bytes(range(256)) * 3
ODD = [
    Asked("GET", "/v1/models?limit=1000", pieces=[b'{"data":[', b"]}"]),
    Asked("GET", "/v1/models/claude-haiku-4-5", status=404, pieces=[b'{"type":"error"}']),
    Asked("POST", "/v1/messages/count_tokens", JSON, b'{"model":"x"}', pieces=[b'{"input_tokens":7}']),
    Asked("POST", "/v1/messages/batches", JSON, b'{"requests":[]}', pieces=[b'{"id":"msgbatch_1"}']),
    Asked("GET", "/v1/messages/batches/msgbatch_1/results", pieces=[b'{"n":1}\n', b'{"n":2}\n{"n"', b":3}\n"]),
    Asked("DELETE", "/v1/files/file_1", status=204),
    Asked("GET", "/v1/files/file_1/content", pieces=[ANYTHING, b"\xff\xfe", ANYTHING]),
    Asked(
        "POST",
        "/v1/messages",
        JSON,
        b'{ "spaced" : 1 }',
        pieces=["\N{EURO SIGN}".encode()[:1], "\N{EURO SIGN}".encode()[1:]],
    ),
    Asked("POST", "/v1/messages", JSON, ANYTHING, pieces=[b"\r", b"\n", b"data: 1\r", b"\n\r\n"]),
    Asked("POST", "/v1/messages", JSON, b"", status=500),
    Asked("POST", "/v1/messages", JSON, b'{"n":1}', pieces=[b"data: {}\n\n", b"data: "], ends="eof"),
    Asked("POST", "/v1/messages", JSON, b'{"n":2}', pieces=[b"data: {}\n\nda"], ends="reset"),
    Asked("POST", "/v1/messages", JSON, b'{"n":3}', pieces=[b"data: {}\n\n", b"data: {}\n\n"], ends="abandoned"),
    Asked("POST", "/v1/messages", JSON, b'{"n":3}', pieces=[b"data: the same again\n\n"]),
]
"""One of each kind that recorded traffic has none of."""


@every_way
def test_odd_answers_are_replayed_to_the_byte(
    way: Way, serve: Callable[[Sequence[Asked]], Server], tmp_path: Path
) -> None:
    """Empty, no text, cut anywhere, broken off, abandoned; requests with and without a body, whatever it holds."""
    asked = [replace(one, seen=threading.Event()) for one in ODD]
    cassette = _prove(way, asked, serve(asked), tmp_path / "x.json")
    (abandoned,) = (one for one in asked if one.ends == "abandoned")
    with pytest.raises(CassetteMiss):
        way.ask([replace(abandoned, ends="whole")], ELSEWHERE, upstream=replay(cassette))


def _upload(boundary: str, data: bytes, quote: str = "") -> Asked:
    """A file as the SDK uploads it: the line between the parts is made up for each request."""
    part = b'Content-Disposition: form-data; name="file"; filename="x.pdf"\r\nContent-Type: application/pdf'
    line = f"--{boundary}".encode()
    headers = {"content-type": f"multipart/form-data; boundary={quote}{boundary}{quote}"}
    body = b"%b\r\n%b\r\n\r\n%b\r\n%b--\r\n" % (line, part, data, line)
    return Asked("POST", "/v1/files", headers, body, pieces=[b'{"id":"file_%d"}' % len(data)])


def test_an_upload_is_played_whatever_line_stands_between_its_parts(
    serve: Callable[[Sequence[Asked]], Server], tmp_path: Path
) -> None:
    """By what the parts hold; a rewrite in which only that line differs changes no file; other parts are a miss."""
    way, path = WAYS[0], tmp_path / "x.json"
    cassette = _prove(way, recorded := [_upload("0a1b", ANYTHING), _upload("2c3d", b"%PDF")], serve(recorded), path)
    sent = [_upload("4e5f", b"%PDF", '"'), _upload("6071", ANYTHING)]
    played = way.ask(sent, ELSEWHERE, upstream=replay(cassette))
    assert [recorded[1].pieces, recorded[0].pieces] == [list(got.parts) for got in played]
    with pytest.raises(CassetteMiss):
        way.ask([_upload("0a1b", b"other")], ELSEWHERE, upstream=replay(cassette))
    recorder, again = Recorder(), [_upload("8293", ANYTHING), _upload("a4b5", b"%PDF")]
    way.ask(again, serve(again).url, upstream=None, layers=[recorder])
    assert not Cassette(METADATA, recorder.interactions).save(path)


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_a_redirect_is_followed_in_a_replay_too(
    library: str, serve: Callable[[Sequence[Asked]], Server], tmp_path: Path
) -> None:
    """As it was live: on whichever host the client asks then."""
    asked = [
        Asked("POST", "/v1/old", JSON, b'{"n":1}', status=307),
        Asked("POST", "/v1/new", JSON, b'{"n":1}', pieces=[b'{"moved":true}']),
    ]
    server = serve(asked)
    asked[0].answer_headers = [("location", f"{server.url}/v1/new?a=1")]
    http = importlib.import_module(library)

    def moved(url: str, upstream: Any, *layers: Any) -> tuple[int, bytes, str]:
        transport = make_transport_class(http)(upstream, *layers, clock=VirtualClock())
        with http.Client(transport=transport, follow_redirects=True, trust_env=False) as client:
            response = client.post(f"{url}/v1/old", content=b'{"n":1}', headers=JSON)
            return response.status_code, response.content, str(response.url).removeprefix(url)

    recorder = Recorder()
    live = moved(server.url, http.HTTPTransport(), recorder)
    assert (200, b'{"moved":true}', "/v1/new?a=1") == live
    player = replay(_through_a_file(recorder, tmp_path / "x.json"))
    assert (live, ()) == (moved(ELSEWHERE, player), player.indices_not_played)
