"""What a cassette holds, as values."""

from dataclasses import replace

import pytest

from flag_harness.cassette.interaction import Interaction, is_same_recording, make_storable_request
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response

REQUEST = Request("POST", "/v1/messages", (("content-type", "application/json"),), b'{"b":1,"a":2}')
HEAD = Head(0.5, 200, (("request-id", "req_1"), ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:00Z")))
RESPONSE: Response = (HEAD, Chunk(0.6, b"one"), Chunk(0.7, b"two"), End(0.8))


def test_a_request_is_kept_without_host_and_secrets() -> None:
    """Path for URL, and the headers of the allow-list."""
    asked = Request("POST", "https://api.anthropic.com/v1/messages?beta=true", (("X-Api-Key", "k"),), b"{}")
    assert Request("POST", "/v1/messages?beta=true", (), b"{}") == make_storable_request(asked)


@pytest.mark.parametrize("path", ["/v1/messages", "//v1/unheard_of", "/v1/models?after_id=http://x/y", "/a:b@c"])
def test_keeping_a_kept_request_changes_nothing(path: str) -> None:
    """So that its key is the same at recording, after loading, and when it is asked again."""
    kept = make_storable_request(Request("GET", f"http://127.0.0.1:80{path}", (), b""))
    assert path == kept.url == kept.path
    assert kept == make_storable_request(kept)


def test_an_interaction_knows_its_json_value_and_its_key() -> None:
    """The key is that of an equal request with its keys in another order, and of no other."""
    one = Interaction(REQUEST, RESPONSE)
    assert {"a": 2, "b": 1} == one.decoded_body
    assert one.match_key == Interaction(replace(REQUEST, body=b'{"a": 2, "b": 1}'), ()).match_key
    assert one.match_key != Interaction(replace(REQUEST, body=b'{"a": 2, "b": 2}'), ()).match_key


@pytest.mark.parametrize(
    "response",
    [
        RESPONSE,
        (replace(HEAD, at=9.0), *RESPONSE[1:]),
        (HEAD, Chunk(9.0, b"onetwo"), End(9.5)),
        (HEAD, Chunk(0.0, b"o"), Chunk(0.0, b""), Chunk(0.0, b"netwo"), End(9.5)),
        (replace(HEAD, headers=(HEAD.headers[0], ("anthropic-ratelimit-tokens-reset", "later"))), *RESPONSE[1:]),
    ],
)
def test_offsets_boundaries_and_reset_moments_are_times(response: Response) -> None:
    """They differ from run to run."""
    assert is_same_recording(Interaction(REQUEST, RESPONSE), Interaction(REQUEST, response))


def test_who_sent_a_request_is_no_time() -> None:
    """Another test did, or one that has ended meanwhile."""
    one = Interaction(REQUEST, RESPONSE)
    assert not is_same_recording(one, replace(one, case="another"))
    assert not is_same_recording(one, replace(one, in_teardown=True))


@pytest.mark.parametrize(
    "response",
    [
        (replace(HEAD, status=201), *RESPONSE[1:]),
        (replace(HEAD, headers=(("request-id", "req_2"),)), *RESPONSE[1:]),
        (HEAD, Chunk(0.6, b"one"), Chunk(0.7, b"twO"), End(0.8)),
        (*RESPONSE[:-1], End(0.8, is_abandoned=True)),
        (*RESPONSE[:-1], Cut(0.8, "eof")),
        (Cut(0.8, "refused"),),
    ],
)
def test_all_else_is_not(response: Response) -> None:
    """A status, a header, a byte, and how it ended."""
    assert not is_same_recording(Interaction(REQUEST, RESPONSE), Interaction(REQUEST, response))


def test_two_cuts_of_one_kind_differ_in_times_only() -> None:
    """And two of different kinds in more."""
    refused, later, reset = (
        Interaction(REQUEST, (cut,)) for cut in (Cut(0, "refused"), Cut(1, "refused"), Cut(0, "reset"))
    )
    assert is_same_recording(refused, later)
    assert not is_same_recording(refused, reset)


def test_another_request_is_another_interaction() -> None:
    """Even where it would match: the file would differ."""
    other = replace(REQUEST, body=b'{"a":2,"b":1}')
    assert not is_same_recording(Interaction(REQUEST, RESPONSE), Interaction(other, RESPONSE))
