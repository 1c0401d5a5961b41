"""Normalisers: what takes no part in matching."""

import json
from typing import Any

import pytest

from flag_harness.cassette import NO_NORMALISERS, Cassette, CassetteMetadata, Interaction, Normalisers, replay
from flag_harness.errors import CassetteMiss, ConfigError
from flag_harness.wire.timeline import End, Head, Request

METADATA = CassetteMetadata("live", "2026-01-02T03:04:05Z")
ANSWER = (Head(0.0, 200, ()), End(0.0))
VALUE = {"a": {"b": [1, {"c": "x"}]}, "d": [{"c": 2, "e": 3}]}
N = "NORMALISED"


def _cassette(body: Any, path: str = "/v1/messages") -> Cassette:
    return Cassette(METADATA, (Interaction(Request("POST", path, (), json.dumps(body).encode()), ANSWER),))


def _asked(body: Any, path: str = "/v1/messages") -> Request:
    return Request("POST", f"https://api.anthropic.com{path}", (), json.dumps(body).encode())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", {"a": N, "d": [{"c": 2, "e": 3}]}),
        ("a.b[0]", {"a": {"b": [N, {"c": "x"}]}, "d": [{"c": 2, "e": 3}]}),
        ("d[*].c", {"a": {"b": [1, {"c": "x"}]}, "d": [{"c": N, "e": 3}]}),
        ("*.b", {"a": {"b": N}, "d": [{"c": 2, "e": 3}]}),
        ("**.c", {"a": {"b": [1, {"c": N}]}, "d": [{"c": N, "e": 3}]}),
        ("a.**", {"a": N, "d": [{"c": 2, "e": 3}]}),
        ("a.b.c", VALUE),
        ("d[7].c", VALUE),
    ],
)
def test_a_json_path_takes_out_a_value(path: str, expected: Any) -> None:
    """With all below it; a path that leads nowhere takes out nothing."""
    assert expected == Normalisers(json=(path,)).normalise_value(VALUE)


def test_both_sides_are_normalised_before_they_are_compared() -> None:
    """By pattern and by path; the stored cassette is what it was."""
    recorded = {"system": "It is 2026-01-02 now.", "metadata": {"user_id": "a"}, "n": [1, None]}
    cassette = _cassette(recorded, "/v1/messages?run=2026-01-02")
    normalisers = Normalisers(patterns=(r"\d{4}-\d\d-\d\d",)) + Normalisers(json=("metadata.user_id",))
    sent = {"system": "It is 2027-03-04 now.", "metadata": {"user_id": 7}, "n": [1, None]}
    before = cassette.interactions[0].request
    assert ANSWER == replay(cassette, normalisers=normalisers)(_asked(sent, "/v1/messages?run=2027-03-04"))
    assert before == cassette.interactions[0].request
    assert replay(cassette).find_answer(_asked(sent, "/v1/messages?run=2027-03-04")) is None


def test_a_miss_shows_what_the_normalisers_leave() -> None:
    """The rest is not why it was missed."""
    upstream = replay(_cassette({"at": "12:00", "n": 1}), normalisers=Normalisers(json=("at",)))
    with pytest.raises(CassetteMiss) as caught:
        upstream(_asked({"at": "13:00", "n": 2}))
    assert (
        "POST /v1/messages is not in the cassette (1 interaction).\n"
        "The nearest is interaction 0; it differs in:\n"
        "  n: recorded 1, sent 2" == str(caught.value)
    )


def test_a_body_that_is_no_json_stays_as_it_is() -> None:
    """Bytes have no texts."""
    request = Request("POST", "/v1/files", (), b"\xff")
    assert request == Normalisers(patterns=("x",)).normalise_request(request)
    assert request is NO_NORMALISERS.normalise_request(request)
    assert not NO_NORMALISERS


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"patterns": "x"}, "normalise: patterns = 'x' must be a list of strings"),
        ({"json": [1]}, "normalise: json = [1] must be a list of strings"),
        (
            {"patterns": ["("]},
            "normalise: the pattern '(' is not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        (
            {"patterns": ["(?P<a>x)", "(?P<a>y)"]},
            "normalise: the patterns '(?P<a>x)', '(?P<a>y)' cannot be combined: redefinition of group name 'a' "
            "as group 2; was group 1 at position 20; use no named groups, and write flags as (?i:...)",
        ),
        *(
            (
                {"json": [path]},
                f"normalise: {path!r} is not a JSON path; separate names by dots and use [0], [*], * or ** in "
                "between, as in 'messages[*].content' or '**.created_at'",
            )
            for path in ("", ".a", "a..b", "a[x]", "a]")
        ),
    ],
)
def test_a_mistake_is_named(given: Any, message: str) -> None:
    """With what to write instead."""
    with pytest.raises(ConfigError) as caught:
        Normalisers(**given)
    assert message == str(caught.value)
