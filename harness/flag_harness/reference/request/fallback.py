"""Which feature a rejection names: that one is dropped, and nothing else."""

import re
from collections.abc import Iterable, Mapping

from flag_harness.reference.request.failure import Failure
from flag_harness.reference.request.request import CACHE_MARKS, Prepared

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "thinking": ("budget_tokens",),
    "output_config": ("effort",),
    CACHE_MARKS: ("prompt caching",),
}
"""How the API calls a parameter in its messages, beside its own name."""

_FOREIGN_TAG = re.compile(r"Input tag '([^']+)' found")
_THINKING_EXPECTED = "Expected `thinking`"
"""What the API says where thinking is on and a call that is being answered was made without: that turn can only be
completed with thinking off."""
_INSIDE = re.compile(r"(messages|tools|system)\.\d+")


def named_features(failure: Failure, prepared: Prepared) -> tuple[str, ...]:
    """The features of the request that a rejection names; none where it names nothing that could be left out.

    All betas that it names; else one parameter: the first named, since what follows it is mostly the reason.
    """
    if not failure.is_rejection:
        return ()
    if failure.keyword is not None:
        return tuple(name for name in prepared.features if name == failure.keyword)
    betas = _named_betas(failure.words, prepared)
    return betas or _first_parameter(failure.words, (name for name in prepared.features if name not in prepared.betas))


def _named_betas(words: str, prepared: Prepared) -> tuple[str, ...]:
    """A tool's beta is also named by its type, where the API does not know the type without the beta."""
    by_type = {prepared.tool_betas.get(tag) for tag in _FOREIGN_TAG.findall(words)}
    return tuple(beta for beta in prepared.betas if beta in by_type or _place(words, beta) is not None)


def _first_parameter(words: str, parameters: Iterable[str]) -> tuple[str, ...]:
    """What stands inside messages, tools or the system prompt has parameters' names without being one; marks do stand
    there."""
    if _THINKING_EXPECTED in words:
        return tuple(name for name in parameters if name == "thinking")
    if _INSIDE.match(words):
        parameters = [name for name in parameters if name == CACHE_MARKS]
    places = [
        (place, name)
        for name in parameters
        for word in (name, *_OTHER_NAMES.get(name, ()))
        if (place := _place(words, word)) is not None
    ]
    return (min(places)[1],) if places else ()


def _place(words: str, name: str) -> int | None:
    """Where `name` stands as a word of its own, in any case."""
    found = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words, re.IGNORECASE)
    return None if found is None else found.start()
