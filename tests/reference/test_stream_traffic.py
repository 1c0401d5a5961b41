"""Recorded streams through the real SDK: what the agent puts together is what the raw events say."""

import asyncio
import gzip
import json
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flag_harness.reference.request.failure import BrokenAnswerError
from flag_harness.reference.request.stream import AnswerAssembler, ModelAnswer
from flag_harness.transports import async_http_client
from flag_harness.wire.sse import decode_events
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

TRAFFIC = Path(__file__).parents[2].parent / "shared" / "traffic" / "interactions.jsonl.gz"
TEXT_KEYS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


def recorded_streams() -> list[tuple[str, bytes]]:
    """The bodies of all recorded streams that end as streams do, with where they are from."""
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    bodies = [(f"{row['path']}#{row['i']}", row["response"]["body"] or "") for row in rows]
    return [(name, body.encode()) for name, body in bodies if "event: message_stop" in body]


async def assembled(body: bytes, cuts: Iterable[int] = ()) -> ModelAnswer:
    """The stream as the agent gets it: through a client of the SDK, cut at these places, else every 1000 bytes."""
    from anthropic import AsyncAnthropic

    def answer(request: Request) -> Response:
        head = Head(0.0, 200, (("content-type", "text/event-stream"),))
        places = [0, *sorted(cuts or range(1000, len(body), 1000)), len(body)]
        chunks = [Chunk(0.0, body[start:end]) for start, end in pairwise(places)]
        return (head, *chunks, End(0.0))

    assembler = AnswerAssembler()
    async with AsyncAnthropic(api_key="offline", http_client=async_http_client(answer), max_retries=0) as client:
        asked = [{"role": "user", "content": "Hi"}]
        stream = await client.messages.create(model="m", max_tokens=1, messages=asked, stream=True)  # type: ignore
        async for event in stream:
            assembler.add_event(event, 0.0)
    return assembler.finish_answer()


def expected(body: bytes) -> tuple[list[dict[str, Any]], str, int]:
    """Blocks, stop reason and output tokens by the raw events alone."""
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    stop, tokens = "", 0
    for event in (json.loads(one.data) for one in decode_events([body])):
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            _add(blocks[event["index"]], event["delta"], inputs, event["index"])
        elif event["type"] == "message_delta":
            stop, tokens = event["delta"]["stop_reason"], event["usage"]["output_tokens"]
    for index, written in inputs.items():
        blocks[index]["input"] = json.loads(written or "{}")
    return blocks, stop, tokens


def _add(block: dict[str, Any], delta: dict[str, Any], inputs: dict[int, str], index: int) -> None:
    if key := TEXT_KEYS.get(delta["type"]):
        block[key] = block.get(key, "") + delta[key]
    elif delta["type"] == "input_json_delta":
        inputs[index] = inputs.get(index, "") + delta["partial_json"]
    elif delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta["citation"]]
    else:
        block["content"] = delta["content"]


def test_every_recorded_stream_is_put_together_as_it_came() -> None:
    """Blocks, inputs, signatures, citations, stop reason and tokens, in every recording."""
    if not TRAFFIC.exists():
        pytest.skip(f"no recorded traffic at {TRAFFIC.name}: it stands beside the checkout, not in it")

    async def compare() -> tuple[int, list[str]]:
        streams, different = recorded_streams(), []
        for name, body in streams:
            try:
                answer = await assembled(body)
            except BrokenAnswerError as error:
                different.append(f"{name}: {error}")
                continue
            if expected(body) != (list(answer.content), answer.stop_reason, answer.usage.output_tokens):
                different.append(name)
        return len(streams), different

    count, different = asyncio.run(compare())
    assert [] == different
    assert 300 < count


@cache
def short_streams() -> tuple[bytes, ...]:
    """Recorded streams of up to 8,000 bytes: of every tenth, so that they are of many kinds."""
    return tuple(sorted({body for _, body in recorded_streams() if len(body) <= 8000}))[::10]


@settings(deadline=None, max_examples=30)
@given(st.integers(0), st.sets(st.integers(0), min_size=1, max_size=40))
def test_however_a_recorded_stream_is_cut_it_says_the_same(number: int, places: set[int]) -> None:
    """Inside characters, lines, events, anywhere."""
    if not TRAFFIC.exists():
        pytest.skip(f"no recorded traffic at {TRAFFIC.name}: it stands beside the checkout, not in it")
    body = short_streams()[number % len(short_streams())]
    answer = asyncio.run(assembled(body, {place % len(body) for place in places}))
    assert expected(body) == (list(answer.content), answer.stop_reason, answer.usage.output_tokens)
