"""Rules for the body as a whole: valid JSON, nesting, shape and model."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import BaseModel

from flag_harness.simulator import catalogue
from flag_harness.simulator.rules.request import IncomingRequest, remember_results
from flag_harness.simulator.rules.shape.blocks import COMMON_BLOCK_TYPES, type_of_object
from flag_harness.simulator.rules.shape.validation import shape_problem
from flag_harness.simulator.scenario.scenario import Scenario

MAX_BODY_DEPTH = 200
"""The deepest nesting of JSON that is accepted. The limit is our choice: deeper than any real request, and safe for all
code that reads it.
"""

_BLOCK_IN_PLACE_OF_RAW_BLOCKS = {"type": "text", "text": "A raw block of the scenario stands here."}


def check_json(incoming: IncomingRequest) -> str | None:
    """Return the error message for a body that is not JSON, or None."""
    problem = incoming.decoded_body.problem
    return None if problem is None else f"The request body is not valid JSON: {problem}"


def check_nesting(incoming: IncomingRequest) -> str | None:
    """Return the error message for a body that is nested too deeply, or None."""
    if not incoming.decoded_body.is_too_deep and not _is_nested_too_deeply(incoming.decoded_body.value):
        return None
    return f"The request body is not valid JSON: it is nested more than {MAX_BODY_DEPTH} deep"


def _is_nested_too_deeply(value: Any) -> bool:
    """Return whether a value is nested deeper than `MAX_BODY_DEPTH`. It does not recurse, so any depth is safe."""
    level = [value]
    for _ in range(MAX_BODY_DEPTH + 1):
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, (dict, list))]
        level = [one for part in parts for one in part]
        if not level:
            return False
    return True


def check_body_is_object(incoming: IncomingRequest) -> str | None:
    """Return the error message for a body that is not a JSON object, or None."""
    return None if isinstance(incoming.decoded_body.value, dict) else "Input should be a valid dictionary"


def check_parameters_refused_by_scenario(incoming: IncomingRequest) -> str | None:
    """Return the error message for a parameter that the scenario lists in `refused_parameters`, or None."""
    refused = (name for name in incoming.scenario.refused_parameters if name in incoming.decoded_body.value)
    return next((f"{name}: Extra inputs are not permitted" for name in refused), None)


def check_body_shape(incoming: IncomingRequest) -> str | None:
    """Return the error message for a body with missing fields, unknown fields or fields of a wrong type, or None."""
    assert incoming.body_model is not None
    sent = incoming.decoded_body.value
    value = _replace_raw_blocks(sent, incoming.scenario)
    if value is not sent:
        return shape_problem(value, incoming.body_model)
    return _shape_problem(_BodyToCheck(incoming.request.body, incoming.body_model, value))


@dataclass(frozen=True, slots=True)
class _BodyToCheck:
    """A body, as bytes and decoded, and the Pydantic model that it must fit."""

    body_bytes: bytes
    shape: type[BaseModel]
    decoded_body: Any = field(compare=False)


@remember_results
def _shape_problem(body: _BodyToCheck) -> str | None:
    return shape_problem(body.decoded_body, body.shape)


def _replace_raw_blocks(value: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    """Return a body in which each raw block of the scenario is replaced by a valid block.

    Raw blocks may have any shape, so they must not be checked.
    """
    raw = [block.raw for turn in scenario.turns for block in turn.content if block.raw is not None]
    messages = value.get("messages")
    if not raw or not isinstance(messages, list):
        return value
    return {**value, "messages": [_replace_blocks(message, msgspec.to_builtins(raw)) for message in messages]}


def _replace_blocks(message: Any, raw_blocks: list[Any]) -> Any:
    """Return a copy of an assistant message with a valid block in place of each raw block. Return other messages
    unchanged.

    Blocks of the same type as one of `raw_blocks` count as raw, unless it is a common type.
    """
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or message.get("role") != "assistant":
        return message
    types = [kind for block in raw_blocks if (kind := block["type"]) not in COMMON_BLOCK_TYPES]
    return {
        **message,
        "content": [
            _BLOCK_IN_PLACE_OF_RAW_BLOCKS if one in raw_blocks or type_of_object(one) in types else one
            for one in content
        ],
    }


def check_model(incoming: IncomingRequest) -> str | None:
    """Return the error message for an unknown model, or None."""
    name: Any = incoming.decoded_body.value["model"]
    return None if catalogue.find_served_model(name) else f"model: {name}"
