"""Which headers reach a cassette."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette.redact.headers import select_request_headers, select_response_headers

URL = "https://api.example.com/v1/messages"
NAMES = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1)


def test_secrets_of_a_request_stay_out() -> None:
    """Only what takes part in matching, and what says how to read the body, is kept."""
    headers = (
        ("Host", "api.anthropic.com"),
        ("Content-Type", "application/json"),
        ("X-Api-Key", "sk-ant-secret"),
        ("Authorization", "Bearer sk-ant-secret"),
        ("Cookie", "secret"),
        ("anthropic-version", "2023-06-01"),
        ("Anthropic-Beta", "b,a"),
        ("x-stainless-lang", "python"),
    )
    assert (("anthropic-beta", "b,a"), ("content-type", "application/json")) == select_request_headers(headers)


def test_of_a_response_what_a_client_acts_on_is_kept() -> None:
    """In the order in which it came; cookies and dates stay out."""
    headers = (
        ("Request-Id", "req_1"),
        ("Anthropic-Organization-Id", "org"),
        ("Set-Cookie", "secret"),
        ("Date", "today"),
        ("Anthropic-RateLimit-Tokens-Remaining", "1000"),
        ("Anthropic-Priority-Input-Tokens-Remaining", "7"),
        ("anthropic-fast-output-tokens-reset", "2026-01-01T00:00:00Z"),
        ("anthropic-fast-output-tokens-note", "a word"),
        ("Content-Disposition", 'attachment; filename="chart.png"'),
        ("Mcp-Session-Id", "session"),
        ("Retry-After", "3"),
        ("retry-after-ms", "2500"),
        ("x-should-retry", "true"),
        ("Content-Type", "text/event-stream; charset=utf-8"),
        ("content-encoding", "gzip"),
        ("cache-control", "no-cache"),
        ("transfer-encoding", "chunked"),
    )
    assert (
        ("request-id", "req_1"),
        ("anthropic-organization-id", "org"),
        ("anthropic-ratelimit-tokens-remaining", "1000"),
        ("anthropic-priority-input-tokens-remaining", "7"),
        ("anthropic-fast-output-tokens-reset", "2026-01-01T00:00:00Z"),
        ("content-disposition", 'attachment; filename="chart.png"'),
        ("mcp-session-id", "session"),
        ("retry-after", "3"),
        ("retry-after-ms", "2500"),
        ("x-should-retry", "true"),
        ("content-type", "text/event-stream; charset=utf-8"),
        ("content-encoding", "gzip"),
        ("cache-control", "no-cache"),
    ) == select_response_headers(headers, URL)


def test_headers_of_gateways_and_bedrock_that_clients_act_on_are_kept() -> None:
    """Rate limits by any of their names, what Bedrock says only in headers, warnings, and parts of a download."""
    headers = tuple(
        (name, "v")
        for name in (
            "x-ratelimit-remaining-requests",
            "ratelimit-reset",
            "x-request-id",
            "x-amzn-requestid",
            "x-amzn-errortype",
            "x-amzn-bedrock-input-token-count",
            "deprecation",
            "sunset",
            "link",
            "etag",
            "content-range",
        )
    )
    assert headers == select_response_headers((*headers, ("x-ratelimit-owner-key", "v"), ("via", "v")), URL)


def test_a_project_keeps_more_headers_by_name_or_pattern() -> None:
    """Names ignore case; a credential stays out even if a pattern covers it."""
    headers = (("X-Gateway-Cost", "3"), ("x-trace", "t"), ("Set-Cookie", "secret"), ("date", "today"))
    kept = (("x-gateway-cost", "3"), ("x-trace", "t"))
    assert kept == select_response_headers(headers, URL, ["X-Gateway-*", "x-trace"])
    assert (*kept, ("date", "today")) == select_response_headers(headers, URL, ["*"])


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("https://API.example.com/v2/messages?x=1#y", "/v2/messages?x=1#y"),
        ("http://api.example.com", "/"),
        ("//api.example.com/a", "/a"),
        ("../models", "../models"),
        ("/v2/messages", "/v2/messages"),
        ("https://api.example.com:444/a", "https://api.example.com:444/a"),
        ("https://files.example.com/a?b", "https://files.example.com/a?b"),
        ("https://[bad/", "https://[bad/"),
    ],
)
def test_a_redirect_on_the_same_host_is_kept_as_a_path(location: str, kept: str) -> None:
    """One to another host, or one that is no URL, as it is."""
    assert (("location", kept),) == select_response_headers((("Location", location),), URL)


@given(st.lists(st.tuples(NAMES, st.text())))
def test_a_header_that_nobody_thought_of_stays_out(headers: list[tuple[str, str]]) -> None:
    """The lists allow; they do not forbid."""
    assert () == select_request_headers(tuple(headers))
    assert () == select_response_headers(tuple(headers), URL)
