"""An answer as the server-sent events that the API writes: its grammar, its padding, its pings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from flag_harness.simulator.answer.message import Answer, Written
from flag_harness.simulator.answer.randomness import Draw
from flag_harness.wire import sse

PING = sse.encode("ping", '{"type": "ping"}')
_MOST_PADDING = 15
_SPACES = b" " * _MOST_PADDING
_TEXT_PIECE = (3, 40)
_JSON_PIECE = (2, 14)


def events(answer: Answer, draw: Draw) -> Iterator[bytes]:
    """The events of the whole stream, each as its bytes."""
    yield _event({"type": "message_start", "message": answer.head()}, draw)
    for index, written in enumerate(answer.blocks):
        start, deltas = _opened(written, draw)
        yield _event({"type": "content_block_start", "index": index, "content_block": start}, draw)
        if index == 0:
            yield PING
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta}, draw)
        yield _event({"type": "content_block_stop", "index": index}, draw)
    closing = {"type": "message_delta", "delta": answer.closing_delta(), "usage": answer.closing_usage()}
    yield _event(closing, draw)
    yield _event({"type": "message_stop"}, draw)


def count(answer: Answer, draw: Draw) -> int:
    """How many events a stream of the answer would have, about: what a plain answer waits for."""
    blocks = sum(2 + len(_opened(written, draw)[1]) for written in answer.blocks)
    return 3 + blocks + bool(answer.blocks)


def _event(data: Mapping[str, Any], draw: Draw) -> bytes:
    """One event; before the last brace of its data stand 0 to 15 spaces, as in every recording."""
    padding = _SPACES[: draw.below(_MOST_PADDING + 1)]
    return b"event: %b\ndata: %b%b}\n\n" % (data["type"].encode(), msgspec.json.encode(data)[:-1], padding)


def _opened(written: Written, draw: Draw) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What `content_block_start` carries, and the deltas that follow."""
    block = dict(written.block)
    kind = block["type"]
    if kind == "text":
        pieces = _pieces(block["text"], _TEXT_PIECE, draw)
        cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ()]
        start = {**block, "text": ""} | ({"citations": []} if "citations" in block else {})
        return start, [*cited, *({"type": "text_delta", "text": piece} for piece in pieces)]
    if kind == "compaction":
        return {**block, "content": None}, [{"type": "compaction_delta", "content": block["content"]}]
    if kind == "thinking":
        pieces = _pieces(block["thinking"], _TEXT_PIECE, draw)
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
    if "input" in block:
        text = written.partial_json
        if text is None:
            text = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
        pieces = ["", *_pieces(text, _JSON_PIECE, draw)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block, []


def _pieces(text: str, size: tuple[int, int], draw: Draw) -> list[str]:
    """The text cut into pieces of `size` characters, at least and at most; the first is short, as a first token is."""
    least, most = size
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = start + least + (draw.below(most - least + 1) if pieces else 0)
        pieces.append(text[start:end])
        start = end
    return pieces
