"""vcrpy's filters of the request's body."""

from typing import Any

import pytest

from flag_harness.vcr.filters import make_post_data_filter, parse_replacements
from flag_harness.vcr.request import VcrRequest

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def _filtered(kind: str, body: bytes, names: list[Any], nested: bool) -> bytes:
    request = VcrRequest("POST", "https://api.example/x", body, {"content-type": kind})
    left = make_post_data_filter(parse_replacements(names), nested)(request)
    assert left is not None
    return bytes(left.body)


@pytest.mark.parametrize(
    ("kind", "body", "left"),
    [
        (JSON, b'{"key":1,"other":[{"key":2,"a":3}]}', b'{"other":[{"a":3}]}'),
        (JSON, b'[{"key":1},7]', b"[{},7]"),
        (JSON, b"no json", b"no json"),
        (FORM, b"key=1&other=2&bare", b"other=2&bare"),
        (FORM, b"k%65y=1&other=2", b"other=2"),
        (FORM, b"\xff=1", b"\xff=1"),
    ],
)
def test_a_name_is_left_out_of_the_body(kind: str, body: bytes, left: bytes) -> None:
    """However deep in JSON, and however it is spelled in a form; the rest stays byte by byte."""
    assert left == _filtered(kind, body, ["key"], nested=True)


def test_a_value_is_replaced_by_text_or_by_a_function_of_the_old_one() -> None:
    """In a form the others stay as they are."""
    names = [("key", "KEY"), ("id", lambda key, value, request: f"{key}-{value}")]
    assert b"key=KEY&id=id-7&x=%20" == _filtered(FORM, b"key=1&id=7&x=%20", names, nested=False)


def test_objects_in_objects_are_left_alone_unless_nested() -> None:
    """As vcrpy does by default."""
    assert b'{"a":[{"key":1}]}' == _filtered(JSON, b'{"a":[{"key":1}],"key":2}', ["key"], nested=False)
