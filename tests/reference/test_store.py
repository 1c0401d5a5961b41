"""Contexts in files."""

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flag_harness.errors import ContextError
from flag_harness.reference.context.context import ConversationContext, ToolCallState
from flag_harness.reference.context.store import find_repairs_of_saved_context, load_context, save_context
from flag_harness.reference.tools.tool import ToolOutcome
from flag_harness.wire.usage import Usage

NEXT = "restore it from a copy, or start a new session"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30, max_value=10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
CONTEXT = ConversationContext(
    messages=(
        {"role": "user", "content": "Grüße"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"b": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]},
    ),
    usage=Usage(input_tokens=5, output_tokens=7, cache_creation_input_tokens=3, cache_creation_1h=3, thinking_tokens=2),
    combination="streaming+prompt_cache",
    model="claude-haiku-4-5",
    dropped_features=("computer-use-2025-11-24",),
    call_states_by_id={"toolu_1": ToolCallState(ToolOutcome("toolu_1", "ok", True)), "toolu_2": ToolCallState()},
)


def body(context: ConversationContext) -> str:
    """The messages as they stand in a request: every byte counts."""
    return json.dumps(context.messages, ensure_ascii=False, separators=(",", ":"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.text(), JSON)), JSON)
def test_what_was_saved_is_what_is_loaded_to_the_byte(tmp_path: Path, inputs: list[Any], extra: Any) -> None:
    """Order of keys, characters, floats and big numbers, anywhere in the messages."""
    blocks = [{"type": "tool_use", "id": f"toolu_{n}", "name": "x", "input": value} for n, value in enumerate(inputs)]
    context = ConversationContext(
        messages=({"role": "user", "content": "go"}, {"extra": extra, "role": "assistant", "content": blocks})
    )
    save_context(context, tmp_path / "context.json")
    loaded = load_context(tmp_path / "context.json")
    assert context == loaded
    assert body(context) == body(loaded)


def test_all_of_a_context_comes_back_and_a_second_save_writes_the_same(tmp_path: Path) -> None:
    """Usage, flags, model, refused features and ledger too; also where no flags are known yet."""
    first, second = tmp_path / "deep" / "first.json", tmp_path / "second.json"
    save_context(ConversationContext(), first)
    assert ConversationContext() == load_context(first)
    save_context(CONTEXT, first)
    assert CONTEXT == load_context(first)
    save_context(load_context(first), second)
    assert first.read_bytes() == second.read_bytes()


def test_a_file_can_be_read_by_people(tmp_path: Path) -> None:
    """Indented, in plain characters, and it says which harness wrote it."""
    path = tmp_path / "context.json"
    save_context(CONTEXT, path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert ["{", '  "version": 1,', f'  "harness": "{version("flag-harness")}",'] == lines[:3]
    assert '      "content": "Grüße"' in lines


def test_sdk_objects_are_saved_as_what_the_api_sent(tmp_path: Path) -> None:
    """A session may hold the SDK's own blocks."""
    from anthropic.types import Message

    document = {"id": "msg_1", "content": [{"type": "text", "text": "Hi"}], "role": "assistant", "type": "message"}
    message = Message.model_validate({**document, "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}})
    save_context(
        ConversationContext(
            messages=({"role": "user", "content": "Hi"}, {"role": "assistant", "content": message.content})
        ),
        tmp_path / "c",
    )
    assert {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]} == load_context(tmp_path / "c").messages[
        1
    ]


def test_a_lone_surrogate_survives(tmp_path: Path) -> None:
    """No character, but JSON can spell it."""
    context = ConversationContext(messages=({"role": "user", "content": "a\ud800b"},))
    save_context(context, tmp_path / "c")
    assert context == load_context(tmp_path / "c")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object, "a context holds JSON values only, not type: <class 'object'>"),
        (float("inf"), "a context holds JSON values only, and inf is not one"),
    ],
)
def test_what_cannot_be_saved_leaves_the_old_file(tmp_path: Path, value: Any, reason: str) -> None:
    """A failed save costs nothing that was there."""
    path = tmp_path / "context.json"
    save_context(CONTEXT, path)
    with pytest.raises(ContextError) as caught:
        save_context(ConversationContext(messages=({"role": "user", "content": [value]},)), path)
    assert f"{path}: the context was not saved: {reason}; what was there before is untouched" == str(caught.value)
    assert CONTEXT == load_context(path)


def test_a_place_that_cannot_be_written_is_a_context_error(tmp_path: Path) -> None:
    """Here a file stands where the directory should."""
    (tmp_path / "file").touch()
    with pytest.raises(ContextError, match=r"file/context.json: the context was not saved: .*Not a directory|exists"):
        save_context(CONTEXT, tmp_path / "file" / "context.json")


def refused(path: Path) -> str:
    """The words with which a file is refused."""
    with pytest.raises(ContextError) as caught:
        load_context(path)
    return str(caught.value)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    """At each of its bytes but the last, which is the line's end."""
    path = tmp_path / "context.json"
    save_context(CONTEXT, path)
    data = path.read_bytes()
    for size in range(len(data) - 1):
        path.write_bytes(data[:size])
        assert refused(path).startswith(f"{path}: ")
    path.write_bytes(data[: data.index(b'"Gr') + 3])
    assert f"{path}: is cut off at line 36, column 18; {NEXT}" == refused(path)
    path.write_bytes(data[:2])
    assert f"{path}: is cut off at line 2, column 1; {NEXT}" == refused(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"version": 1,\n "model": x}', f"is not JSON at line 2, column 11: Expecting value; {NEXT}"),
        (b"\xff", "is not readable JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start "
         f"byte; {NEXT}"),
        (b'{"version": NaN}', f"is not readable JSON: NaN is not a finite number; {NEXT}"),
        (b'{"version": 1e999}', f"is not readable JSON: 1e999 is not a finite number; {NEXT}"),
        (b"[" * 100_000, "is not readable JSON: maximum recursion depth exceeded while decoding a JSON array "
         f"from a unicode string; {NEXT}"),
        (b'{"messages": []}', f'is not a context file: it does not start with "version"; {NEXT}'),
        (b'{"version": true}', f'is not a context file: it does not start with "version"; {NEXT}'),
        (b"[]", f'is not a context file: it does not start with "version"; {NEXT}'),
        (b'{"version": 0}', f"has version 0 of the format, and the oldest is 1; {NEXT}"),
        (b'{"version": 2, "harness": "9.1.0"}',
         f"has version 2 of the format, and flag-harness {version('flag-harness')} reads "
         "version 1; it needs flag-harness 9.1.0, which wrote it, or a later one: "
         "pip install --upgrade flag-harness"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_with_the_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    """Line and column, or the version, and what to do."""
    path = tmp_path / "context.json"
    path.write_bytes(data)
    assert f"{path}: {reason}" == refused(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the system's own reason."""
    assert f"{tmp_path / 'no'}: cannot be read: No such file or directory; check the path" == refused(tmp_path / "no")


def edited(path: Path, *keys: str | int, to: Any) -> None:
    """A context file changed by hand at one place, saved by an editor that sets a byte order mark."""
    save_context(CONTEXT, path)
    document = json.loads(path.read_bytes())
    table = document
    for key in keys[:-1]:
        table = table[key]
    if to is ...:
        del table[keys[-1]]
    else:
        table[keys[-1]] = to
    path.write_text(json.dumps(document), encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("keys", "to", "problem"),
    [
        (("model",), 5, "model must be a string, not 5"),
        (("model",), ..., "model is required"),
        (("modell",), "x", "modell is not a field of the schema"),
        (("dropped", 0), None, "dropped[0] must be a string, not null"),
        (("usage",), [], "usage must be an object, not []"),
        (("usage", "input_tokens"), "5",
         "usage.input_tokens: '5' is not a number of tokens (a whole number, 0 or more)"),
        (("ledger", "toolu_2"), {}, "ledger.toolu_2.outcome is required"),
        (("ledger", "toolu_1", "outcome", "is_error"), 1,
         "ledger.toolu_1.outcome.is_error must be true or false, not 1"),
        (("messages",), {}, "messages must be an array, not {}"),
        (("messages", 0), "Hi", 'messages[0] must be an object, not "Hi"'),
        (("messages", 0, "role"), "system", 'messages[0].role must be "user" or "assistant", not "system"'),
        (("messages", 0, "content"), None, "messages[0].content must be a string or an array, not null"),
        (("messages", 0, "content"), [{"type": "text"}], "messages[0].content[0].text is required"),
        (("messages", 1, "content", 0), "Hi", 'messages[1].content[0] must be an object, not "Hi"'),
        (("messages", 1, "content", 0, "type"), ..., "messages[1].content[0].type is required"),
        (("messages", 1, "content", 0, "input"), "{", 'messages[1].content[0].input must be an object, not "{"'),
        (("messages", 2, "content", 0, "tool_use_id"), ..., "messages[2].content[0].tool_use_id is required"),
    ],
)  # fmt: skip
def test_a_file_edited_into_a_wrong_shape_is_refused_by_its_field(
    tmp_path: Path, keys: tuple[Any, ...], to: Any, problem: str
) -> None:
    """The path of the field, what it must be, what it is."""
    path = tmp_path / "context.json"
    edited(path, *keys, to=to)
    assert f"{path}: {problem}; fix it, or {NEXT}" == refused(path)


def test_a_sound_edit_is_taken(tmp_path: Path) -> None:
    """Also with the mark that some editors set, and with blocks of types nobody knows yet."""
    path = tmp_path / "context.json"
    edited(path, "messages", 0, "content", to=[{"type": "hologram", "depth": 3}])
    assert ({"type": "hologram", "depth": 3},) == tuple(load_context(path).messages[0]["content"])


def test_verify_says_what_a_restore_would_mend_and_writes_nothing(tmp_path: Path) -> None:
    """Nothing where the file is sound."""
    path = tmp_path / "context.json"
    save_context(CONTEXT, path)
    assert [] == find_repairs_of_saved_context(path)
    save_context(ConversationContext(messages=CONTEXT.messages[:2]), path)
    before = path.read_bytes(), os.stat(path).st_mtime_ns
    assert ["the call toolu_1 of bash was not run"] == find_repairs_of_saved_context(path)
    assert before == (path.read_bytes(), os.stat(path).st_mtime_ns)
