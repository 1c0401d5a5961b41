"""A session as a value, and SDK objects as plain JSON."""

from dataclasses import dataclass
from typing import Any

import pytest

from flag_harness.reference.context.context import ConversationContext, ToolCallState, to_json_value
from flag_harness.reference.tools.tool import ToolOutcome


def test_the_ledger_tells_started_calls_from_finished_ones() -> None:
    """Each step is a new value; the old one is as it was."""
    empty = ConversationContext()
    started = empty.with_started_call("toolu_1")
    finished = started.with_call_outcome(ToolOutcome("toolu_1", "done"))
    assert {} == empty.call_states_by_id
    assert {"toolu_1": ToolCallState()} == started.call_states_by_id
    assert not started.call_states_by_id["toolu_1"].is_tool_finished
    assert {"toolu_1": ToolCallState(ToolOutcome("toolu_1", "done"))} == finished.call_states_by_id
    assert finished.call_states_by_id["toolu_1"].is_tool_finished


def test_a_settled_context_has_no_entry_whose_result_stands_in_the_messages() -> None:
    """Calls that are under way, or finished without a word to the model, are remembered."""
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
    messages: Any = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "mcp_tool_result", "tool_use_id": "toolu_2", "content": []}]},
        {"role": "user", "content": [result, {"type": "text", "text": "on"}]},
    ]
    entries = {"toolu_1": ToolCallState(ToolOutcome("toolu_1", "done")), "toolu_2": ToolCallState()}
    before = ConversationContext(messages=tuple(messages), call_states_by_id=entries, model="m")
    assert (
        ConversationContext(messages=tuple(messages), call_states_by_id={"toolu_2": ToolCallState()}, model="m")
        == before.without_answered_calls()
    )


@dataclass
class Point:
    """A dataclass among the messages."""

    x: int
    parts: tuple[Any, ...]


def test_sdk_objects_become_what_the_api_sent() -> None:
    """Fields that were never set stay away, also below lists; those set to null stay; keys keep their order."""
    from anthropic.types import TextBlock, ToolUseBlock

    block = ToolUseBlock(id="toolu_1", input={"b": 1, "a": [1.0]}, name="bash", type="tool_use")
    text = TextBlock(type="text", text="ü", citations=None)
    value = to_json_value({"role": "assistant", "content": (text, block, Point(1, (text,)))})
    assert {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "ü", "citations": None},
            {"id": "toolu_1", "input": {"b": 1, "a": [1.0]}, "name": "bash", "type": "tool_use"},
            {"x": 1, "parts": [{"type": "text", "text": "ü", "citations": None}]},
        ],
    } == value
    assert ["b", "a"] == list(value["content"][1]["input"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [object]}, "a context holds JSON values only, not type: <class 'object'>"),
        (Point, f"a context holds JSON values only, not type: {Point!r}"),
        ({1: 2}, "a context holds JSON values only, and a key in JSON is a string, not 1"),
        ([float("nan")], "a context holds JSON values only, and nan is not one"),
        (float("-inf"), "a context holds JSON values only, and -inf is not one"),
    ],
)
def test_what_json_has_no_word_for_is_refused(value: Any, message: str) -> None:
    """At once, not when the file is read again."""
    with pytest.raises(TypeError) as caught:
        to_json_value(value)
    assert message == str(caught.value)
