"""The API's error messages for bodies that lack fields, have unknown fields, or have fields of a wrong type."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flag_harness.simulator.rules.shape.blocks import PREFIX_OF_TAGS_HIDDEN_IN_ERRORS, SERVER_BLOCK_TYPES


def shape_problem(body: object, shape: type[BaseModel]) -> str | None:
    """Return the API's message for the first wrong, missing or unknown field of a body, or None if it fits the model
    `shape`.
    """
    try:
        shape.model_validate(body)
    except ValidationError as error:
        return _format_error(error.errors(include_url=False)[0])
    return None


def _format_error(problem: ErrorDetails) -> str:
    """Format a Pydantic error as the API does.

    An example is `tools.0.custom.input_schema.type: Field required`.
    """
    path = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(PREFIX_OF_TAGS_HIDDEN_IN_ERRORS))
    if problem["type"] == "union_tag_invalid":
        context = problem["ctx"]
        expected = sorted(
            tag
            for tag in re.findall(r"'([^']*)'", context["expected_tags"])
            if tag[0] != PREFIX_OF_TAGS_HIDDEN_IN_ERRORS
        )
        if "_block_tag" in context["discriminator"]:
            expected = sorted({*expected, *SERVER_BLOCK_TYPES})
        names = ", ".join(f"'{tag}'" for tag in expected)
        words = f"Input tag '{context['tag']}' found using 'type' does not match any of the expected tags: {names}"
    else:
        words = _MESSAGE_BY_PYDANTIC_ERROR.get(problem["type"], problem["msg"])
    return f"{path}: {words}" if path else words


_MESSAGE_BY_PYDANTIC_ERROR: Mapping[str, str] = {
    "extra_forbidden": "Extra inputs are not permitted",
    "dict_type": "Input should be a valid dictionary",
    "model_type": "Input does not match the expected shape.",
    "model_attributes_type": "Input does not match the expected shape.",
}
