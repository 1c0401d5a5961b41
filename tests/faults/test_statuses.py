"""Error answers, as the API and what stands before it write them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from flag_harness import faults
from flag_harness.faults import Fault
from flag_harness.wire.timeline import Head, Request, Response, body, header_value


def _answer(fault: Fault, request: Request) -> Response:
    found = fault(request)
    assert isinstance(found, tuple)
    return found


def _headers(fault: Fault, request: Request) -> dict[str, str]:
    head = _answer(fault, request)[0]
    assert isinstance(head, Head)
    return dict(head.headers)


@pytest.mark.parametrize(
    ("fault", "status", "error_type", "message"),
    [
        (
            faults.bad_request(message="temperature: range: 0..1"),
            400,
            "invalid_request_error",
            "temperature: range: 0..1",
        ),
        (
            faults.parameter_rejected(parameter="max_tokens"),
            400,
            "invalid_request_error",
            "max_tokens: Extra inputs are not permitted",
        ),
        (
            faults.parameter_rejected(parameter="max_tokens", message="max_tokens: 204096 > 64000"),
            400,
            "invalid_request_error",
            "max_tokens: 204096 > 64000",
        ),
        (faults.unauthorized(), 401, "authentication_error", "invalid x-api-key"),
        (
            faults.forbidden(),
            403,
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        (faults.not_found(), 404, "not_found_error", "model: claude-haiku-4-5"),
        (faults.rate_limited(message="Slow down"), 429, "rate_limit_error", "Slow down"),
        (faults.server_error(), 500, "api_error", "Internal server error"),
        (faults.overloaded(), 529, "overloaded_error", "Overloaded"),
    ],
)
def test_the_api_refuses(
    fault: Fault, status: int, error_type: str, message: str, request_for: Callable[..., Request]
) -> None:
    """Status, type and message; one request id in the header and in the body."""
    head, *_ = response = _answer(fault, request_for())
    assert isinstance(head, Head)
    name = header_value(head.headers, "request-id")
    error = {"type": "error", "error": {"type": error_type, "message": message}, "request_id": name}
    assert (status, error) == (head.status, json.loads(body(response)))
    assert "req_01" == name[:6]
    assert 28 == len(name)
    assert str(len(body(response))) == header_value(head.headers, "content-length")


def test_request_ids_are_drawn_by_the_seed(request_for: Callable[..., Request]) -> None:
    """The same in every run, another one for each request and seed."""

    def ids(seed: int) -> list[str]:
        fault = faults.overloaded(seed=seed)
        return [_headers(fault, request_for())["request-id"] for _ in range(2)]

    assert ids(1) == ids(1)
    assert 4 == len({*ids(1), *ids(2)})


def test_the_edge_refuses_what_is_too_large(request_for: Callable[..., Request]) -> None:
    """Neither the usual frame nor a request id."""
    response = _answer(faults.too_large(), request_for())
    expected = {"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}
    assert expected == json.loads(body(response))
    assert "request-id" not in _headers(faults.too_large(), request_for())


@pytest.mark.parametrize(
    ("fault", "content_type", "begin"),
    [
        (faults.bad_gateway(), "text/html", b"<html>\r\n<head><title>502 Bad Gateway</title></head>"),
        (faults.unavailable(), "text/plain", b"upstream connect error or disconnect/reset before headers."),
        (faults.gateway_timeout(), "text/html", b"<html>\r\n<head><title>504 Gateway Time-out</title></head>"),
    ],
)
def test_gateways_do_not_speak_json(
    fault: Fault, content_type: str, begin: bytes, request_for: Callable[..., Request]
) -> None:
    """A page or a line of text."""
    response = _answer(fault, request_for())
    assert begin == body(response)[: len(begin)]
    assert content_type == _headers(fault, request_for())["content-type"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.rate_limited(), {"x-should-retry": "true", "retry-after": "1"}),
        (faults.rate_limited(retry_after=None, should_retry=None), {}),
        (faults.rate_limited(retry_after=86400), {"x-should-retry": "true", "retry-after": "86400"}),
        (faults.rate_limited(retry_after=0.5), {"x-should-retry": "true", "retry-after": "0.5"}),
        (faults.rate_limited(retry_after="soon"), {"x-should-retry": "true", "retry-after": "soon"}),
        (
            faults.rate_limited(retry_after=None, retry_after_ms=250),
            {"x-should-retry": "true", "retry-after-ms": "250"},
        ),
        (
            faults.rate_limited(retry_after=datetime(2026, 10, 21, 9, 28, tzinfo=timezone(timedelta(hours=2)))),
            {"x-should-retry": "true", "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"},
        ),
        (faults.unauthorized(), {"x-should-retry": "false"}),
        (faults.unauthorized(should_retry=True), {"x-should-retry": "true"}),
        (faults.overloaded(should_retry=False, retry_after=3), {"x-should-retry": "false", "retry-after": "3"}),
        (faults.too_large(), {}),
    ],
)
def test_headers_say_whether_and_when_to_retry(
    fault: Fault, expected: dict[str, str], request_for: Callable[..., Request]
) -> None:
    """In seconds, milliseconds, as a date, or not at all."""
    found = {name: value for name, value in _headers(fault, request_for()).items() if "retry" in name}
    assert expected == found


def test_a_beta_is_refused_to_those_who_ask_for_it(request_for: Callable[..., Request]) -> None:
    """Among others in the header; who does not ask passes."""
    fault = faults.beta_rejected(beta="context-1m-2025-08-07")
    assert fault(request_for()) is None
    asking = request_for(headers=(("Anthropic-Beta", "files-api-2025-04-14, context-1m-2025-08-07"),))
    error = json.loads(body(_answer(fault, asking)))["error"]
    assert {
        "type": "invalid_request_error",
        "message": "Unexpected value(s) `context-1m-2025-08-07` for the `anthropic-beta` header. "
        "Please consult our documentation at docs.claude.com or try again without the header.",
    } == error
    assert [2, 1] == [fault.counter.due_count, fault.fired]


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_has_no_parameters(data: bytes) -> None:
    """Such a request passes, or is told that its model is unknown."""
    request = Request("POST", "https://api.anthropic.com/v1/messages", (), data)
    assert faults.parameter_rejected()(request) is None
    assert "model: unknown" == json.loads(body(_answer(faults.not_found(), request)))["error"]["message"]


def test_a_date_needs_no_time_zone_database() -> None:
    """A moment in UTC is written as it is."""
    make: Any = faults.server_error
    request = Request("POST", "https://x/v1/messages", (), b"{}")
    assert (
        "Thu, 01 Jan 2026 00:00:00 GMT"
        == _headers(make(retry_after=datetime(2026, 1, 1, tzinfo=UTC)), request)["retry-after"]
    )
