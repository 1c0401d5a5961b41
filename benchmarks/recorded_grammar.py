"""The recorded grammar of streams, judged by regular expressions over their whole bytes.

It shares no code with what encodes streams in this project, and is itself held against the recorded ones: see
`fidelity.py`. What recordings show and simulated streams do not need to (several pings, other places) is legal here.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

EVENT = re.compile(rb"event: ([a-z_]+)\ndata: ([^\n\r]*)\n\n")
PADDED = re.compile(rb"\{.*[^ ]( {0,15})\}")
STREAM = re.compile(
    r"message_start (ping )*(content_block_start (ping )*((content_block_delta )(ping )*)*content_block_stop (ping )*)*"
    r"message_delta (ping )*message_stop (ping )*"
)
DELTAS = {
    "text": r"(citations_delta )*(text_delta )*",
    "thinking": r"(thinking_delta )*signature_delta ",
    "tool_use": r"(input_json_delta )+",
    "server_tool_use": r"(input_json_delta )+",
    "mcp_tool_use": r"(input_json_delta )+",
    "compaction": r"compaction_delta ",
}
"""The deltas of a block, by its type; every other block carries its content in its start and has none."""
KEYS = {
    "message_start": {"type", "message"},
    "content_block_start": {"type", "index", "content_block"},
    "content_block_delta": {"type", "index", "delta"},
    "content_block_stop": {"type", "index"},
    "message_delta": {"type", "delta", "usage"},
    "message_stop": {"type"},
}
_EMPTY = {"text": "text", "thinking": "thinking"}


class WrongStreamError(ValueError):
    """Bytes that are no stream of the recorded grammar."""


def message(stream: bytes, *, padded: bool = True) -> dict[str, Any]:
    """The message that a stream tells. Raises `WrongStreamError` where it breaks the grammar.

    `padded` asks for the spaces and the compact JSON that only untouched recordings have.
    """
    found = EVENT.findall(stream)
    if b"".join(b"event: %b\ndata: %b\n\n" % pair for pair in found) != stream:
        raise WrongStreamError("there are bytes outside of events")
    told = [_event(name.decode(), data, padded=padded) for name, data in found]
    order = "".join(f"{event['type']} " for event in told)
    if not STREAM.fullmatch(order):
        raise WrongStreamError(f"the order of events is wrong: {order}")
    blocks = [event for event in told if event["type"].startswith("content_block")]
    start = next(event for event in told if event["type"] == "message_start")
    closing = next(event for event in told if event["type"] == "message_delta")
    if start["message"]["content"] != [] or start["message"]["stop_reason"] is not None:
        raise WrongStreamError("message_start carries an answer")
    if closing["usage"]["output_tokens"] < start["message"]["usage"]["output_tokens"]:
        raise WrongStreamError("output_tokens went down")
    usage = {**start["message"]["usage"], **closing["usage"]}
    return {**start["message"], "content": _content(blocks), **closing["delta"], "usage": usage}


def _event(name: str, data: bytes, *, padded: bool) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data)
    if value.get("type") != name:
        raise WrongStreamError(f"event {name} carries {value.get('type')}")
    if name == "ping":
        if padded and data != b'{"type": "ping"}':
            raise WrongStreamError(f"a ping of its own: {data!r}")
        return value
    if set(value) - {"context_management"} != KEYS[name]:
        raise WrongStreamError(f"{name} has the keys {sorted(value)}")
    if padded and not PADDED.fullmatch(data):
        raise WrongStreamError(f"the padding is wrong: {data[-40:]!r}")
    if padded and not _is_compact(data):
        raise WrongStreamError(f"the JSON is not compact: {data[:80]!r}")
    return value


def _is_compact(data: bytes) -> bool:
    """Whether no space stands outside of strings but the padding."""
    outside = re.sub(rb'"(?:[^"\\]|\\.)*"', b'""', data[:-1].rstrip(b" "))
    return b" " not in outside


def _content(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    deltas: list[dict[str, Any]] = []
    for event in events:
        kind = event["type"]
        if event["index"] != len(blocks) - (kind != "content_block_start"):
            raise WrongStreamError(f"{kind} of block {event['index']} after {len(blocks)} blocks")
        if kind == "content_block_start":
            blocks.append(event["content_block"])
            deltas = []
        elif kind == "content_block_delta":
            deltas.append(event["delta"])
        else:
            blocks[-1] = _closed(blocks[-1], deltas)
    return blocks


def _closed(block: Mapping[str, Any], deltas: list[dict[str, Any]]) -> dict[str, Any]:
    kind, order = block["type"], "".join(f"{delta['type']} " for delta in deltas)
    if not re.fullmatch(DELTAS.get(kind, ""), order):
        raise WrongStreamError(f"a block of {kind} has the deltas {order or 'none'}")
    if kind in _EMPTY and block[_EMPTY[kind]]:
        raise WrongStreamError(f"a block of {kind} starts with content")
    if kind == "text":
        cited = [delta["citation"] for delta in deltas if delta["type"] == "citations_delta"]
        text = "".join(delta.get("text", "") for delta in deltas)
        return {**block, "text": text, **({"citations": cited} if cited else {})}
    if kind == "thinking":
        thinking = "".join(delta.get("thinking", "") for delta in deltas)
        return {**block, "thinking": thinking, "signature": deltas[-1]["signature"]}
    if kind == "compaction":
        return {**block, "content": deltas[0]["content"]}
    return _called(block, deltas) if "input" in block else dict(block)


def _called(block: Mapping[str, Any], deltas: list[dict[str, Any]]) -> dict[str, Any]:
    """A call with its input; one that was cut keeps its text as `partial_json`."""
    written = "".join(delta["partial_json"] for delta in deltas)
    if block["input"] != {} or deltas[0]["partial_json"]:
        raise WrongStreamError("a call's input starts with content")
    try:
        return {**block, "input": json.loads(written) if written else {}}
    except ValueError:
        return {**block, "partial_json": written}
