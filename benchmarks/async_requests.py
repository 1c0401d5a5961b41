"""What a request of an async client costs: replayed, and from a bare `MockTransport`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
from conversations import HEADERS, URL, copy_bytes
from measuring import MICRO, Subject, measure_interleaved
from peers import REPLY_HEADERS

from flag_harness.cassette import Cassette, replay
from flag_harness.transports import async_http_client

ROUNDS = 15


def measure_async(cassette: Cassette, bodies: Sequence[bytes], answer: bytes, players: int) -> tuple[float, float]:
    """Return microseconds per request of a bare client, and what a replaying one takes more."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=REPLY_HEADERS, content=answer)

    def bare() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(respond), follow_redirects=True)

    seconds = measure_interleaved(
        {
            "bare": _subject(bare, bodies, players),
            "replayed": _subject(lambda: async_http_client(replay(cassette)), bodies, players),
        },
        ROUNDS,
    )
    return seconds["bare"] * MICRO, (seconds["replayed"] - seconds["bare"]) * MICRO


def _subject(make_client: Callable[[], Any], bodies: Sequence[bytes], players: int) -> Subject:
    async def send_all() -> float:
        sent = [copy_bytes(body) for body in bodies] * players
        clients = [make_client() for _ in range(players)]
        posts = [client.post for client in clients for _ in bodies]
        start = time.process_time()
        for post, body in zip(posts, sent, strict=True):
            await post(URL, content=body, headers=HEADERS)
        used = time.process_time() - start
        for client in clients:
            await client.aclose()
        return used / len(sent)

    return lambda: asyncio.run(send_all())
