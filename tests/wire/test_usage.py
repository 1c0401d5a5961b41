"""Usage: what the API states, of every date, added up and never counted twice."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.usage import Usage

COUNTS = st.integers(min_value=0, max_value=10**9)
USAGES = st.builds(Usage, *[COUNTS] * 7)
TRAFFIC = Path(__file__).parents[2].parent / "shared" / "traffic"


def test_reads_a_usage_of_2024() -> None:
    """The first answers stated two numbers; the rest is 0."""
    assert Usage(input_tokens=10, output_tokens=3) == Usage.from_mapping({"input_tokens": 10, "output_tokens": 3})


def test_reads_a_usage_of_2026() -> None:
    """The newest shape: split cache creation, thinking tokens, and keys that are not tokens."""
    usage = {
        "input_tokens": 4,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 2000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 20},
        "service_tier": "standard",
        "inference_geo": "global",
        "server_tool_use": {"web_search_requests": 1},
        "iterations": [{"type": "message", "input_tokens": 4, "output_tokens": 50}],
    }
    expected = Usage(
        input_tokens=4,
        output_tokens=50,
        cache_creation_input_tokens=300,
        cache_read_input_tokens=2000,
        cache_creation_5m=100,
        cache_creation_1h=200,
        thinking_tokens=20,
    )
    assert expected == Usage.from_mapping(usage)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"input_tokens": None, "output_tokens": None},
        {"cache_creation": None, "output_tokens_details": None},
        {"cache_creation": {}, "output_tokens_details": {"thinking_tokens": None}},
    ],
)
def test_absent_and_null_count_as_nothing(usage: dict[str, Any] | None) -> None:
    """The SDK dumps what the API left out as null."""
    assert Usage() == Usage.from_mapping(usage)


def test_a_split_without_its_sum_gives_the_sum() -> None:
    """Tokens written to the cache are not lost where only the split states them."""
    split = {"cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 5}}
    expected = Usage(cache_creation_input_tokens=12, cache_creation_5m=7, cache_creation_1h=5)
    assert expected == Usage.from_mapping(split)
    assert expected.cache_creation_input_tokens == Usage.from_mapping(split).total_input


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        ({"input_tokens": "12"}, "usage.input_tokens: '12' is not a number of tokens (a whole number, 0 or more)"),
        ({"output_tokens": -1}, "usage.output_tokens: -1 is not a number of tokens (a whole number, 0 or more)"),
        ({"output_tokens": True}, "usage.output_tokens: True is not a number of tokens (a whole number, 0 or more)"),
        (
            {"cache_creation": 5},
            "usage.cache_creation.ephemeral_5m_input_tokens: 5 is not a number of tokens (a whole number, 0 or more)",
        ),
    ],
)
def test_what_is_no_count_is_named(usage: dict[str, Any], message: str) -> None:
    """A garbled usage does not become a silent 0."""
    with pytest.raises(ValueError, match="is not a number of tokens") as raised:
        Usage.from_mapping(usage)
    assert message == str(raised.value)


def test_a_delta_overwrites_what_it_states_and_keeps_the_rest() -> None:
    """A stream's usage: start states the split, the delta the final totals."""
    start = Usage.from_mapping(
        {
            "input_tokens": 4,
            "cache_creation_input_tokens": 300,
            "cache_read_input_tokens": 9,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 300},
            "output_tokens": 1,
        }
    )
    delta = {"input_tokens": 4, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 9, "output_tokens": 80}
    expected = Usage(4, 80, 300, 9, cache_creation_5m=0, cache_creation_1h=300)
    assert expected == start.with_delta(delta)


def test_a_delta_of_before_august_2025_states_output_only() -> None:
    """Input tokens then stand in `message_start` alone and survive."""
    assert Usage(11, 80) == Usage(11, 1).with_delta({"output_tokens": 80})


@given(start=USAGES, delta=USAGES)
def test_a_delta_counts_once_however_often_it_comes(start: Usage, delta: Usage) -> None:
    """Cumulative means idempotent: a stream replayed from its start gives the same numbers."""
    once = start.with_delta(delta.to_json())
    assert delta == once
    assert once == once.with_delta(delta.to_json())
    assert start == start.with_delta({}) == start.with_delta(None)


@given(usage=USAGES)
def test_json_reads_back(usage: Usage) -> None:
    """A saved context gives back its usage, through real JSON text."""
    assert usage == Usage.from_mapping(json.loads(json.dumps(usage.to_json())))


@given(a=USAGES, b=USAGES, c=USAGES)
def test_adding_is_adding(a: Usage, b: Usage, c: Usage) -> None:
    """Order and grouping of turns do not matter, and an empty usage adds nothing."""
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == sum([a, b, c], Usage())
    assert a == a + Usage()
    assert a.total_input + b.total_input == (a + b).total_input
    assert a.output_tokens + b.output_tokens == (a + b).output_tokens


def test_only_a_usage_can_be_added() -> None:
    """A forgotten start value of `sum` is told at once."""
    with pytest.raises(TypeError):
        Usage() + 0  # type: ignore[operator]


@pytest.mark.skipif(not TRAFFIC.is_dir(), reason="the recorded traffic is not beside this checkout")
def test_recorded_streams_count_once() -> None:
    """In every recorded stream the last delta's output is the total, and no input token is lost or doubled."""
    streams = 0
    for body in _recorded_streams():
        start, deltas = _usages(body)
        total = Usage.from_mapping(start)
        for delta in deltas:
            total = total.with_delta(delta)
        expected = {**start, **{key: value for key, value in deltas[-1].items() if value is not None}}
        assert expected["output_tokens"] == total.output_tokens
        assert expected["input_tokens"] == total.input_tokens
        assert (expected.get("cache_read_input_tokens") or 0) == total.cache_read_input_tokens
        assert (expected.get("cache_creation_input_tokens") or 0) == total.cache_creation_input_tokens
        streams += 1
    assert streams > 100


def _recorded_streams() -> Iterator[str]:
    with gzip.open(TRAFFIC / "interactions.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            body = row["response"]["body"]
            if row["body_fidelity"].startswith("verbatim") and isinstance(body, str) and '"message_stop"' in body:
                yield body


def _usages(body: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    events = [json.loads(line.removeprefix("data:")) for line in body.splitlines() if line.startswith("data:")]
    start = next(event["message"]["usage"] for event in events if event["type"] == "message_start")
    return start, [event["usage"] for event in events if event["type"] == "message_delta"]
