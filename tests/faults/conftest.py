"""What the tests of faults share: one stream with every kind of block, the same answer unstreamed, and the SDK."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response, Upstream

USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
CITATION = {
    "type": "char_location",
    "cited_text": "Zürich",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 6,
}


def _delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def _block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    changes = [_delta(index, **{"kind": one.pop("type"), **one}) for one in deltas]
    opening = {"type": "content_block_start", "index": index, "content_block": start}
    return [opening, *changes, {"type": "content_block_stop", "index": index}]


def _events() -> Iterable[dict[str, Any]]:
    message = {"model": "claude-haiku-4-5", "id": "msg_01", "type": "message", "role": "assistant", "content": []}
    yield {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": USAGE}}
    thinking, *rest = _block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Where "},
        {"type": "thinking_delta", "thinking": "is it?"},
        {"type": "signature_delta", "signature": "c2ln"},
    )
    yield thinking
    yield {"type": "ping"}
    yield from rest
    yield from _block(
        1,
        {"type": "text", "text": "", "citations": []},
        {"type": "citations_delta", "citation": CITATION},
        {"type": "text_delta", "text": "In Zü"},
        {"type": "text_delta", "text": "rich 🗺"},
        {"type": "text_delta", "text": ", I think."},
    )
    yield from _block(
        2,
        {"type": "tool_use", "id": "toolu_01", "name": "bash", "input": {}},
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": '{"comm'},
        {"type": "input_json_delta", "partial_json": 'and": "ls"}'},
    )
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {**USAGE, "output_tokens": 42},
    }
    yield {"type": "message_stop"}


def _dump(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


EVENTS = tuple(
    encode_event(data["type"], '{"type": "ping"}' if data["type"] == "ping" else _dump(data)) for data in _events()
)
MESSAGE = {
    "model": "claude-haiku-4-5",
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "content": [
        {"type": "text", "text": "In Zürich 🗺, I think."},
        {"type": "tool_use", "id": "toolu_01", "name": "bash", "input": {"command": "ls"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {**USAGE, "output_tokens": 42},
}


@pytest.fixture
def events() -> tuple[bytes, ...]:
    """The events of a stream that has every point of the grammar."""
    return EVENTS


@pytest.fixture
def stream() -> Response:
    """That stream as an answer, one chunk an event, a tenth of a second apart."""
    head = Head(0.0, 200, (("content-type", "text/event-stream; charset=utf-8"), ("content-length", "99")))
    chunks = [Chunk(nth / 10, event) for nth, event in enumerate(EVENTS, start=1)]
    return (head, *chunks, End(len(EVENTS) / 10))


@pytest.fixture
def plain() -> Response:
    """An answer that is no stream."""
    head = Head(0.0, 200, (("content-type", "application/json"), ("request-id", "req_01")))
    return (head, Chunk(0.1, _dump(MESSAGE).encode()), End(0.1))


@pytest.fixture
def upstream(stream: Response, plain: Response) -> Upstream:
    """Answers with the stream where one is asked for."""
    return lambda request: stream if json.loads(request.body).get("stream") else plain


@pytest.fixture
def request_for() -> Callable[..., Request]:
    """Makes the request that an SDK would send."""

    def make(stream: bool = True, headers: tuple[tuple[str, str], ...] = (), **body: Any) -> Request:
        asked = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [], **body, "stream": stream}
        return Request("POST", "https://api.anthropic.com/v1/messages", headers, json.dumps(asked).encode())

    return make
