"""Metrics of recorded traffic, such as requests, tokens, cost and the time to the first token."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from flag_harness import models
from flag_harness.cassette.match.matching import beta_features, canonical_path
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Chunk, Cut, Request, Response
from flag_harness.wire.usage import Usage

_CONTENT_DELTA_NAME = b"content_block_delta"
_BAD_REQUEST_STATUS = 400
_MAX_ARRIVAL_TIMES = 10


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of several requests together. A value is None if it could not be measured.

    Attributes:
        request_count: the number of requests, retries included.
        error_count: the number of requests that did not get a complete answer with status 200.
        usage: the sum of the tokens of all answers that report them.
        cost: US dollars at list price.
        first_token: seconds from the first request to the first content delta of a stream.
        seconds: the sum of the seconds from each request to the end of its answer.
    """

    request_count: int
    error_count: int
    usage: Usage
    cost: float | None
    first_token: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestMetrics:
    """The metrics of one request and its answer.

    Attributes:
        model: the model that the request names, or an empty string.
        status: the HTTP status, or None if the connection broke before the answer began.
        stop_reason: the stop reason of the answer, or None if it has none.
        is_successful: whether the answer is a complete 200 without an error in its stream.
        is_broken_off: whether the connection broke before the end of the answer, or its stream has an error.
        usage: the tokens that the answer reports, or None.
        cost: US dollars at list price for `usage`, or None if there is no usage or its price is unknown.
        first_token: seconds to the first content delta, or None if nothing was streamed.
        seconds: seconds to the end of the answer.
        chunk_count: the number of chunks in which the body arrived.
        longest_gap: the longest time between two pieces of a stream, in seconds; 0 for any other answer.
        longest_gap_start: the seconds after which the longest gap began; 0 for any other answer.
        arrival_times: the result of `selected_arrival_times` for a stream; empty for any other answer.
    """

    model: str
    status: int | None
    stop_reason: str | None
    is_successful: bool
    is_broken_off: bool
    usage: Usage | None
    cost: float | None
    first_token: float | None
    seconds: float
    chunk_count: int
    longest_gap: float
    longest_gap_start: float
    arrival_times: tuple[float, ...]


def measure_traffic(exchanges: Sequence[tuple[Request, Response]]) -> Metrics:
    """Return the metrics of several requests and their answers, taken together."""
    return combine_metrics([measure_request(request, response) for request, response in exchanges])


def measure_request(request: Request, response: Response) -> RequestMetrics:
    """Return the metrics of one request and its answer."""
    model, answer = model_of_request(request), parse_response(decompress_response(response))
    usage, reason = usage_of_answer(answer), answer.message.get("stop_reason")
    times = [piece.at for piece in response]
    gap, gap_start = _longest_gap_between_pieces(times) if answer.is_stream else (0.0, 0)
    return RequestMetrics(
        model=model,
        status=answer.status,
        stop_reason=reason if isinstance(reason, str) else None,
        is_successful=is_successful(answer),
        is_broken_off=any(isinstance(piece, Cut) for piece in response)
        or (answer.is_stream and answer.error is not None),
        usage=usage,
        cost=None if usage is None else models.find_model(model).cost(usage),
        first_token=seconds_to_first_token(response),
        seconds=times[-1] if times else 0.0,
        chunk_count=sum(isinstance(piece, Chunk) for piece in response),
        longest_gap=gap,
        longest_gap_start=round(times[gap_start], 3) if answer.is_stream else 0.0,
        arrival_times=selected_arrival_times(times, gap_start) if answer.is_stream else (),
    )


def _longest_gap_between_pieces(times: Sequence[float]) -> tuple[float, int]:
    """Return the longest time between two pieces of a stream in seconds, and the index of the piece before the gap."""
    gaps = [after - before for before, after in pairwise(times)]
    longest = max(gaps, default=0.0)
    return longest, gaps.index(longest) if gaps else 0


def selected_arrival_times(times: Sequence[float], gap_start: int) -> tuple[float, ...]:
    """Return the times at which some pieces of a stream arrived, in seconds rounded to milliseconds.

    `times` are those of all pieces. Selected are the first and the last piece, the pieces before and after the longest
    gap (`gap_start` is the index of the former), and others at even distances.
    """
    last = len(times) - 1
    count = min(last, _MAX_ARRIVAL_TIMES)
    indices = {round(step * last / count) for step in range(count)} | {gap_start, min(gap_start + 1, last), last}
    return tuple(round(times[index], 3) for index in sorted(indices))


def combine_metrics(requests: Sequence[RequestMetrics]) -> Metrics:
    """Return the metrics of several requests together, from the metrics of each."""
    whole = [one for one in requests if one.is_successful]
    usages = [(one.usage, one.cost) for one in whole if one.usage is not None]
    costs = [cost for _, cost in usages]
    firsts = [one.first_token for one in requests if one.first_token is not None]
    return Metrics(
        request_count=len(requests),
        error_count=len(requests) - len(whole),
        usage=sum((usage for usage, _ in usages), Usage()),
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        first_token=firsts[0] if firsts else None,
        seconds=sum(one.seconds for one in requests),
    )


def find_betas_dropped_after_refusal(
    exchanges: Sequence[tuple[Request, Response]], requests: Sequence[RequestMetrics]
) -> tuple[str, ...]:
    """Return the betas that a refused request (status 400) had and that no later request to the same path has.

    If no request to the path follows, the refused request counts as having dropped nothing.
    """
    sent = [(canonical_path(request.path), set(beta_features(request.headers))) for request, _ in exchanges]
    dropped: set[str] = set()
    for index, ((path, asked), measured) in enumerate(zip(sent, requests, strict=True)):
        later = [names for other, names in sent[index + 1 :] if other == path]
        if measured.status == _BAD_REQUEST_STATUS and later:
            dropped |= asked.difference(*later)
    return tuple(sorted(dropped))


def seconds_to_first_token(response: Response) -> float | None:
    """Return the seconds until the first content delta of a stream, or None if there is none."""
    before = b""
    for piece in response:
        if isinstance(piece, Chunk):
            if _CONTENT_DELTA_NAME in before + piece.data:
                return piece.at
            before = piece.data[-len(_CONTENT_DELTA_NAME) :]
    return None


def model_of_request(request: Request) -> str:
    """Return the model that a request names, or an empty string."""
    model = decode_json_object(request.body).get("model")
    return model if isinstance(model, str) else ""


def usage_of_answer(answer: ParsedResponse) -> Usage | None:
    """Return the usage that an answer reports, as far as it arrived, or None if there is none or it is invalid."""
    if answer.usage is None:
        return None
    try:
        return Usage.from_mapping(answer.usage)
    except ValueError:
        return None


def is_successful(answer: ParsedResponse) -> bool:
    """Return whether an answer is complete, has status 200, and has no error in its stream."""
    return answer.status == 200 and answer.is_complete and answer.error is None
