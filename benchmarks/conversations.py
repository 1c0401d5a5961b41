"""Requests and answers of a given size, as an agent's conversation makes them."""

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
"""Characters of one message; with a body of 6 KB that makes a conversation of twelve messages."""
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
    """The compact JSON of one request, about `size` bytes, distinct by `number`."""
    body: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 4096, "system": f"You are agent {number}."}
    body["messages"] = list(_messages(size - len(compact(body))))
    return compact(body)


def reply(number: int = 0) -> bytes:
    """The compact JSON of a short message."""
    return compact(
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
    """A streamed message of that many text deltas, one event a chunk."""
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
    return [f"event: {event['type']}\ndata: ".encode() + compact(event) + b"\n\n" for event in events]


def compact(value: Any) -> bytes:
    """JSON as the SDK writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def copied(data: bytes) -> bytes:
    """The same bytes in another object: Python remembers the hash of one that was hashed before."""
    return bytes(bytearray(data))


def _messages(size: int) -> Iterator[dict[str, Any]]:
    left, turn = size, 0
    while left > 0:
        length = min(TURN_CHARACTERS, left)
        message = {"role": ("user", "assistant")[turn % 2], "content": [{"type": "text", "text": _text(turn, length)}]}
        left -= len(compact(message)) + 1
        turn += 1
        yield message


def _text(number: int, length: int) -> str:
    """Words, another beginning for each number."""
    words = (*_WORDS[number % len(_WORDS) :], *_WORDS) * (length // len(" ".join(_WORDS)) + 1)
    return " ".join(words)[:length]
