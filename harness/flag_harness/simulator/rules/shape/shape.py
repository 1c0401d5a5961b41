"""The API's words for a body of the wrong shape."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flag_harness.simulator.rules.shape.blocks import HIDDEN, SERVER_BLOCKS


def shape_problem(body: object, shape: type[BaseModel]) -> str | None:
    """The API's words for the first thing that is wrong with the body's shape; None where nothing is."""
    try:
        shape.model_validate(body)
    except ValidationError as error:
        return _words(error.errors(include_url=False)[0])
    return None


def _words(problem: ErrorDetails) -> str:
    """`tools.0.custom.input_schema.type: Field required`: the path with the kinds that were chosen, then the words."""
    path = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(HIDDEN))
    if problem["type"] == "union_tag_invalid":
        context = problem["ctx"]
        expected = sorted(tag for tag in re.findall(r"'([^']*)'", context["expected_tags"]) if tag[0] != HIDDEN)
        if "_block_tag" in context["discriminator"]:
            expected = sorted({*expected, *SERVER_BLOCKS})
        names = ", ".join(f"'{tag}'" for tag in expected)
        words = f"Input tag '{context['tag']}' found using 'type' does not match any of the expected tags: {names}"
    else:
        words = _OTHER_WORDS.get(problem["type"], problem["msg"])
    return f"{path}: {words}" if path else words


_OTHER_WORDS: Mapping[str, str] = {
    "extra_forbidden": "Extra inputs are not permitted",
    "dict_type": "Input should be a valid dictionary",
    "model_type": "Input does not match the expected shape.",
    "model_attributes_type": "Input does not match the expected shape.",
}
