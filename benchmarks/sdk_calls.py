"""Make the SDK calls of recorded cases, answered from memory by a bare `MockTransport`: `sdk_calls.py RECORDINGS`.

Print its CPU seconds. It reads cassettes by itself and does not use the harness.
"""

import asyncio
import contextlib
import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2


class Chunks(httpx2.AsyncByteStream):
    """A recorded body, chunk by chunk."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> Any:
        for chunk in self._chunks:
            yield chunk


def response(recorded: dict[str, Any]) -> httpx2.Response:
    """Return the recorded answer."""
    body = [json.dumps(recorded["json"], separators=(",", ":")).encode()] if "json" in recorded else _chunks(recorded)
    return httpx2.Response(recorded["head"][1], headers=recorded["headers"], stream=Chunks(body))


def _chunks(recorded: dict[str, Any]) -> list[bytes]:
    return [chunk.encode() for _, chunk in recorded["chunks"]]


async def replay(interactions: list[dict[str, Any]]) -> None:
    """Make the calls of one case, in order, with one client."""
    answers: Iterator[dict[str, Any]] = iter(interactions)

    def answer(request: httpx2.Request) -> httpx2.Response:
        return response(next(answers)["response"])

    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with anthropic.AsyncAnthropic(api_key="x", http_client=transport, max_retries=0) as client:
        for interaction in interactions:
            request = interaction["request"]
            betas = [value for name, value in request["headers"] if name == "anthropic-beta"]
            with contextlib.suppress(anthropic.APIError, httpx2.TransportError):
                await call(client, dict(request["json"]), ",".join(betas))


async def call(client: anthropic.AsyncAnthropic, body: dict[str, Any], betas: str) -> None:
    """Make one call like the agent does."""
    messages: Any = client.beta.messages if betas else client.messages
    options = {"extra_headers": {"anthropic-beta": betas}} if betas else {}
    if body.pop("stream", False):
        async with messages.stream(**body, **options) as stream:
            async for _ in stream:
                pass
    else:
        await messages.create(**body, **options)


async def main(recordings: list[Path]) -> None:
    """Make the calls of all cassettes."""
    for path in recordings:
        await replay(json.loads(path.read_text("utf-8"))["interactions"])


if __name__ == "__main__":
    asyncio.run(main(sorted(Path(sys.argv[1]).rglob("*.json"))))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, 0.0, True, file=sys.stderr)
