"""The libraries that are compared: each answers requests of an HTTP client from recordings."""

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from conversations import HEADERS, URL, compact_json
from measuring import version

from flag_harness.cassette import Cassette, CassetteMetadata, Recorder
from flag_harness.cassette import replay as make_replay
from flag_harness.clock import VirtualClock
from flag_harness.transports import http_client, intercept_clients
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

REPLY_HEADERS = {"content-type": "application/json", "request-id": "req_000000000000000000000001"}
MATCH_ON = ["method", "uri", "body"]
"""What peers compare: the same as the harness, bodies included."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The bodies of a request and of its answer."""

    request: bytes
    answer: bytes


class CannotLoadError(Exception):
    """A peer cannot read what it wrote."""


class Peer(Protocol):
    """A library that answers requests. `scans` is true if it compares a request with every recorded one.

    `patches` is true if it patches the HTTP library. Peers with the same `tape` share recordings.
    """

    name: str
    distribution: str
    http: str
    scans: bool
    keeps_files: bool
    patches: bool
    tape: str

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Any:
        """Record the exchanges in this peer's form, in the file `path` if it has files."""

    def load(self, recorded: Any) -> Any:
        """Read, and index if there is an index, what `record` returned. Raise `CannotLoadError`."""

    def make_client(self, loaded: Any) -> AbstractContextManager[Any]:
        """Return a client whose requests are answered from what was loaded."""


class Bare:
    """The HTTP library's own `MockTransport`: the cost of a request without any lookup."""

    scans = keeps_files = patches = False

    def __init__(self, http: str) -> None:
        self.name, self.distribution, self.http, self.tape = f"bare {http}.MockTransport", http, http, http

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> bytes:
        return exchanges[0].answer

    def load(self, recorded: bytes) -> bytes:
        return recorded

    def make_client(self, loaded: bytes) -> AbstractContextManager[Any]:
        return closing(_mock_client(importlib.import_module(self.http), loaded))


class Harness:
    """This project, as a transport that is passed to the client."""

    name, distribution, http, scans, keeps_files = "flag-harness", "flag-harness", "httpx2", False, True
    tape, patches = "flag-harness", False

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Path:
        answers = iter(exchanges)

        def upstream(request: Request) -> Response:
            answer = next(answers).answer
            return Head(0.8, 200, tuple(REPLY_HEADERS.items())), Chunk(0.9, answer), End(0.9)

        recorder = Recorder()
        with closing(http_client(upstream, recorder)) as client:
            for exchange in exchanges:
                client.post(URL, content=exchange.request, headers=HEADERS)
        Cassette(CassetteMetadata("live", "2026-11-01T00:00:00Z"), recorder.interactions).save(path)
        return path

    def load(self, recorded: Path) -> Cassette:
        cassette = Cassette.load(recorded)
        assert cassette.index
        return cassette

    def make_client(self, loaded: Cassette) -> AbstractContextManager[Any]:
        return closing(http_client(make_replay(loaded)))


class InterceptingHarness(Harness):
    """This project, intercepting clients that the code under test makes itself."""

    name, keeps_files, patches = "flag-harness, intercepting", False, True

    @contextmanager
    def make_client(self, loaded: Cassette) -> Iterator[Any]:
        with intercept_clients(make_replay(loaded), clock=VirtualClock()), closing(_client(self.http)) as client:
            yield client


class ReorderedHarness(Harness):
    """This project, with recorded requests whose keys have another order than those sent."""

    name, keeps_files = "flag-harness, keys reordered", False
    tape = "flag-harness-reordered"

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Path:
        reordered = [dict(reversed(json.loads(exchange.request).items())) for exchange in exchanges]
        pairs = zip(exchanges, map(compact_json, reordered), strict=True)
        return super().record(path, [replace(exchange, request=request) for exchange, request in pairs])


class Vcrpy:
    """vcrpy, comparing bodies; it supports httpx, not httpx2."""

    name, distribution, http, scans, keeps_files = "vcrpy", "vcrpy", "httpx", True, True
    tape, patches = "vcrpy", True

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Path:
        from vcr.cassette import Cassette as VcrCassette
        from vcr.request import Request as VcrRequest

        cassette = VcrCassette(str(path))
        headers = {name: [value] for name, value in REPLY_HEADERS.items()}
        for exchange in exchanges:
            body = {"string": exchange.answer}
            answer = {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": body}
            cassette.append(VcrRequest("POST", URL, exchange.request, dict(HEADERS)), answer)
        cassette._save()
        return path

    def load(self, recorded: Path) -> Path:
        from vcr.cassette import Cassette as VcrCassette

        VcrCassette.load(path=str(recorded))
        return recorded

    @contextmanager
    def make_client(self, loaded: Path) -> Iterator[Any]:
        import vcr

        with vcr.use_cassette(str(loaded), record_mode="none", match_on=MATCH_ON), closing(_client("httpx")) as client:
            yield client


class Cassetter:
    """cassetter, comparing bodies."""

    name, distribution, http, scans, keeps_files = "cassetter", "cassetter", "httpx2", True, True
    tape, patches = "cassetter", True

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Path:
        import cassetter
        import httpx2

        with (
            cassetter.use_cassette(path, record_mode="all", match_on=MATCH_ON),
            closing(_mock_client(httpx2, exchanges[0].answer)) as client,
        ):
            for exchange in exchanges:
                client.post(URL, content=exchange.request, headers=HEADERS)
        return path

    def load(self, recorded: Path) -> Path:
        import cassetter

        try:
            cassetter.Cassette(recorded, record_mode=cassetter.RecordMode.NONE).load()
        except cassetter.CassetteLoadError as error:
            raise CannotLoadError(str(error)) from None
        return recorded

    @contextmanager
    def make_client(self, loaded: Path) -> Iterator[Any]:
        import cassetter

        with (
            cassetter.use_cassette(loaded, record_mode="none", match_on=MATCH_ON),
            closing(_client("httpx2")) as client,
        ):
            yield client


class Respx:
    """respx, with a route for each request."""

    name, distribution, http, scans, keeps_files = "respx", "respx", "httpx", True, False
    tape, patches, _using = "respx", True, "httpcore"

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
        return exchanges

    def load(self, recorded: Sequence[Exchange]) -> Sequence[Exchange]:
        return recorded

    @contextmanager
    def make_client(self, loaded: Sequence[Exchange]) -> Iterator[Any]:
        import httpx
        import respx

        with respx.mock(using=self._using, assert_all_called=False) as router, closing(_client(self.http)) as client:
            for exchange in loaded:
                answer = httpx.Response(200, headers=REPLY_HEADERS, content=exchange.answer)
                router.post(URL, content=exchange.request).mock(return_value=answer)
            yield client


class PytestHttpx2(Respx):
    """pytest-httpx2: respx for httpx2."""

    name, distribution, http, _using = "pytest-httpx2", "pytest-httpx2", "httpx2", "httpcore2"

    @contextmanager
    def make_client(self, loaded: Sequence[Exchange]) -> Iterator[Any]:
        importlib.import_module("pytest_httpx2")  # registers `httpcore2` with respx
        with super().make_client(loaded) as client:
            yield client


BARE = {http: Bare(http) for http in ("httpx2", "httpx")}
PEERS: tuple[Peer, ...] = (
    Harness(),
    ReorderedHarness(),
    InterceptingHarness(),
    Vcrpy(),
    Cassetter(),
    Respx(),
    PytestHttpx2(),
)


def installed_peers() -> tuple[Peer, ...]:
    """Return the peers that are installed; report the others on the error stream."""
    found = []
    for peer in PEERS:
        if version(peer.distribution) is None:
            print(f"{peer.name} is not installed: left out (pip install {peer.distribution})", file=sys.stderr)
        else:
            found.append(peer)
    return tuple(found)


def _client(http: str) -> Any:
    return importlib.import_module(http).Client(follow_redirects=True)


def _mock_client(http: Any, body: bytes) -> Any:
    def answer(request: Any) -> Any:
        return http.Response(200, headers=REPLY_HEADERS, content=body)

    return http.Client(transport=http.MockTransport(answer), follow_redirects=True)
