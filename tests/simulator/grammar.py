"""The recorded grammar of streams, read by other means than the encoder's: regular expressions over the whole bytes."""

import json
import re
from typing import Any

EVENT = re.compile(rb"event: (?P<name>[a-z_]+)\ndata: (?P<data>[^\n]*)\n\n")
PADDED = re.compile(rb"^\{.*?[^ ](?P<padding> {0,15})\}$")
START_KEYS = ["model", "id", "type", "role", "content", "stop_reason", "stop_sequence", "stop_details", "usage"]
START_USAGE = [
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation",
    "output_tokens",
    "service_tier",
    "inference_geo",
]
DELTA_USAGE = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"]
DELTAS = {
    "text": "(text_delta )+",
    "thinking": "(thinking_delta )*signature_delta ",
    "redacted_thinking": "",
    "tool_use": "(input_json_delta )+",
}
SEQUENCE = re.compile(
    r"^message_start (content_block_start (ping )?(content_block_delta )*content_block_stop )*"
    r"message_delta message_stop $"
)
ID = {"message": re.compile(r"^msg_01[0-9A-Za-z]{22}$"), "call": re.compile(r"^toolu_01[0-9A-Za-z]{22}$")}


def events(stream: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events; every byte of the stream belongs to one."""
    found = list(EVENT.finditer(stream))
    assert b"".join(match[0] for match in found) == stream, "bytes outside of events"
    return [(match["name"].decode(), _data(match["name"], match["data"])) for match in found]


def _data(name: bytes, data: bytes) -> dict[str, Any]:
    if name == b"ping":
        assert data == b'{"type": "ping"}'
    else:
        assert PADDED.match(data), data
        compact = json.dumps(json.loads(data), ensure_ascii=False, separators=(",", ":")).encode()
        assert compact[:-1] == data[:-1].rstrip(b" "), "not compact JSON, or not as it was written"
    value: dict[str, Any] = json.loads(data)
    assert value["type"] == name.decode()
    return value


def assembled(stream: bytes) -> dict[str, Any]:
    """The message that a stream tells; asserts that the stream is one of the recorded grammar."""
    told = events(stream)
    assert SEQUENCE.match("".join(f"{name} " for name, _ in told)), [name for name, _ in told]
    start, closing = told[0][1], told[-2][1]
    message: dict[str, Any] = start["message"]
    assert list(message) == START_KEYS
    assert [key for key in message["usage"] if key != "output_tokens_details"] == START_USAGE
    assert ID["message"].match(message["id"])
    assert (message["content"], message["stop_reason"]) == ([], None)
    assert [key for key in closing["usage"] if key != "output_tokens_details"] == DELTA_USAGE
    assert closing["usage"]["output_tokens"] >= message["usage"]["output_tokens"]
    assert list(closing["delta"]) == ["stop_reason", "stop_sequence", "stop_details"]
    content = _blocks([data for name, data in told[1:-2] if name != "ping"])
    pings = [index for index, (name, _) in enumerate(told) if name == "ping"]
    assert pings == ([2] if content else []), "one ping, right after the first block begins"
    return {**message, "content": content, **closing["delta"], "usage": {**message["usage"], **closing["usage"]}}


def _blocks(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    deltas: list[dict[str, Any]] = []
    for data in told:
        assert data["index"] == len(blocks) - (data["type"] != "content_block_start")
        if data["type"] == "content_block_start":
            blocks.append(data["content_block"])
            deltas = []
        elif data["type"] == "content_block_delta":
            deltas.append(data["delta"])
        else:
            blocks[-1] = _closed(blocks[-1], deltas)
    return blocks


def _closed(block: dict[str, Any], deltas: list[dict[str, Any]]) -> dict[str, Any]:
    assert re.fullmatch(DELTAS[block["type"]], "".join(f"{delta['type']} " for delta in deltas))
    text = "".join(delta.get(delta["type"].removesuffix("_delta"), "") for delta in deltas)
    if block["type"] == "text":
        assert block == {"type": "text", "text": ""}
        return {**block, "text": text}
    if block["type"] == "thinking":
        assert block == {"type": "thinking", "thinking": "", "signature": ""}
        thinking = "".join(delta.get("thinking", "") for delta in deltas)
        return {**block, "thinking": thinking, "signature": deltas[-1]["signature"]}
    if block["type"] == "tool_use":
        assert list(block) == ["type", "id", "name", "input", "caller"]
        assert ID["call"].match(block["id"])
        assert deltas[0]["partial_json"] == ""
        whole = "".join(delta["partial_json"] for delta in deltas)
        return {**block, "partial_json": whole}
    return block
