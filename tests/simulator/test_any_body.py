"""Whatever JSON is sent, the answer is a message, a count, or an error in the API's shape: never an exception."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flag_harness.simulator import simulate
from flag_harness.simulator.answer.signatures import SeededSignatures
from flag_harness.wire.timeline import Request, Response

MARK = {"type": "ephemeral", "ttl": "5m"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "$defs": {"Name": {"type": "string"}},
    "properties": {
        "name": {"$ref": "#/$defs/Name"},
        "count": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
    },
    "required": ["name", "count", "tags"],
    "additionalProperties": False,
}
CALLS = [
    {"type": "thinking", "thinking": "Why?", "signature": SeededSignatures(0).sign("Why?")},
    {"type": "redacted_thinking", "data": SeededSignatures(0).encrypt_thinking("why", "T")},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "find", "server_name": "s", "input": {}},
    {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": []},
    {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"name": "x"}},
]
RESULTS = [
    {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [
            {"type": "text", "text": "done", "cache_control": MARK},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ],
    },
    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "t"},
    {"type": "text", "text": "and?"},
]
BODY: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 4096,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": MARK}],
    "messages": [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": CALLS},
        {"role": "user", "content": RESULTS},
    ],
    "tools": [
        {"name": "find", "description": "d", "input_schema": SCHEMA, "strict": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
    ],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "me"},
    "stream": False,
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
Read = Callable[[Response], tuple[int, Any]]
SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4 * settings().max_examples, deadline=None
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


PLACES = list(places(BODY))


def changed(path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> dict[str, Any]:
    """The body, changed at a place by what is given its parent and its key."""
    body = copy.deepcopy(BODY)
    parent: Any = body
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return body


def answered(request: Request, read: Read) -> int:
    """The status of an answer that has the API's shape."""
    response = simulate()(request)
    if ("content-type", "text/event-stream; charset=utf-8") in response[0].headers:
        return response[0].status
    status, told = read(response)
    if status == 200:
        assert "message" == told["type"] if "id" in told else {"input_tokens"} == told.keys()
    else:
        assert {"type", "error", "request_id"} == told.keys()
        assert all(isinstance(told["error"][key], str) for key in ("type", "message"))
    return status


def test_the_body_that_is_changed_is_legal(request_for: Any, read: Read) -> None:
    """So every refusal below is one of the change."""
    assert 200 == answered(replace(request_for(), body=json.dumps(BODY).encode()), read)


@SHARED
@given(path=st.sampled_from(PLACES), value=VALUES, counting=st.booleans())
def test_any_value_in_any_place_is_answered(
    path: Any, value: Any, counting: bool, request_for: Any, read: Read
) -> None:
    """A value of any kind in the place of what a legal body has there."""

    def put(parent: Any, key: Any) -> None:
        parent[key] = value

    request = request_for("/v1/messages/count_tokens" if counting else "/v1/messages")
    assert 500 > answered(replace(request, body=json.dumps(changed(path, put)).encode()), read)


@SHARED
@given(path=st.sampled_from(PLACES))
def test_anything_may_be_missing(path: Any, request_for: Any, read: Read) -> None:
    """A legal body without one of its parts."""

    def take(parent: Any, key: Any) -> None:
        del parent[key]

    assert 500 > answered(replace(request_for(), body=json.dumps(changed(path, take)).encode()), read)


@SHARED
@given(value=VALUES)
def test_any_json_is_answered(value: Any, request_for: Any, read: Read) -> None:
    """Also what is no object at all."""
    assert answered(replace(request_for(), body=json.dumps(value).encode()), read) in (400, 404)


@pytest.mark.parametrize("deep", ['{"a":' * 201 + "1" + "}" * 201, "[" * 100_000 + "]" * 100_000])
def test_bodies_are_not_nested_without_end(deep: str, request_for: Any, read: Read) -> None:
    """The limit is ours, and 200 levels are below it."""
    status, error = read(simulate()(replace(request_for(), body=deep.encode())))
    words = "The request body is not valid JSON: it is nested more than 200 deep"
    assert (400, words) == (status, error["error"]["message"])
    nested: Any = 1
    for _ in range(190):
        nested = {"a": nested}
    call = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": nested}
    result = {"type": "tool_result", "tool_use_id": "toolu_1"}
    messages = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    assert 200 == read(simulate()(request_for(messages=messages)))[0]
