"""Rules about a body before its fields are held against each other: that it is JSON, of the right shape, of a model."""

from typing import Any

from flag_harness.simulator import catalogue
from flag_harness.simulator.rules.asked import Arrived
from flag_harness.simulator.rules.shape.shape import shape_problem

MOST_NESTED = 200
"""Levels of a body. Ours: far more than any request has, and no more than what reads them can bear."""


def valid_json(arrived: Arrived) -> str | None:
    """The body is JSON."""
    problem = arrived.decoded.problem
    return None if problem is None else f"The request body is not valid JSON: {problem}"


def bounded_nesting(arrived: Arrived) -> str | None:
    """The body is not nested without end."""
    if not arrived.decoded.endless and not _is_deep(arrived.decoded.value):
        return None
    return f"The request body is not valid JSON: it is nested more than {MOST_NESTED} deep"


def _is_deep(value: Any) -> bool:
    """Whether a value has more levels than may be; asked level by level, so that its depth does no harm."""
    level = [value]
    for _ in range(MOST_NESTED + 1):
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, (dict, list))]
        level = [one for part in parts for one in part]
        if not level:
            return False
    return True


def an_object(arrived: Arrived) -> str | None:
    """The body is an object."""
    return None if isinstance(arrived.decoded.value, dict) else "Input should be a valid dictionary"


def open_parameters(arrived: Arrived) -> str | None:
    """The body has no parameter that the scenario refuses."""
    refused = (name for name in arrived.scenario.refused_parameters if name in arrived.decoded.value)
    return next((f"{name}: Extra inputs are not permitted" for name in refused), None)


def shape(arrived: Arrived) -> str | None:
    """The body has the fields that it must have and no others, each of its type."""
    assert arrived.shape is not None
    return shape_problem(arrived.decoded.value, arrived.shape)


def known_model(arrived: Arrived) -> str | None:
    """The model exists."""
    name: Any = arrived.decoded.value["model"]
    return None if catalogue.find(name) else f"model: {name}"
