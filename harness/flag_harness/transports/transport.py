"""The one transport: plays an upstream's answers, or tees a live one, for httpx2 and httpx, sync and async."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from contextlib import aclosing, closing
from functools import cache
from types import GeneratorType, ModuleType
from typing import Any

from flag_harness.clock import Clock
from flag_harness.wire.layers import apply_edits, ask_layers
from flag_harness.wire.timeline import Chunk, Cut, Edit, End, Head, Headers, Layer, Piece, Request, Response, Upstream

_LATIN = "latin-1"
"""How bytes of headers become text and the same bytes again, whatever they are."""


class OpenExchange:
    """One request on its way: its answer where a layer has one, and what the layers make of each piece."""

    __slots__ = ("answer", "clock", "edits", "error", "start")

    def __init__(self, request: Request, layers: tuple[Layer, ...], clock: Clock) -> None:
        self.clock, self.start = clock, clock.now()
        self.answer: Response | None
        self.edits: tuple[Edit, ...]
        self.answer, self.edits = ask_layers(request, layers) if layers else (None, ())
        self.error: Exception | None = None

    def edited(self, source: Generator[Piece]) -> Generator[Piece]:
        """The pieces that leave in place of those that come; to close it closes what they come from."""
        return self._edited(source) if self.edits else source

    def async_edited(self, source: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
        """The async twin of `apply_edits`."""
        return self._async_edited(source) if self.edits else source

    def elapsed(self) -> float:
        """Seconds since the request was sent."""
        return self.clock.now() - self.start

    def _edited(self, source: Generator[Piece]) -> Generator[Piece]:
        piece: Piece | None = None
        try:
            for piece in source:
                yield from apply_edits(piece, self.edits)
        finally:
            self._close(piece)
            source.close()

    async def _async_edited(self, source: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
        piece: Piece | None = None
        try:
            async for piece in source:
                for out in apply_edits(piece, self.edits):
                    yield out
        finally:
            self._close(piece)
            await source.aclose()

    def _close(self, last: Piece | None) -> None:
        """Tell the layers, where the response is not complete, that the client has stopped reading."""
        if not isinstance(last, (Cut, End)):
            for _ in apply_edits(End(self.elapsed(), abandoned=True), self.edits):
                pass


@cache
def transport_class(http: ModuleType) -> type[Any]:
    """The transport's class for one HTTP library (`httpx2` or `httpx`), both its sync and its async kind.

    `Transport(upstream, *layers, clock)` takes an `Upstream`, or a live transport of the same library to tee.
    """
    errors = {
        "reset": http.ReadError,
        "eof": http.RemoteProtocolError,
        "read_timeout": http.ReadTimeout,
        "refused": http.ConnectError,
    }

    def how_cut(error: Exception) -> Any:
        if isinstance(error, http.ConnectTimeout):
            return "refused"
        return next((how for how, kind in errors.items() if isinstance(error, kind)), "reset")

    class Body(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]
        """What is left of a response, as bytes."""

        def __init__(self, played: Any) -> None:
            self._played = played

        def __iter__(self) -> Iterator[bytes]:
            return iter(self._played)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return aiter(self._played)

        def close(self) -> None:
            self._played.close()

        async def aclose(self) -> None:
            await self._played.aclose()

    class Transport(http.BaseTransport, http.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        """Plays an upstream, or tees a live transport, through layers, on a clock.

        Where nothing comes for longer than the client's read timeout, that strikes, on the same clock.
        """

        def __init__(self, upstream: Any, *layers: Layer, clock: Clock) -> None:
            self._upstream: Any = upstream
            self._layers, self._clock = layers, clock

        def handle_request(self, request: Any) -> Any:
            asked = _request(request, request.read())
            exchange = OpenExchange(asked, self._layers, self._clock)
            played = self._played(exchange, self._pieces(exchange, asked, request), request)
            return self._response(next(played), played, request)

        async def handle_async_request(self, request: Any) -> Any:
            asked = _request(request, await request.aread())
            exchange = OpenExchange(asked, self._layers, self._clock)
            played = self._async_played(exchange, self._async_source(exchange, asked, request), request)
            return self._response(await anext(played), played, request)

        def close(self) -> None:
            if isinstance(self._upstream, http.BaseTransport):
                self._upstream.close()

        async def aclose(self) -> None:
            if isinstance(self._upstream, http.AsyncBaseTransport):
                await self._upstream.aclose()

        @staticmethod
        def _response(head: Any, played: Any, request: Any) -> Any:
            headers = [(name.encode(_LATIN), value.encode(_LATIN)) for name, value in head.headers]
            return http.Response(head.status, headers=headers, stream=Body(played), request=request)

        def _played(self, exchange: OpenExchange, pieces: Iterable[Piece], request: Any) -> Iterator[Head | bytes]:
            """The head, then the bytes, each at its time."""
            clock, start, patience = exchange.clock, exchange.start, _patience(request)
            limit = patience
            try:
                for piece in pieces:
                    at = piece.at
                    if at > limit and start + at - clock.now() > patience:
                        clock.sleep(patience)
                        raise self._timed_out(patience, request)
                    limit = at + patience
                    if not clock.has_reached(start + at):
                        clock.sleep(start + at - clock.now())
                    if isinstance(piece, Chunk):
                        yield piece.data
                    elif isinstance(piece, Head):
                        yield piece
                    else:
                        return self._stop(piece, exchange, request)
            finally:
                if isinstance(pieces, GeneratorType):
                    pieces.close()

        async def _async_played(self, exchange: OpenExchange, source: AsyncGenerator[Piece], request: Any) -> Any:
            clock, start, patience = exchange.clock, exchange.start, _patience(request)
            limit = patience
            async with aclosing(exchange.async_edited(source)) as pieces:
                async for piece in pieces:
                    at = piece.at
                    if at > limit and start + at - clock.now() > patience:
                        await clock.async_sleep(patience)
                        raise self._timed_out(patience, request)
                    limit = at + patience
                    if isinstance(piece, Head) or not clock.has_reached(start + at):
                        await clock.async_sleep(start + at - clock.now())
                    if isinstance(piece, Chunk):
                        yield piece.data
                    elif isinstance(piece, Head):
                        yield piece
                    else:
                        self._stop(piece, exchange, request)
                        return

        @staticmethod
        def _timed_out(patience: float, request: Any) -> Exception:
            error: Exception = http.ReadTimeout(f"nothing came for {patience:g} s", request=request)
            return error

        @staticmethod
        def _stop(last: Cut | End, exchange: OpenExchange, request: Any) -> None:
            if isinstance(last, Cut):
                raise exchange.error or errors[last.how](f"the connection was cut: {last.how}", request=request)
            if last.make_refusal is not None:
                raise last.make_refusal()

        def _pieces(self, exchange: OpenExchange, asked: Request, request: Any) -> Iterable[Piece]:
            if exchange.answer is None and isinstance(self._upstream, http.BaseTransport):
                return exchange.edited(self._live(exchange, request))
            if exchange.edits:
                return exchange.edited(_each(exchange.answer, self._upstream, asked))
            answer: Response = self._upstream(asked) if exchange.answer is None else exchange.answer
            return answer  # as it is: to play it out of generators inside of generators would take 2 µs more

        def _async_source(self, exchange: OpenExchange, asked: Request, request: Any) -> AsyncGenerator[Piece]:
            if exchange.answer is None and isinstance(self._upstream, http.AsyncBaseTransport):
                return self._async_live(exchange, request)
            return _async_each(exchange.answer, self._upstream, asked)

        def _live(self, exchange: OpenExchange, request: Any) -> Generator[Piece]:
            _ask_for_plain_bytes(request)
            try:
                with closing(self._upstream.handle_request(request)) as response:
                    yield Head(exchange.elapsed(), response.status_code, _headers(response))
                    for data in response.stream:
                        yield Chunk(exchange.elapsed(), data)
            except http.TransportError as error:
                exchange.error = error
                yield Cut(exchange.elapsed(), how_cut(error))
            else:
                yield End(exchange.elapsed())

        async def _async_live(self, exchange: OpenExchange, request: Any) -> AsyncGenerator[Piece]:
            _ask_for_plain_bytes(request)
            try:
                async with aclosing(await self._upstream.handle_async_request(request)) as response:
                    yield Head(exchange.elapsed(), response.status_code, _headers(response))
                    async for data in response.stream:
                        yield Chunk(exchange.elapsed(), data)
            except http.TransportError as error:
                exchange.error = error
                yield Cut(exchange.elapsed(), how_cut(error))
            else:
                yield End(exchange.elapsed())

    return Transport


def _request(request: Any, body: bytes) -> Request:
    return Request(request.method, str(request.url), _headers(request), body)


def _headers(message: Any) -> Headers:
    """The headers as they are sent, names in lower case. The library's own way to read them takes twice as long."""
    return tuple([(name.decode(_LATIN).lower(), value.decode(_LATIN)) for name, value in message.headers.raw])


def _patience(request: Any) -> float:
    """Seconds for which the client waits for the next bytes: its read timeout; for ever where it has none."""
    found = request.extensions.get("timeout", {}).get("read")
    return math.inf if found is None else float(found)


def _ask_for_plain_bytes(request: Any) -> None:
    """Layers read and edit what the API wrote, and a cassette should be readable: ask for no compression."""
    request.headers["accept-encoding"] = "identity"


def _each(answer: Response | None, upstream: Upstream, asked: Request) -> Generator[Piece]:
    yield from upstream(asked) if answer is None else answer


async def _async_each(answer: Response | None, upstream: Upstream, asked: Request) -> AsyncGenerator[Piece]:
    for piece in upstream(asked) if answer is None else answer:
        yield piece
