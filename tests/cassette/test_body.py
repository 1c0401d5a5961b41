"""Bytes in the most readable form that loses nothing."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flag_harness.cassette.file.body import EncodedBody, decode_body, encode_body, encode_chunk

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
    for form in (encode_body(data), encode_chunk(data)):
        assert data == decode_body(form.form, form.value)


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b'{"b":1,"a":[null,"\xc3\xa9"]}', EncodedBody("json", {"b": 1, "a": [None, "é"]})),
        (b"null", EncodedBody("json", None)),
        (b'{"b": 1}', EncodedBody("text", '{"b": 1}')),
        (b"event: ping\n\n", EncodedBody("text", "event: ping\n\n")),
        (b"", EncodedBody("text", "")),
        (b"\xff\x00", EncodedBody("base64", "/wA=")),
    ],
)
def test_the_most_readable_form_is_chosen(data: bytes, form: EncodedBody) -> None:
    """JSON where writing it again gives the same bytes, else text, else base64."""
    assert form == encode_body(data)


@pytest.mark.parametrize(("levels", "kind"), [(100, "json"), (101, "text")])
def test_what_is_too_deep_is_text(levels: int, kind: str) -> None:
    """Laying it out would exhaust the stack."""
    assert kind == encode_body(b"[" * levels + b"]" * levels).form


@given(st.recursive(st.none() | st.integers(-9, 9) | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_a_part_of_something_is_never_json(value: object) -> None:
    """A chunk of a stream stands as the text that it is."""
    assert "text" == encode_chunk(repr(value).encode()).form


def test_json_too_deep_to_be_laid_out_stays_text() -> None:
    """A hundred levels are laid out, more are kept as they came."""
    assert "json" == encode_body(b"[" * 100 + b"]" * 100).form
    assert "text" == encode_body(b"[" * 101 + b"]" * 101).form
    assert "text" == encode_body(b'{"a":' * 101 + b"1" + b"}" * 101).form


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
        decode_body(kind, value)  # type: ignore[arg-type]
