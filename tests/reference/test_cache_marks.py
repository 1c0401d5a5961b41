"""Cache marks: at most four, in object form, on a copy."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.reference.request.cache_marks import (
    CACHE_MARK,
    add_cache_mark_to_last_block,
    add_cache_marks_to_latest_turns,
)

TEXTS = st.sampled_from(["", "Hello", "Go on."]).map(lambda text: {"type": "text", "text": text})
RESULTS = st.just({"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "ok"}]})
MARKS = st.sampled_from([{}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}])
BLOCKS = st.builds(lambda block, mark: {**block, **mark}, TEXTS | RESULTS, MARKS)
CONTENTS = st.sampled_from(["Hello"]) | st.lists(BLOCKS, max_size=4)
MESSAGES = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content}, st.sampled_from(["user", "assistant"]), CONTENTS
    )
)


def marks(value: Any) -> int:
    """How many marks there are."""
    return json.dumps(value).count('"cache_control"')


def test_the_latest_turns_of_the_user_are_marked_at_their_end() -> None:
    """The last block of each that can hold a mark; a text alone becomes a block."""
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "First"},
        {"role": "assistant", "content": [{"type": "text", "text": "Yes?"}]},
        {"role": "user", "content": "Second"},
        {"role": "user", "content": [{"type": "text", "text": "Third"}, {"type": "text", "text": ""}]},
    ]
    assert add_cache_marks_to_latest_turns(messages, 2) == [
        *messages[:2],
        {"role": "user", "content": [{"type": "text", "text": "Second", "cache_control": CACHE_MARK}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Third", "cache_control": CACHE_MARK}, {"type": "text", "text": ""}],
        },
    ]


@given(MESSAGES, st.integers(0, 4))
def test_there_are_never_more_marks_than_asked_for(messages: list[dict[str, Any]], most: int) -> None:
    """Whatever marks stood in the messages before; and the messages themselves are untouched."""
    before = copy.deepcopy(messages)
    found = add_cache_marks_to_latest_turns(messages, most)
    assert marks(found) <= most
    assert before == messages


@given(MESSAGES)
def test_marks_change_nothing_else(messages: list[dict[str, Any]]) -> None:
    """Without its marks, each copy is the message that it was made of."""
    unmarked = add_cache_marks_to_latest_turns(messages, 0)
    found = add_cache_marks_to_latest_turns(add_cache_marks_to_latest_turns(messages, 2), 0)
    assert [_blocks(message) for message in unmarked] == [_blocks(message) for message in found]


def _blocks(message: dict[str, Any]) -> tuple[str, Any]:
    content = message["content"]
    return message["role"], [{"type": "text", "text": content}] if isinstance(content, str) else content


def test_the_input_of_a_tool_is_not_looked_into() -> None:
    """A key of the model's own that has the mark's name stays."""
    block = {"type": "tool_use", "id": "toolu_1", "name": "set", "input": {"cache_control": "no-store"}}
    messages = [{"role": "assistant", "content": [block]}]
    assert messages == add_cache_marks_to_latest_turns(messages, 2)


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking"])
def test_thinking_cannot_be_marked(kind: str) -> None:
    """A turn that holds nothing else stays without a mark."""
    messages = [{"role": "user", "content": [{"type": kind}]}]
    assert messages == add_cache_marks_to_latest_turns(messages, 2)


def test_a_tail_is_marked_once() -> None:
    """The last tool or system block, in place of any other mark; nothing where there is none."""
    tools = [{"name": "a", "cache_control": {"type": "ephemeral"}}, {"name": "b"}]
    assert [{"name": "a"}, {"name": "b", "cache_control": CACHE_MARK}] == add_cache_mark_to_last_block(tools)
    assert [] == add_cache_mark_to_last_block([])
