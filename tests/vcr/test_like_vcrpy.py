"""Requests, matchers and filters, compared with those of vcrpy itself on whatever requests there may be."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.vcr import VcrRequest
from flag_harness.vcr.filters import (
    apply_filters,
    make_header_filter,
    make_host_filter,
    make_post_data_filter,
    make_query_filter,
    parse_replacements,
)
from flag_harness.vcr.matchers import MATCHERS, failing_matchers

vcr_filters = pytest.importorskip("vcr.filters")
vcr_matchers = pytest.importorskip("vcr.matchers")
vcr_request = pytest.importorskip("vcr.request")

NAMES = st.sampled_from(["a", "b", "key", "api:key"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "ä"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "text/plain", "", "multipart/form-data; boundary=x"]
)
BODIES = st.one_of(
    st.dictionaries(NAMES, JSON).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [b"", b"a=1&key=2&b", b"api%3Akey=3&key=", b"key=\xff&a=1", b"\xff=1&a=1", b"not json", b"a=1&key=2&a=3"]
    ),
)
URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["one.example", "ONE.example", "one.example:8080", "127.0.0.1", "[::1]:443"]),
    st.sampled_from(["", "/", "/v1/messages", "/v1//x"]),
    st.sampled_from(["", "?a=1&key=2", "?key=2&a=1", "?b=&a=%20x&a=1"]),
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, URL, body and headers."""
    headers = draw(st.dictionaries(st.sampled_from(["Authorization", "x-key", "X-Other"]), st.sampled_from("xy")))
    if kind := draw(KINDS):
        headers["Content-Type"] = kind
    return draw(st.sampled_from(["GET", "POST"])), draw(URLS), draw(BODIES), headers


def _theirs(request: tuple[str, str, bytes, dict[str, str]]) -> Any:
    return vcr_request.Request(*request)


@given(requests())
def test_a_request_says_what_vcrpys_says(request: tuple[str, str, bytes, dict[str, str]]) -> None:
    """All that a matcher or filter may ask."""
    ours, theirs = VcrRequest(*request), _theirs(request)
    for name in ("method", "uri", "url", "scheme", "protocol", "host", "port", "path", "query", "body"):
        assert getattr(theirs, name) == getattr(ours, name), name
    assert dict(theirs.headers) == dict(ours.headers)
    assert repr(theirs) == repr(ours)


@given(requests(), requests(), st.booleans())
def test_matchers_agree(
    sent: tuple[str, str, bytes, dict[str, str]], recorded: tuple[str, str, bytes, dict[str, str]], same: bool
) -> None:
    """On equal requests, on those that differ in the body alone, and on any two."""
    if same:
        recorded = (*sent[:2], recorded[2], sent[3])
    names = [*sorted(MATCHERS.keys() - {"url"})]
    theirs = [getattr(vcr_matchers, name) for name in names]
    expected = vcr_matchers.get_matchers_results(_theirs(sent), _theirs(recorded), theirs)
    found = failing_matchers(VcrRequest(*sent), VcrRequest(*recorded), {name: MATCHERS[name] for name in names})
    assert [name for name, _ in expected[1]] == found


NEW = st.sampled_from([None, "NEW", lambda key, value, request: f"{key}!", lambda key, value, request: None])


@given(requests(), st.dictionaries(st.sampled_from(["authorization", "X-KEY", "absent"]), NEW))
def test_headers_are_filtered_alike(request: tuple[str, str, bytes, dict[str, str]], wanted: dict[str, Any]) -> None:
    """In any case of their names."""
    theirs = vcr_filters.replace_headers(_theirs(request), list(wanted.items()))
    ours = apply_filters(VcrRequest(*request), [make_header_filter(wanted)])
    assert ours is not None
    assert dict(theirs.headers) == dict(ours.headers)


@given(requests(), st.dictionaries(NAMES, NEW, min_size=1))
def test_query_parameters_are_filtered_alike(
    request: tuple[str, str, bytes, dict[str, str]], wanted: dict[str, Any]
) -> None:
    """The URL that is left is the same, letter by letter."""
    theirs = vcr_filters.replace_query_parameters(_theirs(request), list(wanted.items()))
    ours = apply_filters(VcrRequest(*request), [make_query_filter(wanted)])
    assert ours is not None
    assert theirs.uri == ours.uri


@given(requests(), st.dictionaries(NAMES, NEW, min_size=1), st.booleans())
def test_bodies_are_filtered_alike(
    request: tuple[str, str, bytes, dict[str, str]], wanted: dict[str, Any], nested: bool
) -> None:
    """What JSON says, and what stands in a form; a body that is not what its type says is left alone here."""
    ours = apply_filters(VcrRequest(*request), [make_post_data_filter(wanted, nested)])
    assert ours is not None
    try:
        theirs = vcr_filters.replace_body_parameters(_theirs(request), list(wanted.items()), recursive=nested)
    except ValueError:
        assert request[2] == ours.body
        return
    if request[3].get("Content-Type") == "application/json" and request[2]:
        assert json.loads(theirs.body) == json.loads(ours.body)
    else:
        assert theirs.body == ours.body


@pytest.mark.parametrize(
    ("host", "left"), [("one.example", False), ("two.example", False), ("two.example.org", True), ("other", True)]
)
def test_hosts_are_ignored_by_name_or_whole_expression(host: str, left: bool) -> None:
    """As vcrpy has it since patterns may be given."""
    filters = [make_host_filter(["one.example", re.compile(r"two\.\w+")])]
    request = VcrRequest("GET", f"https://{host}/", b"", {})
    assert left is (apply_filters(request, filters) is not None)


@pytest.mark.parametrize("entry", [3, ("a",), (1, "x")])
def test_an_entry_that_is_no_name_and_no_pair_is_refused(entry: Any) -> None:
    """With the entry."""
    message = re.escape(f"{entry!r} is neither a name nor a pair of a name and its replacement")
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_replacements([entry])


@pytest.mark.parametrize("verdict", [None, True, 1, False, 0, AssertionError])
def test_a_matcher_says_no_with_something_false_or_an_assertion(verdict: Any) -> None:
    """Nothing at all is a yes."""

    def matcher(sent: Any, recorded: Any) -> Any:
        if verdict is AssertionError:
            raise AssertionError
        return verdict

    found = vcr_matchers.get_matchers_results(1, 2, [matcher])
    request = VcrRequest("GET", "https://one.example/", b"", {})
    assert [name for name, _ in found[1]] == failing_matchers(request, request, {"matcher": matcher})


def test_headers_are_a_mapping_of_their_own() -> None:
    """Equal in any case of their names, to any mapping; a copy is another."""
    headers = VcrRequest("GET", "https://one.example/", b"", {"X-A": "1"}).headers
    other = headers.copy()
    del other["x-a"]
    assert ({"x-a": "1"}, {}) == (headers, other)
    assert (1, 0) == (len(headers), len(other))
