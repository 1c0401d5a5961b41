"""The shapes of headers, bodies and statuses in foreign files."""

from typing import Any

import pytest

from flag_harness.cassette.importers.shapes import (
    encode_parsed_body,
    parse_body,
    parse_headers,
    parse_mapping,
    parse_method,
    parse_status,
    parse_text,
)


@pytest.mark.parametrize(
    "shape",
    [
        {"A": ["1", "2"], "B": "3"},
        {"A": ["1\r\n", "2"], "B": "3\n"},
        {b"A": [b"1", b"2"], "B": 3},
        [["A", "1"], ["A", "2"], ["B", "3"]],
        [{"name": "A", "value": ["1", "2"]}, {"name": "B", "value": "3"}],
        ["A: 1\r\n", "A: 2\r\n", "B: 3\r\n"],
    ],
)
def test_headers_in_every_shape_are_pairs(shape: Any) -> None:
    """Lists, strings, bytes, pairs, lines and records say the same."""
    assert (("A", "1"), ("A", "2"), ("B", "3")) == parse_headers(shape)


def test_no_headers_are_none() -> None:
    """Neither a missing key nor an empty mapping; a header without a value is empty."""
    assert () == parse_headers(None) == parse_headers({})
    assert (("A", ""),) == parse_headers({"A": None})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("A: 1", "headers must be a mapping or a list, not 'A: 1'"),
        (["A"], "a header must be a name and a value, not 'A'"),
        ([["A", "1", "2"]], "a header must be a name and a value, not a list of 3"),
        ({"A": {"b": 1}}, "a header's value must be text, not a mapping of 1"),
        ({1: "b"}, "a header's name must be text, not 1"),
    ],
)
def test_other_headers_are_refused(shape: Any, message: str) -> None:
    """The message shows what stands there, in few characters."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_headers(shape)
    assert message == str(caught.value)


@pytest.mark.parametrize(
    "shape",
    [
        "hé",
        "hé".encode(),
        ["h", b"\xc3\xa9"],
        {"string": "hé"},
        {"string": "hé".encode()},
        {"base64_string": "aMOp"},
        {"base64_string": "aM\nOp\r\n"},
        {"string": "aMOp\n", "encoding": "base64"},
        {"string": "aMOp", "encoding": "base64"},
        {"string": "hé", "encoding": "UTF-8"},
    ],
)
def test_bodies_in_every_shape_are_bytes(shape: Any) -> None:
    """Text is UTF-8."""
    assert "hé".encode() == parse_body(shape)


@pytest.mark.parametrize("shape", [None, {}, "", {"string": None}, []])
def test_a_body_may_be_empty(shape: Any) -> None:
    """However the file says so."""
    assert b"" == parse_body(shape)


@pytest.mark.parametrize(
    ("shape", "shown"),
    [(12, "12"), ({"file": "x"}, "a mapping of 1"), ({"string": {"string": "x"}}, "a mapping of 1")],
)
def test_other_bodies_are_refused(shape: Any, shown: str) -> None:
    """A number or a mapping of other keys is no body."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_body(shape)
    assert f"body must be text, bytes, or a mapping with string, not {shown}" == str(caught.value)


@pytest.mark.parametrize("shape", [{"base64_string": "!!!!"}, {"string": "!!!!", "encoding": "base64"}])
def test_base64_that_is_none_is_refused(shape: Any) -> None:
    """It would be a body of nothing."""
    with pytest.raises(ValueError, match=r"\Abody is not base64: '!!!!'\Z"):
        parse_body(shape)


def test_a_status_is_a_number_its_digits_or_a_line() -> None:
    """R writes it as digits."""
    assert (200, 529, 404) == (parse_status("200"), parse_status(529), parse_status("404 Not Found"))


@pytest.mark.parametrize(("value", "method"), [("POST", "POST"), ("post", "POST"), (b"get", "GET")])
def test_a_method_is_in_capitals(value: Any, method: str) -> None:
    """However it is written."""
    assert method == parse_method(value)


@pytest.mark.parametrize(("value", "shown"), [("", "''"), ("P T", "'P T'"), ("x" * 17, "'xxxxxxxxxxxxxxxxx'")])
def test_other_methods_are_refused(value: Any, shown: str) -> None:
    """With what stands there."""
    with pytest.raises(ValueError, match=rf"\Amethod {shown} is invalid\Z"):
        parse_method(value)


@pytest.mark.parametrize("status", [None, True, 99, 600, "20", "2xx", "2000", "600", "200OK", 200.0])
def test_other_statuses_are_refused(status: Any) -> None:
    """Nothing that HTTP does not have."""
    with pytest.raises(ValueError, match=r"\Astatus must be a number from 100 to 599, not "):
        parse_status(status)


def test_text_and_mappings_are_named_where_they_are_none() -> None:
    """The key that is wrong stands in the message."""
    assert "x" == parse_text(b"x", "uri")
    with pytest.raises(ValueError, match=r"\Auri must be text, not None\Z"):
        parse_text(None, "uri")
    with pytest.raises(ValueError, match=r"\Arequest must be a mapping, not a list of 0\Z"):
        parse_mapping([], "request")


def test_a_parsed_body_becomes_compact_json() -> None:
    """As the SDK's own bytes would look, keys in the file's order."""
    assert '{"b":"é","a":[1,null]}'.encode() == encode_parsed_body({"b": "é", "a": [1, None]})


@pytest.mark.parametrize("value", [b"x", {"a": b"x"}])
def test_a_parsed_body_that_json_cannot_say_is_refused(value: Any) -> None:
    """Bytes inside it, say."""
    with pytest.raises(ValueError, match=r"\Aparsed_body holds what JSON cannot represent: "):
        encode_parsed_body(value)
