"""Find the features that the API's error message names, so that only these features are dropped."""

import re
from collections.abc import Iterable, Mapping

from flag_harness.reference.request.failure import RequestFailure
from flag_harness.reference.request.request import CACHE_MARK_KEY, PreparedRequest

_OTHER_NAMES_OF_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "thinking": ("budget_tokens",),
    "output_config": ("effort",),
    CACHE_MARK_KEY: ("prompt caching",),
}
"""Other names that the API uses for a parameter in its messages."""

_UNKNOWN_TAG_PATTERN = re.compile(r"Input tag '([^']+)' found")
_THINKING_EXPECTED_MESSAGE = "Expected `thinking`"
"""The API's message if thinking is on, but the assistant message with the tool call has no thinking. Such a turn can
only be completed with thinking off.
"""
_PATH_INSIDE_LIST_PATTERN = re.compile(r"(messages|tools|system)\.\d+")


def find_rejected_features(failure: RequestFailure, prepared: PreparedRequest) -> tuple[str, ...]:
    """Return the features (betas and parameters) to leave out because an error message names them.

    These are all betas that the message names or, if it names no beta, the first parameter that it names. The result is
    empty if the message names neither.
    """
    if not failure.is_rejection:
        return ()
    if failure.rejected_argument is not None:
        return tuple(name for name in prepared.droppable_features if name == failure.rejected_argument)
    betas = _find_rejected_betas(failure.original_message, prepared)
    return betas or _find_rejected_parameter(
        failure.original_message, (name for name in prepared.droppable_features if name not in prepared.betas)
    )


def _find_rejected_betas(words: str, prepared: PreparedRequest) -> tuple[str, ...]:
    """Return the betas that `words` names, by their own name or by the type of a tool that needs them."""
    by_type = {prepared.beta_by_tool_type.get(tag) for tag in _UNKNOWN_TAG_PATTERN.findall(words)}
    return tuple(beta for beta in prepared.betas if beta in by_type or _index_of_whole_word(words, beta) is not None)


def _find_rejected_parameter(words: str, parameters: Iterable[str]) -> tuple[str, ...]:
    """Return the first of `parameters` that the error message `words` names, in a tuple, or an empty tuple.

    An error inside messages, tools or the system prompt may quote words that look like parameters. So of such an error,
    only cache marks (`cache_control`) count.
    """
    if _THINKING_EXPECTED_MESSAGE in words:
        return tuple(name for name in parameters if name == "thinking")
    if _PATH_INSIDE_LIST_PATTERN.match(words):
        parameters = [name for name in parameters if name == CACHE_MARK_KEY]
    places = [
        (place, name)
        for name in parameters
        for word in (name, *_OTHER_NAMES_OF_PARAMETERS.get(name, ()))
        if (place := _index_of_whole_word(words, word)) is not None
    ]
    return (min(places)[1],) if places else ()


def _index_of_whole_word(words: str, name: str) -> int | None:
    """Return the index at which `name` occurs in `words` as a whole word, ignoring case, or None."""
    found = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words, re.IGNORECASE)
    return None if found is None else found.start()
