"""Streams put together: exactly what came, or a broken answer."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.reference.events import TextDelta, ThinkingDelta
from flag_harness.reference.request.failure import BrokenAnswerError
from flag_harness.reference.request.stream import (
    AnswerAssembler,
    ModelAnswer,
    deltas_of_answer,
    make_answer_from_message,
)
from flag_harness.wire.usage import Usage

START = {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
STOP = {"type": "message_stop"}


class Received(SimpleNamespace):
    """An object of the SDK: attributes to read, and the fields that came."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(
            **{key: Received(value) if isinstance(value, dict) else value for key, value in fields.items()}
        )
        self.__dict__["_fields"] = fields

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """The fields as they came."""
        return dict(self._fields)


def begin(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def end(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def assembled(*events: dict[str, Any]) -> ModelAnswer:
    """The answer in these events."""
    assembler = AnswerAssembler()
    for event in events:
        assembler.add_event(Received(event), 0.0)
    return assembler.finish_answer()


TEXT = begin(0, {"type": "text", "text": ""})
TOOL = begin(0, {"type": "tool_use", "id": "toolu_1", "name": "note", "input": {}})


HALVES = [("a \ud83d", "\ude00 b"), ("a ", "\ud83d", "\ude00", " b"), ("a \ud83d\ude00 b",)]


@pytest.mark.parametrize("parts", HALVES)
@pytest.mark.parametrize(
    ("block", "kind", "key", "target"),
    [
        ({"type": "text", "text": ""}, "text_delta", "text", "text"),
        ({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking", "thinking"),
        ({"type": "compaction", "content": None}, "compaction_delta", "content", "content"),
    ],
)
def test_the_halves_of_a_character_are_joined(
    parts: tuple[str, ...], block: dict[str, Any], kind: str, key: str, target: str
) -> None:
    """However the deltas split them; what is shown is whole at each moment."""
    assembler = AnswerAssembler()
    deltas = [delta(0, type=kind, **{key: part}) for part in parts]
    shown = [
        assembler.add_event(Received(event), 0.0) for event in (START, begin(0, block), *deltas, end(0), DELTA, STOP)
    ]
    assert "a \U0001f600 b" == assembler.finish_answer().content[0][target]
    texts = [one.text for one in shown if one is not None]
    assert kind == "compaction_delta" or "a \U0001f600 b" == "".join(texts)
    assert all(text.isprintable() for text in texts)


def test_half_a_character_alone_becomes_a_mark() -> None:
    """In a text, on the screen, in a tool's input (raw or escaped), in a citation and in a block that comes whole."""
    assembler = AnswerAssembler()
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": "\ud83d"}]}
    deltas = (
        begin(0, {"type": "text", "text": "", "citations": []}),
        delta(0, type="citations_delta", citation={"cited_text": "\ude00"}),
        delta(0, type="text_delta", text="a \ud83d"),
        end(0),
        begin(1, {"type": "tool_use", "id": "toolu_1", "name": "note", "input": {}}),
        delta(1, type="input_json_delta", partial_json='{"a": "\\ud83d", "b": "\ud83d'),
        delta(1, type="input_json_delta", partial_json='\ude00"}'),
        end(1),
        begin(2, found),
        end(2),
    )
    shown = [assembler.add_event(Received(event), 0.0) for event in (START, *deltas, DELTA, STOP)]
    said, called, searched = assembler.finish_answer().content
    assert ("a \ufffd", [{"cited_text": "\ufffd"}]) == (said["text"], said["citations"])
    assert {"a": "\ufffd", "b": "\U0001f600"} == called["input"]
    assert [{"title": "\ufffd"}] == searched["content"]
    assert "a \ufffd" == "".join(one.text for one in shown if one is not None)
    whole = make_answer_from_message(
        Received({"content": [Received(said | {"text": "\ud83d"})], "stop_reason": "end_turn", "usage": None})
    )
    assert "\ufffd" == whole.content[0]["text"]


def test_every_kind_of_delta_reaches_its_block() -> None:
    """Text with citations, thinking with its signature, input, a compaction: as the API would have sent them whole."""
    answer = assembled(
        START,
        begin(0, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, type="thinking_delta", thinking="Let me "),
        delta(0, type="thinking_delta", thinking="see."),
        delta(0, type="signature_delta", signature="c2ln"),
        end(0),
        begin(1, {"type": "text", "text": "", "citations": []}),
        delta(1, type="citations_delta", citation={"type": "char_location", "cited_text": "x"}),
        delta(1, type="text_delta", text="Yes"),
        delta(1, type="text_delta", text="."),
        end(1),
        begin(2, {"type": "redacted_thinking", "data": "abc"}),
        end(2),
        begin(3, {"type": "compaction", "content": None}),
        delta(3, type="compaction_delta", content="So far: nothing."),
        end(3),
        begin(4, {"type": "tool_use", "id": "toolu_1", "name": "note", "input": {}}),
        delta(4, type="input_json_delta", partial_json=""),
        delta(4, type="input_json_delta", partial_json='{"a": [1'),
        delta(4, type="input_json_delta", partial_json=', 2.5], "b": "\\u00fc"}'),
        end(4),
        DELTA,
        STOP,
    )
    assert answer.content == (
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
        {"type": "text", "text": "Yes.", "citations": [{"type": "char_location", "cited_text": "x"}]},
        {"type": "redacted_thinking", "data": "abc"},
        {"type": "compaction", "content": "So far: nothing."},
        {"type": "tool_use", "id": "toolu_1", "name": "note", "input": {"a": [1, 2.5], "b": "ü"}},
    )
    assert ("end_turn", Usage(3, 9)) == (answer.stop_reason, answer.usage)


def test_what_is_new_passes() -> None:
    """Events, blocks and deltas that nobody knows yet do no harm; nor does what comes after the end."""
    answer = assembled(
        {"type": "weather"},
        START,
        begin(0, {"type": "hologram", "light": 1}),
        delta(0, type="hologram_delta", light=2),
        end(0),
        DELTA,
        STOP,
        STOP,
        START,
    )
    assert ({"type": "hologram", "light": 1},) == answer.content
    assert AnswerAssembler().add_event(object(), 0.0) is None


def test_an_empty_input_is_an_object() -> None:
    """A tool without arguments: the deltas join to nothing."""
    answer = assembled(START, TOOL, delta(0, type="input_json_delta", partial_json=""), end(0), DELTA, STOP)
    assert {} == answer.content[0]["input"]


def test_a_usage_may_be_missing() -> None:
    """It counts nothing then."""
    assert Usage() == assembled({"type": "message_start", "message": {}}, {**DELTA, "usage": None}, STOP).usage


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((), "the stream ended before message_stop"),
        ((START, TEXT), "the stream ended before message_stop"),
        ((TEXT,), "content_block_start came before message_start"),
        ((START, START), "message_start came twice"),
        ((START, begin(1, {"type": "text", "text": ""})), "content_block_start 1 came where block 0 was expected"),
        ((START, TEXT, TEXT), "content_block_start 0 came where block 0 was expected"),
        ((START, delta(0, type="text_delta", text="x")), "content_block_delta 0 came without its block"),
        ((START, TEXT, delta(1, type="text_delta", text="x")), "content_block_delta 1 came without its block"),
        ((START, TEXT, end(0), end(0)), "content_block_stop 0 came without its block"),
        ((START, TOOL, delta(0, type="text_delta", text="x")), "text_delta came inside a tool_use block"),
        (
            (START, TEXT, delta(0, type="input_json_delta", partial_json="")),
            "input_json_delta came inside a text block",
        ),
        ((START, TOOL, delta(0, type="citations_delta")), "citations_delta came inside a tool_use block"),
        ((START, TEXT, DELTA), "message_delta came inside block 0"),
        ((START, TEXT, STOP), "message_stop came before content_block_stop"),
        ((START, STOP), "message_stop came before a stop_reason"),
        (
            (START, TOOL, delta(0, type="input_json_delta", partial_json='{"a'), end(0), DELTA, STOP),
            "the input of tool_use toolu_1 is not a JSON object",
        ),
        (
            (START, TOOL, delta(0, type="input_json_delta", partial_json="[1]"), end(0), DELTA, STOP),
            "the input of tool_use toolu_1 is not a JSON object",
        ),
    ],
)
def test_what_the_grammar_rules_out_is_broken(events: tuple[dict[str, Any], ...], words: str) -> None:
    """Cut, duplicated, reordered or garbled: it never becomes part of a conversation."""
    with pytest.raises(BrokenAnswerError) as raised:
        assembled(*events)
    assert words == str(raised.value)


def test_input_that_max_tokens_cut_is_told_by_its_id() -> None:
    """Only where it is the last block: what was cut in the middle is no answer."""
    cut = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}
    half = delta(0, type="input_json_delta", partial_json='{"a')
    answer = assembled(START, TOOL, half, end(0), cut, STOP)
    assert ({}, "toolu_1") == (answer.content[0]["input"], answer.truncated_call_id)
    after = (begin(1, {"type": "text", "text": ""}), end(1))
    with pytest.raises(BrokenAnswerError, match="not a JSON"):
        assembled(START, TOOL, half, end(0), *after, cut, STOP)
    assert assembled(START, cut, STOP).truncated_call_id is None
    assert assembled(START, TEXT, end(0), cut, STOP).truncated_call_id is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists), st.data())
def test_input_split_anywhere_is_the_same(value: Any, data: st.DataObject) -> None:
    """However the JSON of a tool's input is cut into deltas."""
    written = json.dumps({"value": value}, ensure_ascii=False)
    places = sorted(data.draw(st.lists(st.integers(0, len(written)))))
    parts = [written[start:stop] for start, stop in zip([0, *places], [*places, None], strict=True)]
    deltas = [delta(0, type="input_json_delta", partial_json=part) for part in parts]
    assert {"value": value} == assembled(START, TOOL, *deltas, end(0), DELTA, STOP).content[0]["input"]


def test_a_whole_answer_shows_what_there_is_to_read() -> None:
    """Texts and thinking, each once; nothing of a call, nothing empty."""
    answer = ModelAnswer(
        (
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "thinking", "thinking": "", "signature": "c2ln"},
            {"type": "text", "text": ""},
            {"type": "text", "text": "Yes."},
            {"type": "tool_use", "id": "toolu_1", "name": "note", "input": {}},
        ),
        "tool_use",
        Usage(),
    )
    assert [ThinkingDelta(2.0, "Hm."), TextDelta(2.0, "Yes.")] == list(deltas_of_answer(answer, 2.0))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("<html>Bad gateway</html>", "no message came, but str '<html>Bad gateway</html>'"),
        ([1], "no message came, but list [1]"),
        (
            SimpleNamespace(content=[], stop_reason=None),
            "no message came, but SimpleNamespace namespace(content=[], stop",
        ),
    ],
)
def test_what_is_no_message_is_broken(message: Any, words: str) -> None:
    """A page, a list, an answer without its end."""
    with pytest.raises(BrokenAnswerError) as raised:
        make_answer_from_message(message)
    assert str(raised.value).startswith(words)
