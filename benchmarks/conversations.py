"""Requests and answers of a given size, like those of an agent's conversation."""

import json
from collections.abc import Iterator
from typing import Any

URL = "https://api.anthropic.com/v1/messages"
HEADERS = {
    "content-type": "application/json",
    "anthropic-version": "2026-10-21",
    "authorization": "Bearer not-a-key",
    "x-stainless-lang": "python",
}
TURN_CHARACTERS = 430
"""Characters of one message; a body of 6 KB holds twelve such messages."""
_WORDS = [
    "the",
    "agent",
    "reads",
    "a",
    "file",
    "runs",
    "its",
    "tests",
    "and",
    "says",
    "what",
    "it",
    "found",
    "in",
    "them",
]


def request_body(number: int, size: int) -> bytes:
    """Return the compact JSON of a request of about `size` bytes, distinct for each `number`."""
    body: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 4096, "system": f"You are agent {number}."}
    body["messages"] = list(_messages(size - len(compact_json(body))))
    return compact_json(body)


def reply(number: int = 0) -> bytes:
    """Return the compact JSON of a short message."""
    return compact_json(
        {
            "id": f"msg_{number:024d}",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5-5",
            "content": [{"type": "text", "text": _text(number, TURN_CHARACTERS)}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1500, "output_tokens": 90},
        }
    )


def stream_chunks(deltas: int) -> list[bytes]:
    """Return a streamed message with that many text deltas, one event per chunk."""
    message = json.loads(reply()) | {"content": [], "stop_reason": None}
    words = [{"type": "text_delta", "text": f"{_WORDS[number % len(_WORDS)]} "} for number in range(deltas)]
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": word} for word in words),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": deltas}},
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: ".encode() + compact_json(event) + b"\n\n" for event in events]


def compact_json(value: Any) -> bytes:
    """Return JSON in the SDK's compact form."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def copy_bytes(data: bytes) -> bytes:
    """Return a copy of the bytes, since Python caches the hash of a bytes object."""
    return bytes(bytearray(data))


def _messages(size: int) -> Iterator[dict[str, Any]]:
    left, turn = size, 0
    while left > 0:
        length = min(TURN_CHARACTERS, left)
        message = {"role": ("user", "assistant")[turn % 2], "content": [{"type": "text", "text": _text(turn, length)}]}
        left -= len(compact_json(message)) + 1
        turn += 1
        yield message


def _text(number: int, length: int) -> str:
    """Return words that start differently for each number."""
    words = (*_WORDS[number % len(_WORDS) :], *_WORDS) * (length // len(" ".join(_WORDS)) + 1)
    return " ".join(words)[:length]
