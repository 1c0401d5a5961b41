"""What a response says, read as far as it came."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flag_harness.wire.message import ParsedResponse, assemble_message, parse_response
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Response

TRAFFIC = Path(__file__).parents[2].parent / "shared" / "traffic" / "interactions.jsonl.gz"
START: dict[str, Any] = {
    "type": "message_start",
    "message": {"id": "msg_1", "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}


def _block(block: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _stream(*events: dict[str, Any], last: Piece | None = None) -> Response:
    data = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    head = Head(0.0, 200, (("content-type", "text/event-stream; charset=utf-8"),))
    return head, Chunk(0.1, data.encode()), last or End(0.2)


def _plain(value: Any, status: int = 200) -> Response:
    head = Head(0.0, status, (("content-type", "application/json"),))
    return head, Chunk(0.1, json.dumps(value).encode()), End(0.2)


def test_a_deep_body_is_one_that_cannot_be_read() -> None:
    """Also where it is put together from deltas: the tool's input stays the text that came."""
    deep = "[" * 200 + "]" * 200
    head = Head(0.0, 200, (("content-type", "application/json"),))
    assert None is parse_response((head, Chunk(0.0, deep.encode()), End(0.0))).decoded_body
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": {}}}
    parts = [{"type": "input_json_delta", "partial_json": part} for part in (deep[:50], deep[50:])]
    deltas = [{"type": "content_block_delta", "index": 0, "delta": part} for part in parts]
    assert deep == assemble_message([{"type": "message_start", "message": {}}, start, *deltas])["content"][0]["input"]


def test_the_halves_of_a_character_are_joined_over_deltas() -> None:
    """In text, thinking and input; a half that stays alone is U+FFFD, in the events too."""
    parts = ("a \ud83d", "\ude00 \ud83d")
    events = [
        START,
        *_block({"type": "text", "text": ""}, *({"type": "text_delta", "text": part} for part in parts)),
        *_block(
            {"type": "tool_use", "id": "t", "name": "n", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"a": "\ud83d'},
            {"type": "input_json_delta", "partial_json": '\ude00\\ud83d"}'},
            index=1,
        ),
        STOP,
    ]
    answer = parse_response(_stream(*events))
    assert "a \U0001f600 \ufffd" == answer.blocks[0]["text"]
    assert {"a": "\U0001f600\ufffd"} == answer.blocks[1]["input"]
    assert "a \ufffd" == answer.events[2]["delta"]["text"]
    assert answer.is_complete


def test_a_plain_answer_with_half_a_character_can_be_read() -> None:
    """Its usage counts; the text has U+FFFD in place of the half."""
    answer = parse_response(_plain({"content": [{"type": "text", "text": "a \ud83d"}], "usage": {"input_tokens": 1}}))
    assert ("a \ufffd", {"input_tokens": 1}) == (answer.blocks[0]["text"], answer.usage)


def test_a_stream_makes_the_message_that_it_was_cut_from() -> None:
    """Text, thinking, a tool's input, citations, compaction; what a delta's usage states takes the old one's place."""
    events = [
        START,
        {"type": "ping"},
        *_block({"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "Hm"}),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "abc"}},
        *_block(
            {"type": "text", "text": ""},
            {"type": "citations_delta", "citation": {"cited_text": "a"}},
            {"type": "text_delta", "text": "He"},
            {"type": "text_delta", "text": "llo"},
            {"type": "news_delta", "news": "unknown"},
            index=1,
        ),
        *_block(
            {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": '{"command":'},
            {"type": "input_json_delta", "partial_json": ' "ls"}'},
            index=2,
        ),
        *_block({"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "short"}, index=3),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 9, "input_tokens": None},
            "context_management": {"applied_edits": []},
        },
        STOP,
    ]
    expected = {
        "id": "msg_1",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "abc"},
            {"type": "text", "text": "Hello", "citations": [{"cited_text": "a"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls"}},
            {"type": "compaction", "content": "short"},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 9},
        "context_management": {"applied_edits": []},
    }
    answer = parse_response(_stream(*events))
    assert (True, True, 200, None) == (answer.is_complete, answer.is_stream, answer.status, answer.error)
    assert expected == answer.decoded_body


@pytest.mark.parametrize(
    ("parts", "expected"), [([], {}), ([""], {}), (['{"a": 1'], '{"a": 1'), (['{"a"', ": 1}"], {"a": 1})]
)
def test_the_input_of_a_tool_is_json_or_the_text_that_came(parts: list[str], expected: Any) -> None:
    """A tool without arguments is sent no text at all; one that was cut is no JSON."""
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    message = assemble_message([START, *_block({"type": "tool_use", "input": {}}, *deltas)])
    assert [{"type": "tool_use", "input": expected}] == message["content"]


def test_a_cut_stream_is_read_as_far_as_it_came() -> None:
    """It is not complete, and says so."""
    text = _block({"type": "text", "text": ""}, {"type": "text_delta", "text": "Once"})
    ending = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    answer = parse_response(_stream(START, *text[:2], ending, last=Cut(0.2, "reset")))
    assert not answer.is_complete
    assert [{"type": "text", "text": "Once"}] == list(answer.blocks)
    assert {"input_tokens": 7, "output_tokens": 1} == answer.usage


def test_an_error_in_a_stream_is_found() -> None:
    """Beside what came before it."""
    error = {"type": "overloaded_error", "message": "Overloaded"}
    answer = parse_response(_stream(START, {"type": "error", "error": error}))
    assert (error, False) == (answer.error, answer.is_complete)


def test_a_plain_answer_is_its_body() -> None:
    """Complete where the body is, also where nobody waited for the end."""
    message = {"type": "message", "content": [{"type": "text", "text": "Hi"}, "no block"], "usage": {"input_tokens": 1}}
    answer = parse_response(_plain(message))
    assert ParsedResponse(200, False, message, True, None) == answer
    assert ({"type": "text", "text": "Hi"},) == answer.blocks
    assert parse_response((*_plain(message)[:2], End(0.2, is_abandoned=True))).is_complete


@pytest.mark.parametrize("body", [{"type": "error", "error": {"type": "x"}}, {"error": {"type": "x"}}])
def test_the_error_of_a_body_is_found(body: Any) -> None:
    """Also where the edge wrote it, which names no type on top."""
    answer = parse_response(_plain(body, 413))
    assert (413, {"type": "x"}) == (answer.status, answer.error)


@pytest.mark.parametrize("response", [(), (Cut(0.1, "refused"),)])
def test_no_answer_is_none(response: Response) -> None:
    """A connection that never was has no status."""
    assert ParsedResponse(None, False, None, False, None) == parse_response(response)


def test_what_is_no_json_has_no_value() -> None:
    """Neither has half of some JSON; nor has a value that is no object any blocks."""
    head = Head(0.0, 200, ())
    cut = parse_response((head, Chunk(0.1, b'{"a"'), Cut(0.2, "eof")))
    assert (None, False, (), None) == (cut.decoded_body, cut.is_complete, cut.blocks, cut.usage)
    assert ([1], (), None) == ((answer := parse_response(_plain([1]))).decoded_body, answer.blocks, answer.usage)


KEYS = ["type", "index", "delta", "content_block", "message", "usage", "text", "partial_json", "citation", "error"]
KINDS = ["message_start", "content_block_start", "content_block_delta", "message_delta", "error", "message_stop"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON | st.sampled_from(KINDS), max_size=6), max_size=8))
@settings(suppress_health_check=[HealthCheck.too_slow])  # how fast it draws depends on the machine
def test_no_stream_is_too_broken_to_be_read(events: list[dict[str, Any]]) -> None:
    """Whatever the events hold, reading them raises nothing."""
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    parse_response((Head(0.0, 200, (("content-type", "text/event-stream"),)), Chunk(0.1, data.encode()), End(0.2)))


def _recorded() -> Iterator[bytes]:
    if not TRAFFIC.exists():
        pytest.skip(f"no recorded traffic at {TRAFFIC.name}: it stands beside the checkout, not in it")
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            body = row["response"]["body"]
            if isinstance(body, str) and body.startswith("event: message_start"):
                yield body.encode()


def test_every_recorded_stream_is_read_whole() -> None:
    """Real streams of two years: each text joins, each input is an object, and nothing is missing."""
    read = 0
    for data in _recorded():
        answer = parse_response((Head(0.0, 200, (("content-type", "text/event-stream"),)), Chunk(0.1, data), End(0.2)))
        assert answer.is_complete
        assert isinstance(answer.message["stop_reason"], str)
        assert all(isinstance(block.get("input", {}), dict) for block in answer.blocks if _is_finished(answer))
        joined = "".join(
            event["delta"]["text"]
            for event in answer.events
            if event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta"
        )
        assert joined == "".join(block["text"] for block in answer.blocks if block["type"] == "text")
        read += 1
    assert read > 300


def _is_finished(answer: ParsedResponse) -> bool:
    return answer.message["stop_reason"] != "max_tokens"
