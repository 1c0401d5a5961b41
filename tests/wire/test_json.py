"""JSON that somebody else wrote."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.json import MAX_JSON_NESTING, decode_json, decode_json_object, is_nested_too_deep


def _nested(levels: int, value: Any) -> Any:
    """The value inside lists and objects, in turns."""
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


@given(st.integers(0, 2 * MAX_JSON_NESTING), st.sampled_from([0, "[{" * 200, None]), st.integers(0, MAX_JSON_NESTING))
def test_levels_are_counted_and_nothing_else(levels: int, inner: Any, beside: int) -> None:
    """Brackets in strings do not count, and neither do values side by side."""
    value = {"one": _nested(levels, inner), "many": [[] for _ in range(beside)]}
    deep = levels + 1 > MAX_JSON_NESTING
    text = json.dumps(value)
    assert (deep, deep) == (is_nested_too_deep(text, value), is_nested_too_deep(text.encode(), value))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[" * 100_000, "[" * 101 + "]" * 101, '["\\ud800", ' + "[" * 101 + "]" * 102]
)
def test_what_cannot_be_decoded_is_none_or_the_default(data: bytes | str) -> None:
    """No error escapes, whether it is broken, not UTF-8 or nested too deeply."""
    assert (None, data, {}) == (decode_json(data), decode_json(data, default=data), decode_json_object(data))


def test_json_is_decoded_from_bytes_and_text() -> None:
    """An object is returned as it is; of any other value only `decode_json` returns anything."""
    assert [{"a": [1]}, {"a": [1]}, {"a": [1]}] == [
        decode_json(b'{"a":[1]}'),
        *map(decode_json_object, ('{"a":[1]}', b'{"a":[1]}')),
    ]
    assert ([1], {}) == (decode_json("[1]"), decode_json_object("[1]"))
