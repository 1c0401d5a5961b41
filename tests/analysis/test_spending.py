"""What verifying would cost, and the cap."""

import json
from typing import Any

import pytest

from flag_harness.analysis.spending import (
    CostBudget,
    cost_of_answer,
    estimate_cost_of_resending,
    estimate_input_cost,
    highest_possible_cost,
)
from flag_harness.cassette import Interaction
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response

MODEL = "claude-haiku-4-5"
"""$1 in and $5 out for a million tokens."""


def _response(value: Any, status: int = 200, **options: Any) -> Response:
    return Head(0.0, status, ()), Chunk(0.1, json.dumps(value).encode()), End(0.2, **options)


def _asked(response: Response, path: str = "/v1/messages", **body: Any) -> Interaction:
    return Interaction(Request("POST", path, (), json.dumps({"model": MODEL, **body}).encode()), response)


def _cut(message: Any) -> Response:
    """A stream whose client left after its first event."""
    event = {"type": "message_start", "message": message}
    return STREAM[0], Chunk(0.1, f"event: message_start\ndata: {json.dumps(event)}\n\n".encode()), STREAM[1]


USAGE = {"usage": {"input_tokens": 1000, "output_tokens": 100}}
STREAM = (Head(0.0, 200, (("content-type", "text/event-stream"),)), End(0.2, is_abandoned=True))


@pytest.mark.parametrize(
    ("interaction", "dollars"),
    [
        (_asked(_response(USAGE)), 0.0015),
        (_asked(_response(USAGE, 400)), 0.000014),
        (_asked(_response(USAGE, 404), max_tokens=1000), 0.005024),
        (_asked(_response({}), max_tokens=1000), 0.005024),
        (_asked(_response(USAGE), max_tokens=1000), 0.0015),
        (_asked(_cut({**USAGE, "type": "message"}), max_tokens=1000), 0.006),
        (_asked(_response({"input_tokens": 7}), "/v1/messages/count_tokens"), 0.0),
        (_asked(STREAM, max_tokens=1000), 0.005024),
        (_asked(STREAM, max_tokens="many"), 0.000025),
        (_asked(STREAM), 0.000014),
        (Interaction(Request("POST", "/v1/messages", (), b"[]"), STREAM), None),
        (_asked(_response(USAGE), model="claude-unheard-of"), None),
    ],
)
def test_a_request_is_expected_to_cost_what_it_did(interaction: Interaction, dollars: float | None) -> None:
    """At list price; a token for two bytes and all of `max_tokens` where nothing is stated, or it was refused."""
    assert pytest.approx(dollars) == estimate_cost_of_resending(interaction)


def test_an_answer_costs_what_it_states() -> None:
    """`None` where it states nothing."""
    interaction = _asked(_response(USAGE))
    assert 0.0015 == pytest.approx(cost_of_answer(interaction.request, interaction.response))
    assert None is cost_of_answer(interaction.request, _response({}))
    assert None is cost_of_answer(interaction.request, (Cut(0.0, "reset"),))


def test_what_is_refused_costs_nothing() -> None:
    """Whatever it states."""
    assert 0.0 == cost_of_answer(_asked(STREAM).request, _response(USAGE, 400))


def test_a_budget_is_asked_first() -> None:
    """What an answer stated counts; where it stated nothing, what was expected."""
    budget = CostBudget(0.01)
    assert "" == budget.refusal_reason(0.01)
    budget.add_cost(0.004, None)
    budget.add_cost(0.001, 0.003)
    budget.add_cost(None, None)
    assert 0.007 == pytest.approx(budget.spent)
    assert "" == budget.refusal_reason(0.003)
    assert "it would cost about $0.0040; $0.0070 of $0.01 are spent" == budget.refusal_reason(0.004)
    assert "no list price is known for its model, so its cost cannot be estimated" == budget.refusal_reason(None)


def test_a_budget_that_is_spent_lets_nothing_out() -> None:
    """Not even what is expected to cost nothing: nobody knows that it will."""
    assert "it would cost about $0.0000; $0.0000 of $0.00 are spent" == CostBudget(0.0).refusal_reason(0.0)
    budget = CostBudget(0.01)
    budget.add_cost(0.01, None)
    assert "it would cost about $0.0000; $0.0100 of $0.01 are spent" == budget.refusal_reason(0.0)


@pytest.mark.parametrize(
    ("method", "path", "dollars"),
    [
        ("POST", "/v1/messages/batches", None),
        ("GET", "/v1/models", 0.0),
        ("POST", "/v1/messages?beta=true", 0.000014),
    ],
)
def test_the_input_of_a_request_is_priced_by_its_size(method: str, path: str, dollars: float | None) -> None:
    """The prices of batches are not known; other endpoints cost nothing."""
    body = json.dumps({"model": MODEL}).encode()
    assert dollars == pytest.approx(estimate_input_cost(Request(method, path, (), body)))


def test_counting_tokens_costs_nothing_even_at_most() -> None:
    """Its `max_tokens` would never be answered."""
    assert 0.0 == highest_possible_cost(_asked((), "/v1/messages/count_tokens", max_tokens=1000).request)
    assert 0.005024 == pytest.approx(highest_possible_cost(_asked((), max_tokens=1000).request), abs=1e-6)
