"""The nearest requests at first sight."""

import json
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette.match.nearest import _common_prefix_length, nearest_requests
from flag_harness.wire.timeline import Headers, Request

TURNS = [{"role": "user", "content": f"turn {number}"} for number in range(4)]


def _request(body: Any, path: str = "/v1/messages", method: str = "POST", headers: Headers = ()) -> Request:
    return Request(method, path, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


ASKED = {"model": "m", "system": "new words", "messages": TURNS, "max_tokens": 5}


@pytest.mark.parametrize(
    ("asked", "near", "far"),
    [
        (_request(ASKED), _request({**ASKED, "system": "old"}), _request({**ASKED, "system": "old", "model": "n"})),
        (_request(ASKED), _request({**ASKED, "messages": TURNS[:3]}), _request({**ASKED, "messages": TURNS[:2]})),
        (_request(ASKED), _request({**ASKED, "messages": TURNS[1:]}), _request({**ASKED, "messages": TURNS[2:]})),
        (_request(ASKED), _request(dict(reversed({**ASKED, "model": "n"}.items()))), _request({"model": "m"})),
        (_request(ASKED), _request({**ASKED, "system": "new word"}), _request({**ASKED, "system": "old word!"})),
        (_request(ASKED), _request({**ASKED, "system": "the words"}), _request({**ASKED, "system": "new letter"})),
        (_request(b"", "/v1/files/a/b"), _request(b"", "/v1/files/a/c"), _request(b"", "/v1/models/x/c")),
        (_request(b"", "/x"), _request(b"", "/x", headers=(("anthropic-beta", "a"),)), _request(b"", "/y", "GET")),
        (_request(b"\xffab"), _request(b"\xffac"), _request(b"\xfebc")),
        (_request([1, 2]), _request([1, 3]), _request([4, 5, 6])),
    ],
)
def test_what_shares_most_is_nearest(asked: Request, near: Request, far: Request) -> None:
    """Members and messages by themselves, wherever they stand; then how it begins and ends; bodies that are none."""
    assert [1, 0] == nearest_requests(asked, enumerate([far, near]), 2)
    assert [0] == nearest_requests(asked, enumerate([near, far]), 1)


def test_a_conversation_all_of_whose_messages_changed_is_known_by_its_length() -> None:
    """And of equals, the first is nearest."""
    turns = [{"role": "user", "content": f"turn {number}, then"} for number in range(4)]
    recorded = [_request({"messages": TURNS[:length], "n": 1}) for length in (2, 3, 4, 4, 1)]
    assert [2, 3, 1] == nearest_requests(_request({"messages": turns, "n": 1}), enumerate(recorded), 3)


@given(st.binary(max_size=9), st.binary(max_size=9), st.binary(max_size=9))
def test_common_bytes_are_counted(start: bytes, one: bytes, other: bytes) -> None:
    """As one by one would."""
    pairs = zip(start + one, start + other, strict=False)
    common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    assert common == _common_prefix_length(start + one, start + other)
