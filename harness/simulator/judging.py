"""From a request to a legal body, or to what the API answers in its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from harness.simulator import catalogue
from harness.simulator.rules import Asked, Refusal, Signatures, header_refusal, refusal
from harness.simulator.rules.schema import CountTokensBody, MessagesBody
from harness.simulator.rules.shape import shape_problem
from harness.simulator.scenario import Scenario
from harness.wire.timeline import Request

_POSTED: Mapping[str, type[CountTokensBody]] = {
    "/v1/messages": MessagesBody,
    "/v1/messages/count_tokens": CountTokensBody,
}
_MODELS = "/v1/models"
_INVALID = "invalid_request_error"
_MOST_NESTED = 200
"""Levels of a body. Ours: far more than any request has, and no more than what reads them can bear."""
_PAGE = 20
"""Models a page unless asked otherwise (documented)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A legal request for one model, or (`model` is empty) for `limit` models after the one whose id is `after`."""

    model: str = ""
    limit: int = 0
    after: str = ""


def judge(request: Request, signatures: Signatures, scenario: Scenario) -> Asked | Listing | Refusal:
    """The request if it is legal, else the refusal, in the order in which the API looks."""
    parts = urlsplit(request.url)
    posted, listed = parts.path in _POSTED, parts.path == _MODELS or parts.path.startswith(f"{_MODELS}/")
    if not posted and not listed:
        return Refusal("path", 404, "not_found_error", "Not found")
    if request.method != ("POST" if posted else "GET"):
        return Refusal("method", 405, _INVALID, "Method Not Allowed")
    problem = header_refusal(request, scenario.refused_betas, scenario.keys)
    if problem is not None:
        return problem
    if listed:
        return _judged_listing(parts.path.removeprefix(_MODELS).removeprefix("/"), parse_qs(parts.query))
    return _judged_body(request, _POSTED[parts.path], signatures, scenario)


def _judged_listing(name: str, query: Mapping[str, list[str]]) -> Listing | Refusal:
    if name:
        return Listing(name) if catalogue.find(name) else _no_model(name)
    limit = query.get("limit", [str(_PAGE)])[0]
    if not limit.isdigit():
        words = "limit: Input should be a valid integer, unable to parse string as an integer"
        return Refusal("limit", 400, _INVALID, words)
    return Listing(limit=int(limit), after=query.get("after_id", [""])[0])


def _judged_body(
    request: Request, shape: type[CountTokensBody], signatures: Signatures, scenario: Scenario
) -> Asked | Refusal:
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refusal("json", 400, _INVALID, f"The request body is not valid JSON: {error}")
    except RecursionError:
        return _too_deep()
    if _is_deep(body):
        return _too_deep()
    if not isinstance(body, dict):
        return Refusal("shape", 400, _INVALID, "Input should be a valid dictionary")
    words = _refused_parameter(body, scenario) or shape_problem(body, shape)
    if words is not None:
        return Refusal("shape", 400, _INVALID, words)
    model = catalogue.find(body["model"])
    if model is None:
        return _no_model(body["model"])
    asked = Asked(request.headers, body, model, signatures, counting=shape is CountTokensBody)
    return refusal(asked) or asked


def _is_deep(value: Any) -> bool:
    """Whether a value has more levels than may be; asked level by level, so that its depth does no harm."""
    level = [value]
    for _ in range(_MOST_NESTED + 1):
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, (dict, list))]
        level = [one for part in parts for one in part]
        if not level:
            return False
    return True


def _too_deep() -> Refusal:
    words = f"The request body is not valid JSON: it is nested more than {_MOST_NESTED} deep"
    return Refusal("json", 400, _INVALID, words)


def _refused_parameter(body: Mapping[str, Any], scenario: Scenario) -> str | None:
    refused = next((name for name in scenario.refused_parameters if name in body), None)
    return None if refused is None else f"{refused}: Extra inputs are not permitted"


def _no_model(name: str) -> Refusal:
    return Refusal("model", 404, "not_found_error", f"model: {name}")
