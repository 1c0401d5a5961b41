"""Requests and responses as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, body, header_value


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.anthropic.com/v1/messages", "/v1/messages"),
        ("https://api.anthropic.com/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("http://127.0.0.1:8080/v1/models?limit=2&after_id=x#part", "/v1/models?limit=2&after_id=x"),
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("https://proxy.example//v1/messages", "/v1/messages"),
        ("https://gateway.example/anthropic/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("https://gateway.example/v1/account/gate/anthropic/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("https://gateway.example/a/v1/models/claude-haiku-4-5", "/v1/models/claude-haiku-4-5"),
        ("https://gateway.example/aws/model/some.model/invoke", "/model/some.model/invoke"),
        ("/anthropic/v1/messages", "/v1/messages"),
        ("https://gateway.example/v1/messages-proxy/17/v1/messages", "/v1/messages"),
        (
            "https://gateway.example/v1/messages/of/team/v1/messages/batches/msgbatch_1",
            "/v1/messages/batches/msgbatch_1",
        ),
        ("https://gateway.example/anthropic/v1/unheard_of", "/anthropic/v1/unheard_of"),
        ("https://vertex.example/v1/projects/p/models/m:rawPredict", "/v1/projects/p/models/m:rawPredict"),
    ],
)
def test_a_request_knows_its_endpoint_without_host_and_base_path(url: str, path: str) -> None:
    """The path of an endpoint that nobody knows is kept whole."""
    assert path == Request("POST", url, (), b"").path


@given(st.lists(st.binary()))
def test_the_body_is_what_the_chunks_hold(chunks: list[bytes]) -> None:
    """Head, cut and end hold none of it."""
    pieces = [Chunk(float(at), data) for at, data in enumerate(chunks)]
    for last in (End(9.0), End(9.0, is_abandoned=True), Cut(9.0, "eof")):
        assert b"".join(chunks) == body((Head(0.0, 200, ()), *pieces, last))


def test_a_header_is_found_in_any_case_and_joined_by_commas() -> None:
    """As HTTP allows a name to stand more than once."""
    headers = (("Anthropic-Beta", "a,b"), ("content-type", "x"), ("anthropic-beta", "c"))
    assert "a,b, c" == header_value(headers, "ANTHROPIC-BETA")
    assert "" == header_value(headers, "x-api-key")
    assert "none" == header_value(headers, "x-api-key", "none")
