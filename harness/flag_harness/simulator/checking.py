"""Checks a request by the rules of the API, and parses it."""

from dataclasses import dataclass
from typing import TypeAlias

from flag_harness.simulator import catalogue
from flag_harness.simulator.endpoints.paging import DEFAULT_PAGE_SIZE
from flag_harness.simulator.rules import (
    BODY_RULES,
    HTTP_RULES,
    PARSED_RULES,
    IncomingRequest,
    ParsedRequest,
    RefusedRequest,
    SignatureChecker,
    find_refusal,
    remember_results,
)
from flag_harness.simulator.rules.shape.bodies import MessagesBody
from flag_harness.simulator.scenario.scenario import Scenario
from flag_harness.wire.timeline import Request


@dataclass(frozen=True, slots=True)
class ModelsRequest:
    """A valid request for one model, or for a page of the list of models if `model_id` is empty.

    A page has at most `page_size` models: the first ones after the model `after_id` if it is set, or the last ones
    before the model `before_id`.
    """

    model_id: str = ""
    page_size: int = DEFAULT_PAGE_SIZE
    after_id: str = ""
    before_id: str = ""


CheckedRequest: TypeAlias = ParsedRequest | ModelsRequest | IncomingRequest | RefusedRequest


def check_request(request: Request, signatures: SignatureChecker, scenario: Scenario) -> CheckedRequest:
    """Return the parsed request if all rules accept it, or else the error that the API would send.

    A request about batches or files is returned unparsed, because its endpoint checks the rest. `signatures` checks the
    signatures of thinking; `scenario` may refuse API keys, betas and parameters.
    """
    incoming = IncomingRequest(request, scenario)
    refused = find_refusal(incoming, HTTP_RULES)
    if refused is not None:
        return refused
    if incoming.model_id_in_path is not None:
        limit = int(incoming.query_value("limit") or DEFAULT_PAGE_SIZE)
        return ModelsRequest(
            incoming.model_id_in_path, limit, incoming.query_value("after_id"), incoming.query_value("before_id")
        )
    if incoming.body_model is None:
        return incoming
    return find_refusal(incoming, BODY_RULES) or _parse_messages_request(incoming, signatures)


def _parse_messages_request(incoming: IncomingRequest, signatures: SignatureChecker) -> ParsedRequest | RefusedRequest:
    """Return a request for a message (or for its token count) with its parsed body, or the error of the first broken
    rule.
    """
    body = incoming.decoded_body.value
    model = catalogue.find_served_model(body["model"])
    assert model is not None
    request, counting = incoming.request, incoming.body_model is not MessagesBody
    parsed = ParsedRequest(request.headers, request.body, body, model, signatures, signatures.state, counting)
    return _find_refusal(parsed) or parsed


@remember_results
def _find_refusal(request: ParsedRequest) -> RefusedRequest | None:
    """Return the error of the first rule that a request breaks, or None."""
    return find_refusal(request, PARSED_RULES)
