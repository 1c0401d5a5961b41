"""Answers as timelines: status, headers and bytes, each with its time."""

from collections.abc import Mapping
from typing import Any

import msgspec

from flag_harness.simulator.answer.headers import Sending
from flag_harness.simulator.answer.message import Answer
from flag_harness.simulator.answer.profiles import LATEST, dated
from flag_harness.simulator.answer.randomness import Draw
from flag_harness.simulator.answer.stream import events
from flag_harness.simulator.rules import RefusedRequest
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Response

SHORT_SECONDS = 0.1
"""What a refusal, a count or a listing takes. No recording says; it is a setting of ours, far below any answer."""
_UNAUTHORIZED, _TOO_LARGE = 401, 413


def streamed(answer: Answer, draw: Draw, sent: Sending) -> Response:
    """A stream: the head and the first event after `first_token` seconds, then an event each `per_event`."""
    at, step = answer.timing.first_token, answer.timing.per_event
    chunks = tuple(Chunk(at + step * index, data) for index, data in enumerate(events(answer, draw)))
    kind = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
    return Head(at, 200, sent.headers(kind, _milliseconds(at))), *chunks, End(chunks[-1].at)


def whole(answer: Answer, sent: Sending, events_count: int) -> Response:
    """A plain answer: all at once, when a stream of it would have ended."""
    at = answer.timing.first_token + answer.timing.per_event * (events_count - 1)
    return plain(answer.message(), at, sent)


def plain(value: Mapping[str, Any], at: float, sent: Sending) -> Response:
    """A 200 with a JSON body."""
    head = Head(at, 200, sent.headers((("content-type", "application/json"),), _milliseconds(at)))
    return head, Chunk(at, msgspec.json.encode(value)), End(at)


def refused(refusal: RefusedRequest, sent: Sending, headers: Headers = (), profile: str = LATEST) -> Response:
    """An error in the API's shape; one of the edge (413) has neither a top-level type nor a request id.

    `headers` are added, and take the place of those of their names.
    """
    at, status = SHORT_SECONDS, refusal.status
    error = {"type": refusal.type, "message": refusal.message}
    value = dated({"type": "error", "error": error, "request_id": sent.request_id}, profile)
    kind = (("content-type", "application/json"), ("x-should-retry", _retry(status)))
    own = sent.headers(kind, _milliseconds(at), organization=status != _UNAUTHORIZED)
    named = {name.lower() for name, _ in headers}
    kept = (pair for pair in own if pair[0] not in named)
    body = msgspec.json.encode({"error": error} if status == _TOO_LARGE else value)
    return Head(at, status, (*kept, *headers)), Chunk(at, body), End(at)


def _retry(status: int) -> str:
    """Recorded `false` on every 400, 401 and 404; users quote `true` on 429."""
    return "true" if status in (408, 409, 429) or status >= 500 else "false"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
