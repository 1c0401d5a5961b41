"""From a request to a legal body, or to what the API answers in its place."""

from dataclasses import dataclass

from flag_harness.simulator import catalogue
from flag_harness.simulator.rules import (
    ARRIVAL_RULES,
    ASKED_RULES,
    BODY_RULES,
    Arrived,
    Asked,
    Refusal,
    Signatures,
    refusal,
)
from flag_harness.simulator.rules.shape.schema import MessagesBody
from flag_harness.simulator.scenario.scenario import Scenario
from flag_harness.wire.timeline import Request

_PAGE = 20
"""Models a page unless asked otherwise (documented)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A legal request for one model, or (`model` is empty) for a page of at most `limit` models.

    They are those after the one whose id is `after`, or the last ones before `before`.
    """

    model: str = ""
    limit: int = _PAGE
    after: str = ""
    before: str = ""


def judge(request: Request, signatures: Signatures, scenario: Scenario) -> Asked | Listing | Refusal:
    """The request if it is legal, else the refusal, in the order in which the API looks."""
    arrived = Arrived(request, scenario)
    refused = refusal(arrived, ARRIVAL_RULES)
    if refused is not None:
        return refused
    if arrived.listed is not None:
        limit = int(arrived.query("limit") or _PAGE)
        return Listing(arrived.listed, limit, arrived.query("after_id"), arrived.query("before_id"))
    return refusal(arrived, BODY_RULES) or _judged(arrived, signatures)


def _judged(arrived: Arrived, signatures: Signatures) -> Asked | Refusal:
    body = arrived.decoded.value
    model = catalogue.find(body["model"])
    assert model is not None
    counting = arrived.shape is not MessagesBody
    asked = Asked(arrived.request.headers, body, model, signatures, counting=counting)
    return refusal(asked, ASKED_RULES) or asked
