"""Runs an agent against an upstream that answers from a script, through the real SDK, on a virtual clock."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from flag_harness.clock import VirtualClock
from flag_harness.reference import Agent, Event
from flag_harness.transports import async_http_client
from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response

USAGE = {"input_tokens": 10, "output_tokens": 1}
JSON = (("content-type", "application/json"), ("request-id", "req_1"))
SSE = (("content-type", "text/event-stream; charset=utf-8"), ("request-id", "req_1"))


def text(words: str) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": words}


def call(id: str, name: str = "note", input: Any = None) -> dict[str, Any]:
    """Return a block that calls a tool."""
    return {"type": "tool_use", "id": id, "name": name, "input": {} if input is None else input}


def message(*content: dict[str, Any], stop: str | None = "end_turn", **changes: Any) -> Response:
    """Return a complete answer, half a second after the request."""
    body = {
        "model": "claude-test",
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
        **changes,
    }
    return plain(200, json.dumps(body).encode(), JSON)


def plain(status: int, body: bytes, headers: tuple[tuple[str, str], ...] = JSON) -> Response:
    """Return a response with a body."""
    return (Head(0.5, status, headers), Chunk(0.5, body), End(0.5))


def error(status: int, kind: str, words: str, **headers: str) -> Response:
    """Return an error of the API."""
    body = {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_error"}
    extra = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return plain(status, json.dumps(body).encode(), (*JSON, *extra))


def events(*content: dict[str, Any], stop: str | None = "end_turn") -> list[tuple[str, dict[str, Any]]]:
    """Return the events of a streamed answer; texts, thinking and inputs are split into two deltas."""
    start = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
    }
    listed: list[tuple[str, dict[str, Any]]] = [("message_start", {"message": start})]
    for index, block in enumerate(content):
        begun, deltas = _started(block)
        listed.append(("content_block_start", {"index": index, "content_block": begun}))
        listed += [("content_block_delta", {"index": index, "delta": delta}) for delta in deltas]
        listed.append(("content_block_stop", {"index": index}))
    delta = {"stop_reason": stop, "stop_sequence": None}
    return [*listed, ("message_delta", {"delta": delta, "usage": {"output_tokens": 5}}), ("message_stop", {})]


def _started(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": part} for part in _halves(block["text"])]
        case "thinking":
            thought = [{"type": "thinking_delta", "thinking": part} for part in _halves(block["thinking"])]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*thought, signed]
        case "tool_use":
            written = block["input"] if isinstance(block["input"], str) else json.dumps(block["input"])
            parts = ["", *_halves("" if written == "{}" else written)]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return block, []


def _halves(words: str) -> list[str]:
    return [part for part in (words[: len(words) // 2], words[len(words) // 2 :]) if part]


def played(listed: list[tuple[str, dict[str, Any]]], *, cut: str | None = None) -> Response:
    """Return a stream with an event every tenth of a second; `cut` is how the connection breaks at the end, if so."""
    chunks = [
        Chunk(0.1 * (number + 1), encode_event(name, json.dumps({"type": name, **data})))
        for number, (name, data) in enumerate(listed)
    ]
    end = 0.1 * (len(chunks) + 1)
    return (Head(0.1, 200, SSE), *chunks, Cut(end, cut) if cut else End(end))  # type: ignore[arg-type]


def stream(*content: dict[str, Any], stop: str | None = "end_turn") -> Response:
    """Return a complete stream."""
    return played(events(*content, stop=stop))


@dataclass
class AgentUnderTest:
    """An agent with its clock, the requests that it has sent, and the events that it has yielded."""

    clock: VirtualClock
    requests: list[Request]
    agent: Agent
    events: list[Event] = field(default_factory=list)

    async def send(self, words: str | None) -> list[Event]:
        """Send a text and return the events."""
        start = len(self.events)
        async for event in self.agent.send(words):
            self.events.append(event)
        return self.events[start:]

    def events_of(self, *kinds: type) -> list[Any]:
        """Return the events of some types."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON bodies of the requests."""
        return [json.loads(request.body) for request in self.requests]


@pytest.fixture
def wire() -> SimpleNamespace:
    """Return what an upstream can answer: `wire.message(wire.text("Hello"))`, `wire.stream(...)`, `wire.error(529,
    ...)`."""
    parts = (text, call, message, plain, error, events, played, stream)
    return SimpleNamespace(**{part.__name__: part for part in parts}, json=JSON, sse=SSE)


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Callable[..., AgentUnderTest]]:
    """Return a function that starts an agent with scripted answers: `start([reply, ...], tools=[...])`."""
    from anthropic import AsyncAnthropic

    clients = []

    def start_agent(
        replies: list[Response], *, environ: Mapping[str, str] | None = None, make: Any = Agent, **options: Any
    ) -> AgentUnderTest:
        clock, requests, script = VirtualClock(), [], iter(replies)

        def answer(request: Request) -> Response:
            requests.append(request)
            return next(script, None) or pytest.fail("the agent sent a request that the script has no answer for")

        client = AsyncAnthropic(api_key="offline", http_client=async_http_client(answer, clock=clock))
        clients.append(client)
        return AgentUnderTest(
            clock, requests, make(client, clock=clock, environ={} if environ is None else environ, **options)
        )

    yield start_agent
    for client in clients:
        await client.close()
