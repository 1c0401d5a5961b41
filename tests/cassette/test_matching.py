"""Which recorded request a new one equals."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette.match.matching import beta_features, canonical_path, decode_comparable_body, matching_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(one, chance) for one in value] if isinstance(value, list) else value


def _key(body: bytes = b"{}", path: str = "/v1/messages", headers: Any = (), method: str = "POST") -> bytes:
    return matching_key(method, path, headers, decode_comparable_body(body))


@given(JSON, st.randoms(use_true_random=False))
def test_neither_key_order_nor_white_space_matter(value: Any, chance: random.Random) -> None:
    """The SDK's `create` and `stream` order the keys of a body differently."""
    again = json.dumps(_shuffled(value, chance), indent=1, ensure_ascii=False).encode()
    assert _key(json.dumps(value).encode()) == _key(again)


@given(JSON, JSON)
def test_different_bodies_have_different_keys(one: Any, other: Any) -> None:
    """Numbers and truth values are not the same, though Python takes 1 for True."""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert same == (_key(json.dumps(one).encode()) == _key(json.dumps(other).encode()))


@given(st.binary(), st.binary())
def test_bodies_that_are_no_json_match_byte_by_byte(one: bytes, other: bytes) -> None:
    """A prefix keeps them from being any."""
    assert (one == other) == (_key(b"\x00" + one) == _key(b"\x00" + other))


@given(st.permutations(["a-2024", "b-2025", "c-2026"]))
def test_betas_are_a_set(order: list[str]) -> None:
    """In any order, over several headers, named twice, in any case of the header's name."""
    plain = _key(headers=(("anthropic-beta", "a-2024,b-2025,c-2026"),))
    split = (("Anthropic-Beta", f"{order[0]} , {order[1]}"), ("anthropic-beta", f"{order[2]},{order[0]},"))
    assert plain == _key(headers=split)
    assert plain != _key(headers=(("anthropic-beta", "a-2024,b-2025"),))


def test_an_empty_beta_header_asks_for_nothing() -> None:
    """`betas=[]` sends one."""
    assert () == beta_features((("anthropic-beta", ""),))
    assert _key() == _key(headers=(("anthropic-beta", " , "),))


def test_authentication_and_version_take_no_part() -> None:
    """Another key, or another SDK, finds the same answer."""
    assert _key() == _key(headers=(("x-api-key", "k"), ("authorization", "Bearer k"), ("anthropic-version", "2026")))


def test_method_path_and_query_take_part() -> None:
    """The order of the query does not."""
    assert 3 == len({_key(), _key(method="GET"), _key(path="/v1/messages?limit=2")})
    assert _key() == _key(path="/v1/messages?beta=true"), "older SDKs name the namespace"
    assert _key(path="/v1/models?limit=2&after_id=x") == _key(path="/v1/models?after_id=x&limit=2")


@pytest.mark.parametrize(
    ("path", "canonical"),
    [("/v1/models", "/v1/models"), ("/v1/models?", "/v1/models"), ("/a?c=&b=2&b=1", "/a?b=1&b=2&c=")],
)
def test_a_path_is_put_in_order(path: str, canonical: str) -> None:
    """Blank values are kept."""
    assert canonical == canonical_path(path)


@pytest.mark.parametrize("body", [b"", b"{", b'"\xff"', b"[" * 100_000])
def test_a_body_that_is_no_json_stands_for_itself(body: bytes) -> None:
    """Broken, not UTF-8, or nested beyond what can be read."""
    assert body == decode_comparable_body(body)


@pytest.mark.parametrize(("levels", "kind"), [(100, list), (101, bytes), (100_000, bytes)])
def test_a_body_that_is_too_deep_is_its_bytes(levels: int, kind: type) -> None:
    """Nobody could walk it."""
    assert isinstance(decode_comparable_body(b"[" * levels + b"]" * levels), kind)
