"""Bytes in the most readable form that loses nothing."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flag_harness.cassette.file.body import Stored, restored, stored, stored_text

JSON_BYTES = st.text('[]{}",:\\u0123456789.eE+-truefalsn \n', max_size=20).map(str.encode)


@given(st.one_of(st.binary(), st.text().map(str.encode), JSON_BYTES))
@example(b'{"a":1,"a":2}')
@example(b'{"a": 1}')
@example(b'{"at":1.10}')
@example(b"-0")
@example(b"1e999")
@example(b'"\\ud800"')
@example(b'"\xff"')
@example(b'"caf\\u00e9"')
@example(b"123456789012345678901234567890")
@example(b"[" * 300 + b"]" * 300)
@example(b"[" * 100_000)
def test_any_bytes_come_back_as_they_were(data: bytes) -> None:
    """Whole bodies, and parts of one."""
    for form in (stored(data), stored_text(data)):
        assert data == restored(form.kind, form.value)


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b'{"b":1,"a":[null,"\xc3\xa9"]}', Stored("json", {"b": 1, "a": [None, "é"]})),
        (b"null", Stored("json", None)),
        (b'{"b": 1}', Stored("text", '{"b": 1}')),
        (b"event: ping\n\n", Stored("text", "event: ping\n\n")),
        (b"", Stored("text", "")),
        (b"\xff\x00", Stored("base64", "/wA=")),
    ],
)
def test_the_most_readable_form_is_chosen(data: bytes, form: Stored) -> None:
    """JSON where writing it again gives the same bytes, else text, else base64."""
    assert form == stored(data)


@pytest.mark.parametrize(("levels", "kind"), [(100, "json"), (101, "text")])
def test_what_is_too_deep_is_text(levels: int, kind: str) -> None:
    """Laying it out would exhaust the stack."""
    assert kind == stored(b"[" * levels + b"]" * levels).kind


@given(st.recursive(st.none() | st.integers(-9, 9) | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_a_part_of_something_is_never_json(value: object) -> None:
    """A chunk of a stream stands as the text that it is."""
    assert "text" == stored_text(repr(value).encode()).kind


def test_json_too_deep_to_be_laid_out_stays_text() -> None:
    """A hundred levels are laid out, more are kept as they came."""
    assert "json" == stored(b"[" * 100 + b"]" * 100).kind
    assert "text" == stored(b"[" * 101 + b"]" * 101).kind
    assert "text" == stored(b'{"a":' * 101 + b"1" + b"}" * 101).kind


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("text", 5, "text must be a string, not 5"),
        ("base64", ["x"], "base64 must be a string, not ['x']"),
        ("base64", "a!", "Only base64 data is allowed"),
        (
            "base64",
            "a",
            "Invalid base64-encoded string: number of data characters (1) cannot be 1 more than a multiple of 4",
        ),
    ],
)
def test_what_is_not_of_its_kind_is_refused(kind: object, value: object, message: str) -> None:
    """In words that a person who edited the file can use."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        restored(kind, value)  # type: ignore[arg-type]
