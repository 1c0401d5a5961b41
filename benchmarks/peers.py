"""What is compared: each plays recorded answers to requests that a client of its HTTP library sends."""

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from conversations import HEADERS, URL, compact
from measuring import version

from flag_harness.cassette import Cassette, Envelope, Recorder
from flag_harness.cassette import replay as played
from flag_harness.clock import VirtualClock
from flag_harness.transports import http_client, intercept_clients
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

REPLY_HEADERS = {"content-type": "application/json", "request-id": "req_000000000000000000000001"}
MATCH_ON = ["method", "uri", "body"]
"""What peers compare: as the harness does, bodies included."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request's body, and that of its answer."""

    asked: bytes
    answered: bytes


class CannotLoadError(Exception):
    """A peer cannot read what it wrote itself."""


class Peer(Protocol):
    """Plays answers. `scans`: it compares a request with one recorded request after the other.

    `patches`: it changes the HTTP library while it plays. Peers of one `tape` keep exchanges alike.
    """

    name: str
    distribution: str
    http: str
    scans: bool
    keeps_files: bool
    patches: bool
    tape: str

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Any:
        """The exchanges, as this peer keeps them: at that path, where it has files."""

    def load(self, kept: Any) -> Any:
        """What `record` kept, read, and indexed where there is an index. Raises `CannotLoadError`."""

    def playing(self, loaded: Any) -> AbstractContextManager[Any]:
        """A client whose requests are answered from what was loaded."""


class Bare:
    """The HTTP library's own `MockTransport`: what a request costs where nothing is looked up."""

    scans = keeps_files = patches = False

    def __init__(self, http: str) -> None:
        self.name, self.distribution, self.http, self.tape = f"bare {http}.MockTransport", http, http, http

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> bytes:
        return exchanges[0].answered

    def load(self, kept: bytes) -> bytes:
        return kept

    def playing(self, loaded: bytes) -> AbstractContextManager[Any]:
        return closing(_mocked(importlib.import_module(self.http), loaded))


class Harness:
    """This project: a transport handed to the client."""

    name, distribution, http, scans, keeps_files = "flag-harness", "flag-harness", "httpx2", False, True
    tape, patches = "flag-harness", False

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Path:
        answers = iter(exchanges)

        def upstream(request: Request) -> Response:
            answered = next(answers).answered
            return Head(0.8, 200, tuple(REPLY_HEADERS.items())), Chunk(0.9, answered), End(0.9)

        recorder = Recorder()
        with closing(http_client(upstream, recorder)) as client:
            for exchange in exchanges:
                client.post(URL, content=exchange.asked, headers=HEADERS)
        Cassette(Envelope("live", "2026-11-01T00:00:00Z"), recorder.interactions).save(path)
        return path

    def load(self, kept: Path) -> Cassette:
        cassette = Cassette.load(kept)
        assert cassette.index
        return cassette

    def playing(self, loaded: Cassette) -> AbstractContextManager[Any]:
        return closing(http_client(played(loaded)))


class InterceptingHarness(Harness):
    """This project, for clients that the code under test makes itself."""

    name, keeps_files, patches = "flag-harness, intercepting", False, True

    @contextmanager
    def playing(self, loaded: Cassette) -> Iterator[Any]:
        with intercept_clients(played(loaded), clock=VirtualClock()), closing(_client(self.http)) as client:
            yield client


class ReorderedHarness(Harness):
    """This project, where the recorded requests have their keys in another order than those that are sent."""

    name, keeps_files = "flag-harness, keys reordered", False
    tape = "flag-harness-reordered"

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Path:
        turned = [dict(reversed(json.loads(exchange.asked).items())) for exchange in exchanges]
        pairs = zip(exchanges, map(compact, turned), strict=True)
        return super().record(path, [replace(exchange, asked=asked) for exchange, asked in pairs])


class Vcrpy:
    """vcrpy, with the body compared; it knows httpx, not httpx2."""

    name, distribution, http, scans, keeps_files = "vcrpy", "vcrpy", "httpx", True, True
    tape, patches = "vcrpy", True

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Path:
        from vcr.cassette import Cassette as VcrCassette
        from vcr.request import Request as VcrRequest

        cassette = VcrCassette(str(path))
        headers = {name: [value] for name, value in REPLY_HEADERS.items()}
        for exchange in exchanges:
            body = {"string": exchange.answered}
            answer = {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": body}
            cassette.append(VcrRequest("POST", URL, exchange.asked, dict(HEADERS)), answer)
        cassette._save()
        return path

    def load(self, kept: Path) -> Path:
        from vcr.cassette import Cassette as VcrCassette

        VcrCassette.load(path=str(kept))
        return kept

    @contextmanager
    def playing(self, loaded: Path) -> Iterator[Any]:
        import vcr

        with vcr.use_cassette(str(loaded), record_mode="none", match_on=MATCH_ON), closing(_client("httpx")) as client:
            yield client


class Cassetter:
    """cassetter, with the body compared."""

    name, distribution, http, scans, keeps_files = "cassetter", "cassetter", "httpx2", True, True
    tape, patches = "cassetter", True

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Path:
        import cassetter
        import httpx2

        with (
            cassetter.use_cassette(path, record_mode="all", match_on=MATCH_ON),
            closing(_mocked(httpx2, exchanges[0].answered)) as client,
        ):
            for exchange in exchanges:
                client.post(URL, content=exchange.asked, headers=HEADERS)
        return path

    def load(self, kept: Path) -> Path:
        import cassetter

        try:
            cassetter.Cassette(kept, record_mode=cassetter.RecordMode.NONE).load()
        except cassetter.CassetteLoadError as error:
            raise CannotLoadError(str(error)) from None
        return kept

    @contextmanager
    def playing(self, loaded: Path) -> Iterator[Any]:
        import cassetter

        with (
            cassetter.use_cassette(loaded, record_mode="none", match_on=MATCH_ON),
            closing(_client("httpx2")) as client,
        ):
            yield client


class Respx:
    """respx, a route for each request."""

    name, distribution, http, scans, keeps_files = "respx", "respx", "httpx", True, False
    tape, patches, _using = "respx", True, "httpcore"

    def record(self, path: Path, exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
        return exchanges

    def load(self, kept: Sequence[Exchange]) -> Sequence[Exchange]:
        return kept

    @contextmanager
    def playing(self, loaded: Sequence[Exchange]) -> Iterator[Any]:
        import httpx
        import respx

        with respx.mock(using=self._using, assert_all_called=False) as router, closing(_client(self.http)) as client:
            for exchange in loaded:
                answer = httpx.Response(200, headers=REPLY_HEADERS, content=exchange.answered)
                router.post(URL, content=exchange.asked).mock(return_value=answer)
            yield client


class PytestHttpx2(Respx):
    """pytest-httpx2: respx for httpx2."""

    name, distribution, http, _using = "pytest-httpx2", "pytest-httpx2", "httpx2", "httpcore2"

    @contextmanager
    def playing(self, loaded: Sequence[Exchange]) -> Iterator[Any]:
        importlib.import_module("pytest_httpx2")  # makes `httpcore2` known to respx
        with super().playing(loaded) as client:
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


def installed() -> tuple[Peer, ...]:
    """The peers that can be measured here; what is missing is named on the error stream."""
    found = []
    for peer in PEERS:
        if version(peer.distribution) is None:
            print(f"{peer.name} is not installed: left out (pip install {peer.distribution})", file=sys.stderr)
        else:
            found.append(peer)
    return tuple(found)


def _client(http: str) -> Any:
    return importlib.import_module(http).Client(follow_redirects=True)


def _mocked(http: Any, answered: bytes) -> Any:
    def answer(request: Any) -> Any:
        return http.Response(200, headers=REPLY_HEADERS, content=answered)

    return http.Client(transport=http.MockTransport(answer), follow_redirects=True)
