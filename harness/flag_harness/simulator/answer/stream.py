"""Answers as server-sent events, with the API's order of events, its padding and its pings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from flag_harness.simulator.answer.message import AnswerBlock, AnswerMessage
from flag_harness.simulator.answer.randomness import SeededRandom
from flag_harness.wire import sse

PING_EVENT = sse.encode_event("ping", '{"type": "ping"}')
_MAX_EVENT_PADDING = 15
_EVENT_PADDING = b" " * _MAX_EVENT_PADDING
_TEXT_PIECE_LENGTH_RANGE = (3, 40)
_JSON_PIECE_LENGTH_RANGE = (2, 14)


def stream_events(answer: AnswerMessage, random: SeededRandom) -> Iterator[bytes]:
    """Yield the bytes of each event of a streamed answer."""
    yield _encode_event({"type": "message_start", "message": answer.message_at_start()}, random)
    for index, written in enumerate(answer.blocks):
        start, deltas = _split_into_start_and_deltas(written, random)
        yield _encode_event({"type": "content_block_start", "index": index, "content_block": start}, random)
        if index == 0:
            yield PING_EVENT
        for delta in deltas:
            yield _encode_event({"type": "content_block_delta", "index": index, "delta": delta}, random)
        yield _encode_event({"type": "content_block_stop", "index": index}, random)
    closing = {"type": "message_delta", "delta": answer.stop_reason_delta(), "usage": answer.usage_in_message_delta()}
    yield _encode_event(closing, random)
    yield _encode_event({"type": "message_stop"}, random)


def approximate_event_count(answer: AnswerMessage, random: SeededRandom) -> int:
    """Return about how many events the answer would have if it were streamed.

    This number decides when an answer without a stream arrives.
    """
    blocks = sum(2 + len(_split_into_start_and_deltas(written, random)[1]) for written in answer.blocks)
    return 3 + blocks + bool(answer.blocks)


def _encode_event(data: Mapping[str, Any], random: SeededRandom) -> bytes:
    """Encode an event. Before the last brace there are 0 to 15 spaces, as in every recording."""
    padding = _EVENT_PADDING[: random.integer_below(_MAX_EVENT_PADDING + 1)]
    return b"event: %b\ndata: %b%b}\n\n" % (data["type"].encode(), msgspec.json.encode(data)[:-1], padding)


def _split_into_start_and_deltas(
    answer_block: AnswerBlock, random: SeededRandom
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Split a block for a stream. Return the block that `content_block_start` contains, and the deltas after this
    event.
    """
    block = dict(answer_block.json_block)
    kind = block["type"]
    if kind == "text":
        pieces = _split_text(block["text"], _TEXT_PIECE_LENGTH_RANGE, random)
        cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ()]
        start = {**block, "text": ""} | ({"citations": []} if "citations" in block else {})
        return start, [*cited, *({"type": "text_delta", "text": piece} for piece in pieces)]
    if kind == "compaction":
        return {**block, "content": None}, [{"type": "compaction_delta", "content": block["content"]}]
    if kind == "thinking":
        pieces = _split_text(block["thinking"], _TEXT_PIECE_LENGTH_RANGE, random)
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
    if "input" in block:
        text = answer_block.partial_json
        if text is None:
            text = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
        pieces = ["", *_split_text(text, _JSON_PIECE_LENGTH_RANGE, random)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block, []


def _split_text(text: str, length_range: tuple[int, int], random: SeededRandom) -> list[str]:
    """Split a text into pieces of random lengths. `length_range` is the smallest and the largest length of a piece.

    The first piece has the smallest length, since a first token is short. The same text is split at the same places in
    every request, so that an agent that reads pieces wrongly fails under every combination of flags that streams this
    text.
    """
    random = random.for_text(text)
    least, most = length_range
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = start + least + (random.integer_below(most - least + 1) if pieces else 0)
        pieces.append(text[start:end])
        start = end
    return pieces
