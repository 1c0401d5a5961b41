"""What traffic says of itself: requests, tokens, cost, time to the first token. Read off the wire, for any agent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flag_harness import models
from flag_harness.wire.compression import uncompressed
from flag_harness.wire.message import Received, received
from flag_harness.wire.timeline import Chunk, Request, Response
from flag_harness.wire.usage import Usage

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
    answers = [(model_of(request), received(uncompressed(response))) for request, response in exchanges]
    whole = [(model, answer) for model, answer in answers if is_whole(answer)]
    usages = [(model, usage) for model, answer in whole if (usage := stated_usage(answer)) is not None]
    costs = [models.find(model).cost(usage) for model, usage in usages]
    firsts = [moment for _, response in exchanges if (moment := first_token(response)) is not None]
    return Metrics(
        requests=len(exchanges),
        errors=len(exchanges) - len(whole),
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


def model_of(request: Request) -> str:
    """The model that a request asks for; empty where it names none."""
    try:
        asked: Any = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    model = asked.get("model") if isinstance(asked, dict) else None
    return model if isinstance(model, str) else ""


def stated_usage(answer: Received) -> Usage | None:
    """The usage that an answer states so far; `None` where it states none that can be read."""
    if answer.usage is None:
        return None
    try:
        return Usage.from_mapping(answer.usage)
    except ValueError:
        return None


def is_whole(answer: Received) -> bool:
    """Whether it is a 200 that came to its end, with no error in its stream."""
    return answer.status == 200 and answer.complete and answer.error is None
