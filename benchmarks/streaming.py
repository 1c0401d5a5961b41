"""Measure a streamed message through the SDK: replayed, and the same chunks from a bare `MockTransport`, in pairs."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
from conversations import stream_chunks
from measuring import MICRO, MILLI

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, replay
from flag_harness.cassette.interaction import make_storable_request
from flag_harness.transports import async_http_client, http_client
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

DELTAS, PAIRS, OF_ONE_CLIENT = 200, 80, 10
"""Text deltas of the message, the number of measured pairs, and the pairs that one pair of clients sends."""
HEADERS = (("content-type", "text/event-stream"), ("request-id", "req_000000000000000000000001"))
ARGUMENTS: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 4096,
    "messages": [{"role": "user", "content": "What did you find?"}],
}
CHUNKS = stream_chunks(DELTAS)


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """Milliseconds per stream, the median ratio of the pairs, and the microseconds per event without replay."""

    client: str
    bare: float
    replayed: float
    ratio: float
    event: float


class Chunks(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The chunks, from memory."""

    def __iter__(self) -> Iterator[bytes]:
        yield from CHUNKS

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in CHUNKS:
            yield chunk


def measure_streams() -> list[StreamTimes]:
    """Measure the sync and the async client."""
    return [_stream_times("Anthropic", _sync_pairs()), _stream_times("AsyncAnthropic", asyncio.run(_async_pairs()))]


def _stream_times(client: str, pairs: list[tuple[float, float]]) -> StreamTimes:
    bare, replayed = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    return StreamTimes(client, bare * MILLI, replayed * MILLI, ratio, bare / len(CHUNKS) * MICRO)


def _sync_pairs() -> list[tuple[float, float]]:
    def read(client: anthropic.Anthropic) -> float:
        start = time.process_time()
        with client.messages.stream(**ARGUMENTS) as stream:
            for _ in stream:
                pass
            assert stream.get_final_message().stop_reason == "end_turn"
        return time.process_time() - start

    pairs = []
    for number in range(-OF_ONE_CLIENT, PAIRS):
        if number % OF_ONE_CLIENT == 0:
            bare = httpx2.Client(transport=httpx2.MockTransport(_answer), follow_redirects=True)
            clients = [anthropic.Anthropic(api_key="x", http_client=one) for one in (bare, http_client(_replay()))]
        pairs.append(_bare_first(number, [read(client) for client in _alternate(number, clients)]))
    return pairs[OF_ONE_CLIENT:]


async def _async_pairs() -> list[tuple[float, float]]:
    async def read(client: anthropic.AsyncAnthropic) -> float:
        start = time.process_time()
        async with client.messages.stream(**ARGUMENTS) as stream:
            async for _ in stream:
                pass
            assert (await stream.get_final_message()).stop_reason == "end_turn"
        return time.process_time() - start

    pairs = []
    for number in range(-OF_ONE_CLIENT, PAIRS):
        if number % OF_ONE_CLIENT == 0:
            bare = httpx2.AsyncClient(transport=httpx2.MockTransport(_answer), follow_redirects=True)
            https = (bare, async_http_client(_replay()))
            clients = [anthropic.AsyncAnthropic(api_key="x", http_client=one) for one in https]
        pairs.append(_bare_first(number, [await read(client) for client in _alternate(number, clients)]))
    return pairs[OF_ONE_CLIENT:]


def _alternate(number: int, clients: list[Any]) -> list[Any]:
    """Return the list, reversed for every other number, so that pairs start with either client."""
    return clients[:: 1 if number % 2 else -1]


def _bare_first(number: int, seconds: list[float]) -> tuple[float, float]:
    bare, replayed = _alternate(number, seconds)
    return bare, replayed


def _answer(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, headers=HEADERS, stream=Chunks())


def _replay() -> Callable[[Request], Response]:
    """Return an upstream that answers the SDK's request as often as one pair of clients sends it."""
    requests: list[Request] = []
    pieces = (Chunk(0.4 + number / 50, chunk) for number, chunk in enumerate(CHUNKS))
    response: Response = (Head(0.4, 200, HEADERS), *pieces, End(5.0))

    def note(request: Request) -> Response:
        requests.append(request)
        return response

    with anthropic.Anthropic(api_key="x", http_client=http_client(note)).messages.stream(**ARGUMENTS):
        interaction = Interaction(make_storable_request(requests[0]), response)
    return replay(Cassette(CassetteMetadata("live", ""), (interaction,) * OF_ONE_CLIENT))
