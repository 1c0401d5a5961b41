"""Answers as timed responses: status, headers and chunks, each with its time."""

from collections.abc import Mapping
from typing import Any

import msgspec

from flag_harness.simulator.answer.headers import ResponseHeaders
from flag_harness.simulator.answer.message import AnswerMessage
from flag_harness.simulator.answer.profiles import LATEST_MONTH, remove_keys_newer_than_month
from flag_harness.simulator.answer.randomness import SeededRandom
from flag_harness.simulator.answer.stream import stream_events
from flag_harness.simulator.count.rate_limits import ExceededLimit
from flag_harness.simulator.rules import RefusedRequest
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Response

NON_MESSAGE_RESPONSE_SECONDS = 0.1
"""The seconds until a response without a message arrives: an error, a token count or a list of models.

Recordings do not show this time. We have chosen one that is shorter than that of any message.
"""
_UNAUTHORIZED_STATUS, _TOO_LARGE_STATUS = 401, 413


def stream_response(answer: AnswerMessage, random: SeededRandom, response_headers: ResponseHeaders) -> Response:
    """Return an answer as a stream of events.

    The first event comes after the answer's `first_token` seconds, the others `per_event` seconds apart.
    """
    at, step = answer.timing.first_token, answer.timing.per_event
    chunks = tuple(Chunk(at + step * index, data) for index, data in enumerate(stream_events(answer, random)))
    content_headers = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
    head = Head(at, 200, response_headers.to_headers(content_headers, _to_milliseconds(at)))
    return head, *chunks, End(chunks[-1].at)


def message_response(answer: AnswerMessage, response_headers: ResponseHeaders, event_count: int) -> Response:
    """Return an answer without a stream. It arrives when the last event of a stream of `event_count` events would
    arrive.
    """
    at = answer.timing.first_token + answer.timing.per_event * (event_count - 1)
    return json_response(answer.message_without_stream(), at, response_headers)


def non_message_response(content_type: str, body: bytes, response_headers: ResponseHeaders) -> Response:
    """Return a response with status 200 and this body. It arrives after `NON_MESSAGE_RESPONSE_SECONDS`."""
    at = NON_MESSAGE_RESPONSE_SECONDS
    head = Head(at, 200, response_headers.to_headers((("content-type", content_type),), _to_milliseconds(at)))
    return head, Chunk(at, body), End(at)


def rate_limit_refusal(exceeded: ExceededLimit, organization: str, model: str) -> RefusedRequest:
    """Return the API's error for a request that exceeds a rate limit, in the words that users have quoted."""
    message = (
        f"This request would exceed your organization's rate limit of {exceeded.limit_per_minute:,} "
        f"{exceeded.limit_name} per minute "
        f"(org: {organization}, model: {model}). For details, refer to: https://docs.claude.com/en/api/rate-limits. "
        "You can see the response headers for current usage. Please reduce the prompt length or the maximum tokens "
        "requested, or try again later. You may also contact sales at https://www.anthropic.com/contact-sales to "
        "discuss your options for a rate limit increase."
    )
    return RefusedRequest("rate limit", 429, "rate_limit_error", message)


def json_response(value: Mapping[str, Any], arrival_seconds: float, response_headers: ResponseHeaders) -> Response:
    """Return a response with status 200 and a JSON body that arrives after `arrival_seconds`."""
    head = Head(
        arrival_seconds,
        200,
        response_headers.to_headers((("content-type", "application/json"),), _to_milliseconds(arrival_seconds)),
    )
    return head, Chunk(arrival_seconds, msgspec.json.encode(value)), End(arrival_seconds)


def error_response(
    refusal: RefusedRequest,
    response_headers: ResponseHeaders,
    extra_headers: Headers = (),
    api_month: str = LATEST_MONTH,
) -> Response:
    """Return an error response in the API's format.

    `extra_headers` are added to the usual ones, and replace headers of the same name. An error 413 comes from an edge
    server and has no request id. `api_month` is the month (`2025-11`) whose format the response has.
    """
    at, status = NON_MESSAGE_RESPONSE_SECONDS, refusal.status
    details = {} if refusal.extra_error_fields is None else {"details": refusal.extra_error_fields}
    error = {"type": refusal.error_type, "message": refusal.message, **details}
    value = remove_keys_newer_than_month(
        {"type": "error", "error": error, "request_id": response_headers.request_id}, api_month
    )
    content_headers = (("content-type", "application/json"), ("x-should-retry", _should_retry_header_value(status)))
    own = response_headers.to_headers(
        content_headers, _to_milliseconds(at), with_organization_id=status != _UNAUTHORIZED_STATUS
    )
    named = {name.lower() for name, _ in extra_headers}
    kept = (pair for pair in own if pair[0] not in named)
    body = msgspec.json.encode({"error": error} if status == _TOO_LARGE_STATUS else value)
    return Head(at, status, (*kept, *extra_headers)), Chunk(at, body), End(at)


def _should_retry_header_value(status: int) -> str:
    """Return the value of the header `x-should-retry` for an error status.

    Recorded answers have `false` with every 400, 401 and 404; users have quoted `true` with 429.
    """
    return "true" if status in (408, 409, 429) or status >= 500 else "false"


def _to_milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
