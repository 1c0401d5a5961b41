"""Error statuses: the API, or a proxy in front of it, refuses the request, which does not reach the upstream.

Bodies and headers are those of recorded errors if there are any. 403, 413, 429, 500 and 529 are as users quote them,
the pages of 502 and 504 as Cloudflare writes them, and 503 as Envoy writes it.
"""

import json
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any, TypeAlias, Unpack

from flag_harness.faults import checks
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.fault import FaultEffect, FaultyRequest, fault_kind, format_http_date
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Response, header_value

RetryAfter: TypeAlias = int | float | str | datetime | None
"""The value of `retry-after`: seconds, any text, or a datetime (sent as an HTTP date). None sends no header."""

_AnswerFunction: TypeAlias = Callable[[FaultyRequest], Response]
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 22
_EDGE_SERVER_HEADERS: Headers = (("server", "cloudflare"), ("cf-cache-status", "DYNAMIC"), ("x-robots-tag", "none"))
_HTML_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)
_RATE_LIMIT_MESSAGE = (
    "This request would exceed your organization's rate limit of 50,000 input tokens per minute. "
    "For details, refer to: https://docs.claude.com/en/api/rate-limits. "
    "You can see the response headers for current usage."
)


def _fault_kind_arguments_for_error(name: str) -> dict[str, Any]:
    """Return the arguments of `fault_kind` for an HTTP status for which the SDK raises the exception called `name`."""
    result = f"raises anthropic.{name}"
    return {"family": "status", "stream_result": result, "create_result": result}


@fault_kind(**_fault_kind_arguments_for_error("BadRequestError"))
def bad_request(
    *,
    message: str = "prompt is too long: 3333404 tokens > 200000 maximum",
    should_retry: bool | None = False,
    **when: Unpack[ConditionArguments],
) -> FaultEffect:
    """400 `invalid_request_error` with a message of your choice."""
    return _make_api_error(
        400,
        "invalid_request_error",
        checks.require_nonempty_text("message", message),
        _retry_headers(None, None, should_retry),
    )


@fault_kind(**_fault_kind_arguments_for_error("BadRequestError"))
def beta_rejected(
    *, beta: str = "computer-use-2025-11-24", should_retry: bool | None = False, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """400, as if the API did not know one value of the `anthropic-beta` header. Requests without that value pass."""
    message = (
        f"Unexpected value(s) `{checks.require_nonempty_text('beta', beta)}` for the `anthropic-beta` header. "
        "Please consult our documentation at docs.claude.com or try again without the header."
    )
    refuse = _make_api_error(400, "invalid_request_error", message, _retry_headers(None, None, should_retry))

    def answer_if_beta_is_sent(faulty_request: FaultyRequest) -> Response | None:
        betas = [name.strip() for name in header_value(faulty_request.request.headers, "anthropic-beta").split(",")]
        if beta in betas:
            return refuse(faulty_request)
        faulty_request.store_reason_for_not_firing(f"the request does not ask for the beta {beta}")
        return None

    return answer_if_beta_is_sent


@fault_kind(**_fault_kind_arguments_for_error("BadRequestError"))
def parameter_rejected(
    *,
    parameter: str = "max_tokens",
    message: str | None = None,
    should_retry: bool | None = False,
    **when: Unpack[ConditionArguments],
) -> FaultEffect:
    """400 for a top-level parameter of the body. Requests without this parameter pass."""
    name = checks.require_nonempty_text("parameter", parameter)
    text = f"{name}: Extra inputs are not permitted" if message is None else message
    retry = _retry_headers(None, None, should_retry)
    refuse = _make_api_error(400, "invalid_request_error", checks.require_nonempty_text("message", text), retry)

    def answer_if_parameter_is_sent(faulty_request: FaultyRequest) -> Response | None:
        if parameter in decode_json_object(faulty_request.request.body):
            return refuse(faulty_request)
        faulty_request.store_reason_for_not_firing(f"the request has no {parameter}")
        return None

    return answer_if_parameter_is_sent


@fault_kind(**_fault_kind_arguments_for_error("AuthenticationError"))
def unauthorized(*, should_retry: bool | None = False, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """401 `authentication_error`: the key is wrong or revoked."""
    return _make_api_error(401, "authentication_error", "invalid x-api-key", _retry_headers(None, None, should_retry))


@fault_kind(**_fault_kind_arguments_for_error("PermissionDeniedError"))
def forbidden(*, should_retry: bool | None = False, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """403 `permission_error`: the key lacks a permission."""
    message = "Your API key does not have permission to use the specified resource."
    return _make_api_error(403, "permission_error", message, _retry_headers(None, None, should_retry))


@fault_kind(**_fault_kind_arguments_for_error("NotFoundError"))
def not_found(*, should_retry: bool | None = False, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """404 `not_found_error`: the request's model does not exist."""

    def answer_with_error(faulty_request: FaultyRequest) -> Response:
        message = f"model: {decode_json_object(faulty_request.request.body).get('model', 'unknown')}"
        return _make_api_error(404, "not_found_error", message, _retry_headers(None, None, should_retry))(
            faulty_request
        )

    checks.require_type_or_none("should_retry", should_retry, bool, "true, false or none")
    return answer_with_error


@fault_kind(**_fault_kind_arguments_for_error("ContentTooLargeError"))
def too_large(*, should_retry: bool | None = None, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """413 from an edge server: the body has neither the usual error format nor a request id."""
    headers = _retry_headers(None, None, should_retry)
    body = _encode_json({"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}})
    return _make_fixed_answer(413, (("content-type", "application/json"), *_EDGE_SERVER_HEADERS, *headers), body)


@fault_kind(**_fault_kind_arguments_for_error("RateLimitError"))
def rate_limited(
    *,
    retry_after: RetryAfter = 1,
    retry_after_ms: int | None = None,
    should_retry: bool | None = True,
    message: str = _RATE_LIMIT_MESSAGE,
    **when: Unpack[ConditionArguments],
) -> FaultEffect:
    """429 `rate_limit_error`. The header `retry-after` has seconds, a date or any text, or is left out."""
    headers = _retry_headers(retry_after, retry_after_ms, should_retry)
    return _make_api_error(429, "rate_limit_error", checks.require_nonempty_text("message", message), headers)


@fault_kind(**_fault_kind_arguments_for_error("InternalServerError"))
def server_error(
    *, retry_after: RetryAfter = None, should_retry: bool | None = None, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """500 `api_error`, an internal server error."""
    return _make_api_error(500, "api_error", "Internal server error", _retry_headers(retry_after, None, should_retry))


@fault_kind(**_fault_kind_arguments_for_error("InternalServerError"))
def bad_gateway(
    *, retry_after: RetryAfter = None, should_retry: bool | None = None, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """502 with an HTML page instead of JSON."""
    return _make_html_page(502, "502 Bad Gateway", _retry_headers(retry_after, None, should_retry))


@fault_kind(**_fault_kind_arguments_for_error("ServiceUnavailableError"))
def unavailable(
    *, retry_after: RetryAfter = None, should_retry: bool | None = None, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """503 with a line of plain text."""
    body = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"
    headers = (("content-type", "text/plain"), *_EDGE_SERVER_HEADERS, *_retry_headers(retry_after, None, should_retry))
    return _make_fixed_answer(503, headers, body)


@fault_kind(**_fault_kind_arguments_for_error("GatewayTimeoutError"))
def gateway_timeout(
    *, retry_after: RetryAfter = None, should_retry: bool | None = None, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """504 with an HTML page instead of JSON."""
    return _make_html_page(504, "504 Gateway Time-out", _retry_headers(retry_after, None, should_retry))


@fault_kind(**_fault_kind_arguments_for_error("OverloadedError"))
def overloaded(
    *, retry_after: RetryAfter = None, should_retry: bool | None = None, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """529 `overloaded_error`: the API has too many requests."""
    return _make_api_error(529, "overloaded_error", "Overloaded", _retry_headers(retry_after, None, should_retry))


def request_id(random: Random) -> str:
    """Return a random request id in the format of the API: `req_01` and 22 letters and digits."""
    return "req_01" + "".join(random.choices(_ID_LETTERS, k=_ID_LENGTH))


def _make_api_error(status: int, error_type: str, message: str, headers: Headers) -> _AnswerFunction:
    """Return a function that answers every due request with an error of the API.

    The header and the body of the answer have the same random request id.
    """

    def answer_with_error(faulty_request: FaultyRequest) -> Response:
        name = request_id(faulty_request.make_random("request id"))
        body = _encode_json({"type": "error", "error": {"type": error_type, "message": message}, "request_id": name})
        return _make_fixed_answer(
            status, (("content-type", "application/json"), ("request-id", name), *_EDGE_SERVER_HEADERS, *headers), body
        )(faulty_request)

    return answer_with_error


def _make_fixed_answer(status: int, headers: Headers, body: bytes) -> _AnswerFunction:
    """Return a function that answers every due request with the same response."""

    def answer_always_equally(faulty_request: FaultyRequest) -> Response:
        faulty_request.mark_as_fired()
        length = ("content-length", str(len(body)))
        return (Head(0.0, status, (*headers, length)), Chunk(0.0, body), End(0.0))

    return answer_always_equally


def _make_html_page(status: int, title: str, headers: Headers) -> _AnswerFunction:
    """Return a function that answers every due request with an HTML page, as a gateway does."""
    return _make_fixed_answer(
        status, (("content-type", "text/html"), *_EDGE_SERVER_HEADERS, *headers), _HTML_PAGE.format(title).encode()
    )


def _retry_headers(retry_after: object, retry_after_ms: object, should_retry: object) -> Headers:
    """Return the headers that tell a client whether and when to retry."""
    checks.require_type_or_none("should_retry", should_retry, bool, "true, false or none")
    found: list[tuple[str, str]] = []
    if should_retry is not None:
        found.append(("x-should-retry", str(should_retry).lower()))
    if retry_after is not None:
        found.append(("retry-after", _retry_after_text(retry_after)))
    if retry_after_ms is not None:
        found.append(("retry-after-ms", str(checks.require_whole_number("retry_after_ms", retry_after_ms, minimum=0))))
    return tuple(found)


def _retry_after_text(value: object) -> str:
    """Return seconds, a date or a text as the value of the header `retry-after`."""
    if isinstance(value, str) and value:
        return checks.require_header_text("retry_after", value)
    if isinstance(value, datetime):
        return format_http_date(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise checks.argument_error("retry_after", value, "seconds from 0 up, a datetime, the header's text, or none")
    return str(value)


def _encode_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
