"""Answers as timelines: status, headers and bytes, each with its time."""

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.simulator.answer import Answer
from harness.simulator.randomness import Draw
from harness.simulator.stream import events
from harness.wire.timeline import Chunk, End, Head, Headers, Response

SHORT_SECONDS = 0.1
"""What a refusal, a count or a listing takes. No recording says; it is a setting of ours, far below any answer."""
_TOO_LARGE = 413


def streamed(answer: Answer, draw: Draw, request_id: str, organization: str) -> Response:
    """A stream: the head and the first event after `first_token` seconds, then an event each `per_event`."""
    at, step = answer.timing.first_token, answer.timing.per_event
    chunks = tuple(Chunk(at + step * index, data) for index, data in enumerate(events(answer, draw)))
    headers = (
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
        *_identity(request_id, organization),
    )
    return Head(at, 200, headers), *chunks, End(chunks[-1].at)


def whole(answer: Answer, request_id: str, organization: str, events_count: int) -> Response:
    """A plain answer: all at once, when a stream of it would have ended."""
    at = answer.timing.first_token + answer.timing.per_event * (events_count - 1)
    return plain(answer.message(), at, request_id, organization)


def plain(value: Mapping[str, Any], at: float, request_id: str, organization: str) -> Response:
    """A 200 with a JSON body."""
    headers = (("content-type", "application/json"), *_identity(request_id, organization))
    return Head(at, 200, headers), Chunk(at, msgspec.json.encode(value)), End(at)


def refused(status: int, kind: str, message: str, request_id: str, headers: Headers = ()) -> Response:
    """An error in the API's shape; one of the edge (413) has neither a top-level type nor a request id."""
    at = SHORT_SECONDS
    error = {"type": kind, "message": message}
    value = {"error": error} if status == _TOO_LARGE else {"type": "error", "error": error, "request_id": request_id}
    named = {name.lower() for name, _ in headers}
    own = [("content-type", "application/json"), ("request-id", request_id), ("x-should-retry", _retry(status))]
    kept = (pair for pair in own if pair[0] not in named)
    return Head(at, status, (*kept, *headers)), Chunk(at, msgspec.json.encode(value)), End(at)


def _retry(status: int) -> str:
    """Recorded `false` on every 400, 401 and 404; users quote `true` on 429."""
    return "true" if status in (408, 409, 429) or status >= 500 else "false"


def _identity(request_id: str, organization: str) -> Headers:
    return ("request-id", request_id), ("anthropic-organization-id", organization)
