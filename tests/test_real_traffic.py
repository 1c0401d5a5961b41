"""Recorded answers of the real API, played through the transport and the SDK, against what their raw bytes say."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flag_harness.transports import http_client
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

TRAFFIC = Path(__file__).parents[2] / "shared" / "traffic" / "interactions.jsonl.gz"
PIECE = 1000
"""Bytes of a chunk: streams arrive in pieces that respect no event's boundaries."""
PIECES_OF_BLOCK = {"text": "text", "thinking": "thinking", "signature": "signature", "partial_json": "input"}
"""Which field of a block each field of a delta adds to."""
COMPARED = {"text": ("text",), "thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}
TOOLS = ("tool_use", "server_tool_use", "mcp_tool_use")

pytestmark = pytest.mark.skipif(not TRAFFIC.exists(), reason="the traffic stands beside the project, not in it")


def _rows() -> list[dict[str, Any]]:
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _name(row: dict[str, Any]) -> str:
    return f"{row['source']} {row['path']} #{row['i']}"


def _is_stream(row: dict[str, Any]) -> bool:
    return any("text/event-stream" in value for name, value in row["response"]["headers"]) or row["response"][
        "body"
    ].startswith("event:")


def _is_message(row: dict[str, Any]) -> bool:
    return 200 == row["response"]["status"] and row["request"]["url"].split("?")[0].endswith("/v1/messages")


def _response(row: dict[str, Any]) -> Response:
    recorded = row["response"]
    dropped = {"content-encoding", "content-length", "transfer-encoding"}
    headers = tuple((name, value) for name, value in recorded["headers"] if name.lower() not in dropped)
    data = recorded["body"].encode()
    chunks = (Chunk(0.0, data[start : start + PIECE]) for start in range(0, len(data), PIECE))
    return Head(0.0, recorded["status"], headers), *chunks, End(0.0)


def _events(text: str) -> Iterator[dict[str, Any]]:
    """The events of a stream, read without any help of the harness or the SDK."""
    return (json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:"))


def _assembled(text: str) -> dict[str, Any]:
    """The message that a stream of events makes."""
    message: dict[str, Any] = {}
    for event in _events(text):
        if event["type"] == "message_start":
            message = event["message"] | {"content": []}
        elif event["type"] == "content_block_start":
            message["content"].append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            _add(message["content"][event["index"]], event["delta"])
        elif event["type"] == "message_delta":
            message["stop_reason"] = event["delta"]["stop_reason"]
            message["usage"] = message["usage"] | event["usage"]
    for block in message["content"]:
        if isinstance(block.get("input"), str):
            block["input"] = json.loads(block["input"] or "{}")
    return message


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, field in PIECES_OF_BLOCK.items():
        if name in delta:
            before = block.get(field) or ""
            block[field] = (before if isinstance(before, str) else "") + delta[name]


def _summary(message: dict[str, Any]) -> dict[str, Any]:
    """What a user of the answer would look at."""
    blocks = []
    for block in message["content"]:
        fields = COMPARED.get(block["type"], ("id", "name", "input") if block["type"] in TOOLS else ())
        blocks.append((block["type"], *(block.get(field) for field in fields)))
    usage = {name: number for name, number in message["usage"].items() if name.endswith("_tokens") and number}
    return {"blocks": blocks, "stop_reason": message["stop_reason"], "usage": usage}


class _Player:
    """One client of the real SDK whose n-th request is answered by the response that is set."""

    def __init__(self) -> None:
        import anthropic

        self.response: Response = ()
        self.client = anthropic.Anthropic(api_key="x", http_client=http_client(self._answer), max_retries=0)

    def _answer(self, request: Request) -> Response:
        return self.response

    def play(self, row: dict[str, Any]) -> dict[str, Any]:
        """The final message, as the SDK gives it."""
        self.response = _response(row)
        asked: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        messages = self.client.beta.messages if "beta" in row["request"]["url"] else self.client.messages
        if _is_stream(row):
            with messages.stream(**asked) as stream:
                final: dict[str, Any] = stream.get_final_message().to_dict(mode="python", warnings=False)
        else:
            final = messages.create(**asked).to_dict(mode="python", warnings=False)
        return final


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """The traffic, read once."""
    return _rows()


@pytest.fixture(scope="module")
def player() -> Iterator[_Player]:
    """The client, made once."""
    found = _Player()
    with found.client:
        yield found


@pytest.mark.parametrize("streamed", [True, False], ids=["streams", "whole answers"])
def test_every_recorded_message_is_what_its_bytes_say(
    rows: list[dict[str, Any]], player: _Player, streamed: bool
) -> None:
    """Text, thinking, tool inputs, stop reason and usage; whatever cannot be played is counted and named."""
    chosen = [row for row in rows if _is_message(row) and streamed == _is_stream(row)]
    failed = []
    for row in chosen:
        body = row["response"]["body"]
        expected = _summary(_assembled(body) if streamed else json.loads(body))
        try:
            final = _summary(player.play(row))
        except Exception as error:
            failed.append(f"{_name(row)}: {error!r:.300}")
        else:
            assert expected == final, _name(row)
    assert [] == failed, f"{len(failed)} of {len(chosen)} cannot be played"
    assert len(chosen) > 300


def test_every_recorded_error_is_the_sdks_error(rows: list[dict[str, Any]], player: _Player) -> None:
    """Its status, type and message."""
    import anthropic

    chosen = [row for row in rows if row["response"]["status"] >= 400]
    for row in chosen:
        with pytest.raises(anthropic.APIStatusError) as caught:
            player.play(row)
        assert row["response"]["status"] == caught.value.status_code, _name(row)
        assert json.loads(row["response"]["body"]) == caught.value.body, _name(row)
    assert len(chosen) > 30


def test_every_other_answer_comes_through_whole(rows: list[dict[str, Any]], player: _Player) -> None:
    """Token counts and batches: nothing of the traffic is left out."""
    others = [row for row in rows if row["response"]["status"] == 200 and not _is_message(row)]
    for row in others:
        player.response = _response(row)
        response = player.client.get(row["request"]["url"].partition("anthropic.com")[2], cast_to=str)
        assert row["response"]["body"] == response, _name(row)
    kinds = Counter(
        row["request"]["url"].partition("?")[0].partition("/v1/messages/")[2].partition("/")[0] for row in others
    )
    assert {"batches", "count_tokens"} == set(kinds)
