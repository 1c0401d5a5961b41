"""What traffic says of itself: requests, tokens, cost, time to the first token. Read off the wire, for any agent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness import models
from harness.wire.sse import decode
from harness.wire.timeline import Chunk, Head, Request, Response, body, header
from harness.wire.usage import Usage

_DELTA = b"content_block_delta"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The sums over some exchanges. `None` stands for what could not be measured.

    Attributes:
        requests: requests sent, retried ones included.
        errors: those that were not answered with a complete 200.
        usage: tokens, over all answers that state them.
        cost: US dollars at list price.
        first_token: seconds from the first request to the first content delta; of streams only.
        seconds: from each request to the end of its answer, added up.
    """

    requests: int
    errors: int
    usage: Usage
    cost: float | None
    first_token: float | None
    seconds: float


def measured(exchanges: Sequence[tuple[Request, Response]]) -> Metrics:
    """Measure exchanges as a client saw them."""
    answers = [_answer(request, response) for request, response in exchanges]
    usages = [(model, usage) for model, usage in answers if usage is not None]
    costs = [models.find(model).cost(usage) for model, usage in usages]
    firsts = [moment for _, response in exchanges if (moment := first_token(response)) is not None]
    return Metrics(
        requests=len(exchanges),
        errors=len(exchanges) - len(usages),
        usage=sum((usage for _, usage in usages), Usage()),
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        first_token=firsts[0] if firsts else None,
        seconds=sum(response[-1].at for _, response in exchanges),
    )


def first_token(response: Response) -> float | None:
    """Seconds until the first content delta of a stream; `None` for an answer without one."""
    before = b""
    for piece in response:
        if isinstance(piece, Chunk):
            if _DELTA in before + piece.data:
                return piece.at
            before = piece.data[-len(_DELTA) :]
    return None


def _answer(request: Request, response: Response) -> tuple[str, Usage | None]:
    """The model asked for, and the usage that a complete answer states."""
    head = response[0]
    if not isinstance(head, Head) or head.status != 200:
        return "", None
    streamed = header(head.headers, "content-type").startswith("text/event-stream")
    try:
        model = str(msgspec.json.decode(request.body)["model"])
        return model, _streamed_usage(response) if streamed else _plain_usage(body(response))
    except (msgspec.DecodeError, KeyError, TypeError):
        return "", None


def _plain_usage(data: bytes) -> Usage:
    return Usage.from_mapping(msgspec.json.decode(data)["usage"])


def _streamed_usage(response: Response) -> Usage | None:
    usage: Usage | None = None
    for event in decode(piece.data for piece in response if isinstance(piece, Chunk)):
        value: Any = msgspec.json.decode(event.data) if event.event in ("message_start", "message_delta") else None
        if event.event == "message_start":
            usage = Usage.from_mapping(value["message"]["usage"])
        elif event.event == "message_delta" and usage is not None:
            usage = usage.updated(value["usage"])
        elif event.event == "message_stop":
            return usage
    return None
