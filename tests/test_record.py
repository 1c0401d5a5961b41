"""The run record: what a row holds, how it travels, and what it does not reveal."""

import json

import msgspec
import pytest

from flag_harness.record import RequestRecord, RunRow, body_hash, row_from_builtins
from flag_harness.wire.usage import Usage

ROW = RunRow(
    case="test_a.py::test_a[streaming]",
    combination="streaming",
    outcome="failed",
    phase="teardown",
    requests=(
        RequestRecord("POST", "/v1/messages", 200, body_hash(b"{}")),
        RequestRecord("GET", "/v1/models", None, ""),
    ),
    errors=1,
    usage=Usage(input_tokens=12, output_tokens=5, cache_read_input_tokens=7),
    cost=0.25,
    first_token=0.5,
    seconds=1.5,
    cassette="recordings/test_a/test_a[streaming].json",
    recorded_from="live",
    recorded_at="2026-01-02T03:04:05Z",
    rebased=True,
    faults=("overloaded:on=1",),
)


def test_a_row_survives_json() -> None:
    """Whatever a worker sends as plain values is the same row on the other side."""
    assert ROW == row_from_builtins(json.loads(json.dumps(ROW.to_builtins())))


def test_keys_of_a_later_version_are_ignored() -> None:
    """A file of a newer release can be read."""
    assert ROW == row_from_builtins({**ROW.to_builtins(), "added_later": 1})


def test_a_wrong_value_is_named() -> None:
    """The error says which field it is, and what was expected."""
    with pytest.raises(msgspec.ValidationError, match=r"Expected `int`, got `str` - at `\$\.errors`"):
        row_from_builtins({**ROW.to_builtins(), "errors": "many"})


def test_a_row_cannot_be_changed() -> None:
    """It is replaced instead, so no reader can alter what another reads."""
    with pytest.raises(AttributeError, match="immutable"):
        ROW.outcome = "passed"  # type: ignore[misc]


def test_equal_bodies_have_equal_hashes_under_one_key() -> None:
    """Other bodies, and other keys, give other hashes; none contains the body."""
    assert body_hash(b'{"a":1}') == body_hash(b'{"a":1}')
    assert 3 == len({body_hash(b'{"a":1}'), body_hash(b'{"a":2}'), body_hash(b'{"a":1}', b"another key")})
    assert 32 == len(body_hash(b""))
