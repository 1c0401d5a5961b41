"""Metrics of recorded traffic: requests, tokens, cost and time to the first token."""

from collections.abc import Sequence
from dataclasses import dataclass

from flag_harness import models
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Chunk, Request, Response
from flag_harness.wire.usage import Usage

_DELTA = b"content_block_delta"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of some requests. `None` means that a figure could not be measured.

    Attributes:
        requests: number of requests, retries included.
        errors: number of requests without a complete 200 answer.
        usage: tokens, added up over all answers that report them.
        cost: US dollars at list price.
        first_token: seconds from the first request to the first content delta, for streams only.
        seconds: from each request to the end of its answer, added up.
    """

    requests: int
    errors: int
    usage: Usage
    cost: float | None
    first_token: float | None
    seconds: float


def measure_traffic(exchanges: Sequence[tuple[Request, Response]]) -> Metrics:
    """Return the metrics of requests and answers as a client saw them."""
    answers = [
        (requested_model(request), parse_response(decompress_response(response))) for request, response in exchanges
    ]
    whole = [(model, answer) for model, answer in answers if is_successful(answer)]
    usages = [(model, usage) for model, answer in whole if (usage := reported_usage(answer)) is not None]
    costs = [models.shipped_model(model).cost(usage) for model, usage in usages]
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
    """Return the seconds until the first content delta of a stream, or None for an answer without one."""
    before = b""
    for piece in response:
        if isinstance(piece, Chunk):
            if _DELTA in before + piece.data:
                return piece.at
            before = piece.data[-len(_DELTA) :]
    return None


def requested_model(request: Request) -> str:
    """Return the model that a request names, or an empty string."""
    model = decode_json_object(request.body).get("model")
    return model if isinstance(model, str) else ""


def reported_usage(answer: ParsedResponse) -> Usage | None:
    """Return the usage that an answer reports so far, or None if there is none or it is invalid."""
    if answer.usage is None:
        return None
    try:
        return Usage.from_mapping(answer.usage)
    except ValueError:
        return None


def is_successful(answer: ParsedResponse) -> bool:
    """Return whether an answer is a complete 200 without an error in its stream."""
    return answer.status == 200 and answer.complete and answer.error is None
