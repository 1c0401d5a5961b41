"""The one transport: plays an upstream's answers, or tees a live one, for httpx2 and httpx, sync and async."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing, closing
from functools import cache
from types import ModuleType
from typing import Any

from harness.clock import Clock
from harness.wire.layers import edited, opened
from harness.wire.timeline import Chunk, Cut, Edit, End, Head, Layer, Piece, Request, Response, Upstream


class Exchange:
    """One request on its way: its answer where a layer has one, and what the layers make of each piece."""

    __slots__ = ("_edits", "_ended", "answer", "clock", "error", "start")

    def __init__(self, request: Request, layers: tuple[Layer, ...], clock: Clock) -> None:
        self.clock, self.start = clock, clock.now()
        self.answer: Response | None
        self._edits: tuple[Edit, ...]
        self.answer, self._edits = opened(request, layers) if layers else (None, ())
        self.error: Exception | None = None
        self._ended = False

    def edited(self, piece: Piece) -> Iterable[Piece]:
        """The pieces that leave in place of this one."""
        self._ended = isinstance(piece, (Cut, End))
        return edited(piece, self._edits) if self._edits else (piece,)

    def elapsed(self) -> float:
        """Seconds since the request was sent."""
        return self.clock.now() - self.start

    def close(self) -> None:
        """Tell the layers, where the response is not complete, that the client has stopped reading."""
        if not self._ended:
            for _ in self.edited(End(self.elapsed(), abandoned=True)):
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

        def __init__(self, pieces: Any) -> None:
            self._pieces = pieces

        def __iter__(self) -> Iterator[bytes]:
            return (piece.data for piece in self._pieces if isinstance(piece, Chunk))

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in self._pieces:
                if isinstance(piece, Chunk):
                    yield piece.data

        def close(self) -> None:
            self._pieces.close()

        async def aclose(self) -> None:
            await self._pieces.aclose()

    class Transport(http.BaseTransport, http.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        """Plays an upstream, or tees a live transport, through layers, on a clock."""

        def __init__(self, upstream: Any, *layers: Layer, clock: Clock) -> None:
            self._upstream: Any = upstream
            self._layers, self._clock = layers, clock

        def handle_request(self, request: Any) -> Any:
            asked = _request(request, request.read())
            exchange = Exchange(asked, self._layers, self._clock)
            pieces = self._pieces(exchange, self._source(exchange, asked, request), request)
            return self._response(next(pieces), pieces, request)

        async def handle_async_request(self, request: Any) -> Any:
            asked = _request(request, await request.aread())
            exchange = Exchange(asked, self._layers, self._clock)
            pieces = self._async_pieces(exchange, self._async_source(exchange, asked, request), request)
            return self._response(await anext(pieces), pieces, request)

        def close(self) -> None:
            if isinstance(self._upstream, http.BaseTransport):
                self._upstream.close()

        async def aclose(self) -> None:
            if isinstance(self._upstream, http.AsyncBaseTransport):
                await self._upstream.aclose()

        @staticmethod
        def _response(head: Any, pieces: Any, request: Any) -> Any:
            return http.Response(head.status, headers=head.headers, stream=Body(pieces), request=request)

        def _pieces(self, exchange: Exchange, source: Any, request: Any) -> Iterator[Piece]:
            clock, start = exchange.clock, exchange.start
            try:
                for piece in source:
                    for out in exchange.edited(piece):
                        if not clock.reached(start + out.at):
                            clock.sleep(start + out.at - clock.now())
                        self._check(out, exchange, request)
                        yield out
                        if isinstance(out, End):
                            return
            finally:
                exchange.close()
                source.close()

        async def _async_pieces(self, exchange: Exchange, source: Any, request: Any) -> Any:
            clock, start = exchange.clock, exchange.start
            try:
                async for piece in source:
                    for out in exchange.edited(piece):
                        if isinstance(out, Head) or not clock.reached(start + out.at):
                            await clock.asleep(start + out.at - clock.now())
                        self._check(out, exchange, request)
                        yield out
                        if isinstance(out, End):
                            return
            finally:
                exchange.close()
                await source.aclose()

        @staticmethod
        def _check(piece: Piece, exchange: Exchange, request: Any) -> None:
            if isinstance(piece, Cut):
                raise exchange.error or errors[piece.how](f"the connection was cut: {piece.how}", request=request)
            if isinstance(piece, End) and piece.refuse is not None:
                raise piece.refuse()

        def _source(self, exchange: Exchange, asked: Request, request: Any) -> Iterator[Piece]:
            if exchange.answer is None and isinstance(self._upstream, http.BaseTransport):
                return self._live(exchange, request)
            return _each(exchange.answer, self._upstream, asked)

        def _async_source(self, exchange: Exchange, asked: Request, request: Any) -> AsyncIterator[Piece]:
            if exchange.answer is None and isinstance(self._upstream, http.AsyncBaseTransport):
                return self._async_live(exchange, request)
            return _async_each(exchange.answer, self._upstream, asked)

        def _live(self, exchange: Exchange, request: Any) -> Iterator[Piece]:
            _ask_for_plain_bytes(request)
            try:
                with closing(self._upstream.handle_request(request)) as response:
                    yield Head(exchange.elapsed(), response.status_code, tuple(response.headers.multi_items()))
                    for data in response.stream:
                        yield Chunk(exchange.elapsed(), data)
            except http.TransportError as error:
                exchange.error = error
                yield Cut(exchange.elapsed(), how_cut(error))
            else:
                yield End(exchange.elapsed())

        async def _async_live(self, exchange: Exchange, request: Any) -> AsyncIterator[Piece]:
            _ask_for_plain_bytes(request)
            try:
                async with aclosing(await self._upstream.handle_async_request(request)) as response:
                    yield Head(exchange.elapsed(), response.status_code, tuple(response.headers.multi_items()))
                    async for data in response.stream:
                        yield Chunk(exchange.elapsed(), data)
            except http.TransportError as error:
                exchange.error = error
                yield Cut(exchange.elapsed(), how_cut(error))
            else:
                yield End(exchange.elapsed())

    return Transport


def _request(request: Any, body: bytes) -> Request:
    return Request(request.method, str(request.url), tuple(request.headers.multi_items()), body)


def _ask_for_plain_bytes(request: Any) -> None:
    """Layers read and edit what the API wrote, and a cassette should be readable: ask for no compression."""
    request.headers["accept-encoding"] = "identity"


def _each(answer: Response | None, upstream: Upstream, asked: Request) -> Iterator[Piece]:
    yield from upstream(asked) if answer is None else answer


async def _async_each(answer: Response | None, upstream: Upstream, asked: Request) -> AsyncIterator[Piece]:
    for piece in upstream(asked) if answer is None else answer:
        yield piece
