"""Streams are of the recorded grammar and tell what the plain answer tells."""

import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flag_harness.simulator import Scenario, ScenarioTurn, simulate
from flag_harness.simulator.scenario.scenario import ScriptedBlock, ScriptedToolCall, TurnConditions
from flag_harness.wire.timeline import Chunk, Head, Request, body

_spec = importlib.util.spec_from_file_location("grammar", Path(__file__).parent / "grammar.py")
assert _spec is not None
assert _spec.loader is not None
grammar = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(grammar)

HEADERS = (("x-api-key", "key"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
TEXTS = st.text(min_size=1, max_size=300).filter(lambda text: text.isprintable() or "\n" in text)
INPUTS = st.dictionaries(
    st.text(max_size=8), st.one_of(st.integers(-9, 9), st.text(max_size=20), st.none()), max_size=4
)
BLOCKS = st.one_of(
    st.builds(lambda text: ScriptedBlock(text=text), TEXTS),
    st.builds(lambda text: ScriptedBlock(thinking=text), st.text(max_size=200)),
    st.builds(lambda text: ScriptedBlock(redacted_thinking=text), TEXTS),
    st.builds(lambda value: ScriptedBlock(call=ScriptedToolCall(name="bash", input=value)), INPUTS),
)


def asked(turn: ScenarioTurn, seed: int = 0, **changes: Any) -> Any:
    value = {
        "model": "claude-haiku-4-5",
        "max_tokens": 8000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "messages": [{"role": "user", "content": "hello"}],
        **changes,
    }
    request = Request("POST", "https://a/v1/messages", HEADERS, json.dumps(value).encode())
    return simulate(Scenario(turns=(turn,)), seed=seed)(request)


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(st.lists(BLOCKS, max_size=5), st.integers(0, 1000))
def test_every_stream_is_of_the_recorded_grammar(blocks: list[ScriptedBlock], seed: int) -> None:
    """Any blocks in any order: the stream assembles, by an independent reader, to what the scenario says."""
    turn = ScenarioTurn(blocks=tuple(blocks), stop_reason="end_turn", when=TurnConditions())
    message = grammar.assembled(body(asked(turn, seed, stream=True)))
    told: list[Any] = []
    for block in message["content"]:
        if block["type"] == "tool_use":
            assert block["partial_json"] or block["input"] == {}
            told.append(json.loads(block["partial_json"] or "{}"))
        else:
            told.append(block.get("text", block.get("thinking", block["type"])))
    expected = [
        block.call.input if block.call else block.text if block.text is not None
        else block.thinking if block.thinking is not None else "redacted_thinking"
        for block in blocks
    ]  # fmt: skip
    assert expected == told


def _deltas(stream: bytes) -> list[str]:
    events = [json.loads(line.removeprefix(b"data: ")) for line in stream.splitlines() if line.startswith(b"data: ")]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return [next((text for name, text in delta.items() if name in _TEXT_OF_DELTAS), "") for delta in deltas]


_TEXT_OF_DELTAS = ("text", "thinking", "partial_json")


@given(TEXTS, INPUTS, st.text(min_size=1, max_size=40))
def test_a_text_is_split_in_the_same_places_whatever_else_was_asked(
    text: str, value: dict[str, Any], prompt: str
) -> None:
    """A bug in reading pieces fails under every combination that streams them, so no other flag is blamed for it."""
    call = ScriptedBlock(call=ScriptedToolCall(name="bash", input=value))
    turn = ScenarioTurn(blocks=(ScriptedBlock(thinking=text), ScriptedBlock(text=text), call), when=TurnConditions())
    other = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 9000, "system": "Be kind."}
    assert _deltas(body(asked(turn, stream=True))) == _deltas(body(asked(turn, stream=True, **other)))


def test_another_seed_splits_a_text_in_other_places() -> None:
    """So a sweep over seeds cuts it wherever it can be cut."""
    turn = ScenarioTurn(text="A text that is long enough to be split in several pieces." * 3)
    assert 1 < len({tuple(_deltas(body(asked(turn, seed, stream=True)))) for seed in range(5)})


def test_a_stream_tells_what_the_plain_answer_tells() -> None:
    """Same blocks, same stop reason, same totals; a plain body is not padded."""
    turn = ScenarioTurn(text="I look.", calls=(ScriptedToolCall(name="bash", input={"command": "uname"}),))
    streamed = grammar.assembled(body(asked(turn, stream=True)))
    plain_bytes = body(asked(turn))
    plain = json.loads(plain_bytes)
    assert msgspec.json.encode(plain) == plain_bytes
    assert list(plain) == grammar.START_KEYS
    assert [block["type"] for block in plain["content"]] == [block["type"] for block in streamed["content"]]
    assert plain["content"][1]["input"] == json.loads(streamed["content"][1]["partial_json"])
    assert ("tool_use", "tool_use") == (plain["stop_reason"], streamed["stop_reason"])
    assert plain["usage"] == streamed["usage"]


def test_padding_is_even_from_0_to_15() -> None:
    """As in the recordings: every width about as often as every other."""
    stream = body(asked(ScenarioTurn(text="word " * 60_000), stream=True))
    widths = Counter(
        len(found["padding"])
        for match in grammar.EVENT.finditer(stream)
        if (found := grammar.PADDED.match(match["data"])) and match["name"] != b"ping"
    )
    assert set(range(16)) == set(widths)
    mean = sum(widths.values()) / 16
    assert all(abs(count - mean) < 5 * mean**0.5 for count in widths.values())


def test_thinking_may_be_left_out_of_sight() -> None:
    """Display "omitted": the signature alone, which is known when it comes back."""
    turn = ScenarioTurn(thinking="secret", text="Done.")
    omitted = {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}
    message = grammar.assembled(body(asked(turn, stream=True, thinking=omitted)))
    thinking = message["content"][0]
    assert "" == thinking["thinking"]
    again = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "Done."}]},
        {"role": "user", "content": "thanks"},
    ]
    head = asked(turn, messages=again)[0]
    assert isinstance(head, Head)
    assert 200 == head.status


def test_thinking_is_sent_only_where_the_model_thinks() -> None:
    """On a model that waits to be asked it stays away otherwise, and its tokens are not stated."""
    turn = ScenarioTurn(thinking="secret", text="Done.")
    message = json.loads(body(asked(turn, thinking={"type": "disabled"})))
    assert [{"type": "text", "text": "Done."}] == message["content"]
    assert "output_tokens_details" not in message["usage"]
    assert 1 == json.loads(body(asked(turn)))["usage"]["output_tokens_details"]["thinking_tokens"]


@pytest.mark.parametrize(
    ("model", "thinking", "expected"),
    [
        ("claude-sonnet-5", None, ["", "Done."]),
        ("claude-sonnet-5", {"type": "adaptive", "display": "summarized"}, ["One two.", "Done."]),
        ("claude-sonnet-5", {"type": "disabled"}, ["Done."]),
        ("claude-opus-4-8", {"type": "adaptive"}, ["", "Done."]),
        ("claude-opus-4-8", None, ["Done."]),
        ("claude-opus-4-6", {"type": "adaptive"}, ["One two.", "Done."]),
        ("claude-opus-4-6", {"type": "adaptive", "display": "omitted"}, ["", "Done."]),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_newer_models_think_unasked_and_out_of_sight(model: str, thinking: Any, expected: list[str], raw: bool) -> None:
    """As recorded of Opus 4.7 and later; what was thought is counted all the same."""
    turn = ScenarioTurn(thinking="One two.", text="Done.")
    if raw:
        blocks = ({"type": "thinking", "thinking": expected[0], "signature": "s"}, {"type": "text", "text": "Done."})
        turn = ScenarioTurn(blocks=tuple(ScriptedBlock(raw=block) for block in blocks[2 - len(expected) :]))
    message = json.loads(body(asked(turn, model=model, thinking=thinking)))
    assert expected == [block.get("thinking", block.get("text")) for block in message["content"]]
    counted = message["usage"].get("output_tokens_details", {}).get("thinking_tokens")
    thought = 0 if len(expected) == 1 or (raw and not expected[0]) else 3
    assert thought == counted
    assert 5 + thought == message["usage"]["output_tokens"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_that_max_tokens_cuts(stream: bool) -> None:
    """The stream holds half of the input's JSON; the plain answer holds an empty input."""
    turn = ScenarioTurn(
        calls=(ScriptedToolCall(name="bash", partial_json='{"command": "cat <<EOF'),), stop_reason="max_tokens"
    )
    answer = body(asked(turn, stream=stream))
    if stream:
        assert '{"command": "cat <<EOF' == grammar.assembled(answer)["content"][0]["partial_json"]
    else:
        assert {} == json.loads(answer)["content"][0]["input"]


def test_raw_blocks_are_sent_as_they_stand() -> None:
    """What the encoder does not know is carried whole by its start event."""
    raw = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01", "content": []}
    stream = body(asked(ScenarioTurn(blocks=(ScriptedBlock(raw=raw),)), stream=True))
    told = [data for name, data in grammar.events(stream) if name.startswith("content_block")]
    assert [raw] == [data["content_block"] for data in told if data["type"] == "content_block_start"]
    assert 2 == len(told)


def test_times_are_data() -> None:
    """The head after the first token's time, then an event each step; a plain answer waits for all of them."""
    turn = msgspec.convert({"text": "Hi", "timing": {"first_token": 2.0, "per_event": 0.5}}, ScenarioTurn)
    streamed, plain = asked(turn, stream=True), asked(turn)
    assert [2.0, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.0] == [piece.at for piece in streamed]
    assert [5.0] * 3 == [piece.at for piece in plain]
    assert all(isinstance(piece, Chunk) for piece in streamed[1:-1])
