"""The transport for clients of httpx2 and httpx. It plays the answers of an upstream, or passes on those of the live
API.
"""

from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import aclosing, closing
from functools import cache
from types import GeneratorType, ModuleType
from typing import Any, ClassVar

from flag_harness.clock import Clock
from flag_harness.transports.http_library import HttpLibrary, client_read_timeout, convert_request, read_headers
from flag_harness.transports.open_exchange import OpenExchange
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Layer, Piece, Request, Response, Upstream


@cache
def make_transport_class(http: ModuleType) -> type[Any]:
    """Return the transport class for `httpx2` or `httpx`. It serves both sync and async clients.

    `Transport(upstream, *layers, clock)` takes an `Upstream`, or a live transport of the same library.
    """
    bases = (_UpstreamTransport, http.BaseTransport, http.AsyncBaseTransport)
    return type("Transport", bases, {"_library": HttpLibrary(http), "__doc__": _UpstreamTransport.__doc__})


class _UpstreamTransport:
    """Answers requests from an upstream or a live transport, through layers, at the times of a clock.

    If nothing arrives for longer than the client's read timeout, the client gets the timeout error of its library.
    """

    _library: ClassVar[HttpLibrary]

    def __init__(self, upstream: Any, *layers: Layer, clock: Clock) -> None:
        self._upstream: Any = upstream
        self._layers, self._clock = layers, clock

    def handle_request(self, http_request: Any) -> Any:
        """Answer a request of a sync client."""
        request = convert_request(http_request, http_request.read())
        exchange = OpenExchange(request, self._layers, self._clock)
        content = self._play_pieces(exchange, self._pieces_after_layers(exchange, request, http_request), http_request)
        return self._library.make_response(next(content), content, http_request)  # type: ignore[arg-type]

    async def handle_async_request(self, http_request: Any) -> Any:
        """Answer a request of an async client."""
        request = convert_request(http_request, await http_request.aread())
        exchange = OpenExchange(request, self._layers, self._clock)
        content = self._async_play_pieces(
            exchange, self._async_pieces_after_layers(exchange, request, http_request), http_request
        )
        return self._library.make_response(await anext(content), content, http_request)

    def close(self) -> None:
        """Close the live transport, if there is one."""
        if isinstance(self._upstream, self._library.sync_transport):
            self._upstream.close()

    async def aclose(self) -> None:
        """Close the live async transport, if there is one."""
        if isinstance(self._upstream, self._library.async_transport):
            await self._upstream.aclose()

    def _play_pieces(
        self, exchange: OpenExchange, pieces: Iterable[Piece], http_request: Any
    ) -> Iterator[Head | bytes]:
        """Yield the response's head and then its bytes, each at its time on the clock."""
        clock, start, read_timeout = exchange.clock, exchange.start_time, client_read_timeout(http_request)
        limit = read_timeout
        try:
            for piece in pieces:
                at = piece.at
                if at > limit and start + at - clock.now() > read_timeout:
                    clock.sleep(read_timeout)
                    raise self._library.read_timeout_error(read_timeout, http_request)
                limit = at + read_timeout
                if not clock.reach_without_waiting(start + at):
                    clock.sleep(start + at - clock.now())
                if isinstance(piece, Chunk):
                    yield piece.data
                elif isinstance(piece, Head):
                    yield piece
                else:
                    return self._raise_if_broken(piece, exchange, http_request)
        finally:
            if isinstance(pieces, GeneratorType):
                pieces.close()

    async def _async_play_pieces(self, exchange: OpenExchange, source: AsyncGenerator[Piece], http_request: Any) -> Any:
        """Yield the response's head and then its bytes, each at its time, for an async client."""
        clock, start, read_timeout = exchange.clock, exchange.start_time, client_read_timeout(http_request)
        limit = read_timeout
        async with aclosing(source) as pieces:
            async for piece in pieces:
                at = piece.at
                if at > limit and start + at - clock.now() > read_timeout:
                    await clock.async_sleep(read_timeout)
                    raise self._library.read_timeout_error(read_timeout, http_request)
                limit = at + read_timeout
                if isinstance(piece, Head) or not clock.reach_without_waiting(start + at):
                    await clock.async_sleep(start + at - clock.now())
                if isinstance(piece, Chunk):
                    yield piece.data
                elif isinstance(piece, Head):
                    yield piece
                else:
                    self._raise_if_broken(piece, exchange, http_request)
                    return

    def _raise_if_broken(self, last_piece: Cut | End, exchange: OpenExchange, http_request: Any) -> None:
        """Raise an error if the last piece of the response says that the connection broke or that the replay refused to
        go on.
        """
        if isinstance(last_piece, Cut):
            raise exchange.error or self._library.connection_error(last_piece.kind, http_request)
        if last_piece.make_refusal is not None:
            raise last_piece.make_refusal()

    def _pieces_after_layers(self, exchange: OpenExchange, request: Request, http_request: Any) -> Iterable[Piece]:
        """Return the pieces of the answer: those of a layer that answers, or else those of the upstream or the live
        API.
        """
        if exchange.answer is None and isinstance(self._upstream, self._library.sync_transport):
            return exchange.apply_layers(self._live_pieces(exchange, http_request))
        if exchange.edits:
            return exchange.apply_layers(_upstream_pieces(exchange.answer, self._upstream, request))
        answer: Response = self._upstream(request) if exchange.answer is None else exchange.answer
        return answer  # not from a generator: nested generators would cost 2 µs more

    def _async_pieces_after_layers(
        self, exchange: OpenExchange, request: Request, http_request: Any
    ) -> AsyncGenerator[Piece]:
        if exchange.answer is None and isinstance(self._upstream, self._library.async_transport):
            return exchange.async_apply_layers(self._async_live_pieces(exchange, http_request))
        return _yield_without_waiting(self._pieces_after_layers(exchange, request, http_request))

    def _live_pieces(self, exchange: OpenExchange, http_request: Any) -> Generator[Piece]:
        """Send the request over the network, and yield the pieces of its answer with their times."""
        _request_no_compression(http_request)
        try:
            with closing(self._upstream.handle_request(http_request)) as response:
                yield Head(exchange.seconds_since_request(), response.status_code, read_headers(response))
                for data in response.stream:
                    yield Chunk(exchange.seconds_since_request(), data)
        except self._library.transport_error as error:
            exchange.error = error
            yield Cut(exchange.seconds_since_request(), self._library.kind_of_connection_error(error))
        else:
            yield End(exchange.seconds_since_request())

    async def _async_live_pieces(self, exchange: OpenExchange, http_request: Any) -> AsyncGenerator[Piece]:
        _request_no_compression(http_request)
        try:
            async with aclosing(await self._upstream.handle_async_request(http_request)) as response:
                yield Head(exchange.seconds_since_request(), response.status_code, read_headers(response))
                async for data in response.stream:
                    yield Chunk(exchange.seconds_since_request(), data)
        except self._library.transport_error as error:
            exchange.error = error
            yield Cut(exchange.seconds_since_request(), self._library.kind_of_connection_error(error))
        else:
            yield End(exchange.seconds_since_request())


def _request_no_compression(http_request: Any) -> None:
    """Ask the API not to compress the response, so that layers can edit it and people can read the cassette."""
    http_request.headers["accept-encoding"] = "identity"


def _upstream_pieces(answer: Response | None, upstream: Upstream, request: Request) -> Generator[Piece]:
    """Yield the pieces of a layer's answer or, if it is None, of the upstream's answer."""
    yield from upstream(request) if answer is None else answer


async def _yield_without_waiting(pieces: Iterable[Piece]) -> AsyncGenerator[Piece]:
    """Yield pieces that are already available, for an async client."""
    try:
        for piece in pieces:
            yield piece
    finally:
        if isinstance(pieces, GeneratorType):
            pieces.close()
