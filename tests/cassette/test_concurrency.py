"""Many at once on one cassette: every reply goes to its request."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, replay
from flag_harness.transports import async_http_client, http_client
from flag_harness.wire.timeline import Chunk, End, Head, Request

TASKS = 50
THREADS = 16
URL = "https://api.anthropic.com/v1/messages"


def _id(number: int) -> str:
    return f"toolu_01{number:022d}"


def _recorded(body: Any, answer: Any) -> Interaction:
    data = json.dumps(body, separators=(",", ":")).encode()
    chunk = json.dumps(answer, separators=(",", ":")).encode()
    response = (Head(0.0, 200, (("content-type", "application/json"),)), Chunk(0.0, chunk), End(0.0))
    return Interaction(Request("POST", "/v1/messages", (), data), response)


def _cassette(agents: int) -> Cassette:
    """Sub-agents in conversations of two turns: all ask the same, and each finds something else."""
    first = [_recorded({"ask": "list"}, {"id": _id(number)}) for number in range(agents)]
    second = [_recorded({"call": _id(number), "result": number}, {"done": number}) for number in range(agents)]
    return Cassette(CassetteMetadata("live", "2026-01-02T03:04:05Z"), (*first, *second))


@pytest.mark.asyncio
async def test_fifty_tasks_get_their_own_replies(deep: bool) -> None:
    """Many times, each over one client, whichever first answer each got."""
    cassette = _cassette(TASKS)

    async def converse(client: httpx2.AsyncClient, number: int) -> int:
        for _ in range(number % 3):
            await asyncio.sleep(0)
        given = (await client.post(URL, json={"ask": "list"})).json()["id"]
        done: int = (await client.post(URL, json={"call": given, "result": number})).json()["done"]
        return done

    for _ in range(100 if deep else 25):
        upstream = replay(cassette)
        async with async_http_client(upstream) as client:
            replies = await asyncio.gather(*(converse(client, number) for number in range(TASKS)))
        assert list(range(TASKS)) == replies
        assert () == upstream.indices_not_played


def test_sixteen_threads_get_their_own_replies(deep: bool) -> None:
    """Many times, each over one client."""
    cassette = _cassette(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(100 if deep else 25):
            upstream = replay(cassette)
            with http_client(upstream) as client:

                def converse(number: int, client: httpx2.Client = client) -> int:
                    given = client.post(URL, json={"ask": "list"}).json()["id"]
                    done: int = client.post(URL, json={"call": given, "result": number}).json()["done"]
                    return done

                assert list(range(THREADS)) == list(pool.map(converse, range(THREADS)))
            assert () == upstream.indices_not_played
