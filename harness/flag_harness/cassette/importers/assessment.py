"""Assess an imported cassette: can its requests be compared in full, and is anything in it out of date?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flag_harness.cassette.importers.fidelity import REQUEST_BODY_MISSING, REQUEST_HEADERS_DROPPED
from flag_harness.cassette.importers.importing import ImportedCassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.matching import beta_features
from flag_harness.wire.timeline import Head, body, header_value

FindModelProblem = Callable[[str], str | None]
"""A function that returns why a model may no longer be available, or None if there is no known reason."""

_OUTDATED_BETAS = frozenset({"prompt-caching-2024-07-31", "max-tokens-3-5-sonnet-2024-07-15", "messages-2023-12-15"})
"""Beta features that are now part of the API, so that current clients no longer send their names."""
_LOOSE_MATCHING_REASONS = {
    REQUEST_BODY_MISSING: "a request's body is missing",
    REQUEST_HEADERS_DROPPED: "headers of requests were not kept, so betas are not known",
}


@dataclass(frozen=True, slots=True)
class ImportAssessment:
    """What is wrong with an imported cassette.

    `loose_match_reasons` say why its requests cannot be compared in full (strictly), for example because the file has
    no bodies. `outdated_reasons` say why it is out of date.
    """

    loose_match_reasons: tuple[str, ...]
    outdated_reasons: tuple[str, ...]


def assess_import(imported: ImportedCassette, find_model_problem: FindModelProblem) -> ImportAssessment:
    """Return why an imported cassette's requests cannot be compared in full (strictly), and why it is out of date.

    `find_model_problem` returns why a model id is out of date, or None.
    """
    found = imported.cassette
    loose = [_LOOSE_MATCHING_REASONS[word] for word in found.metadata.fidelity if word in _LOOSE_MATCHING_REASONS]
    loose += _collect_reasons(found.interactions, _find_reasons_for_loose_matching)
    stale = _collect_reasons(found.interactions, lambda one: _find_reasons_for_being_outdated(one, find_model_problem))
    return ImportAssessment(tuple(dict.fromkeys(loose)), tuple(dict.fromkeys(stale)))


def make_outdated_model_check(
    today: date, find_retirement: Callable[[str], tuple[bool, date | None]]
) -> FindModelProblem:
    """Return a function that returns why a model id is out of date on the day `today`, or None if it is not.

    `find_retirement` returns whether a model is known, and the announced day of its retirement or None.
    """

    def reason_why_model_is_outdated(model: str) -> str | None:
        known, end = find_retirement(model)
        if not known:
            return f"model {model} is not in the table of models"
        return f"model {model} ended on {end}" if end and end <= today else None

    return reason_why_model_is_outdated


def _collect_reasons(
    interactions: Sequence[Interaction], find_reasons: Callable[[Interaction], Iterator[str]]
) -> list[str]:
    return [reason for one in interactions for reason in find_reasons(one)]


def _find_reasons_for_loose_matching(interaction: Interaction) -> Iterator[str]:
    """Yield why the request of an imported interaction cannot be compared in full."""
    if header_value(interaction.request.headers, "content-type").startswith("multipart/"):
        yield "a multipart body has another boundary each time"
    elif interaction.request.body and isinstance(interaction.decoded_body, bytes):
        yield "a request's body is not JSON"


def _find_reasons_for_being_outdated(interaction: Interaction, find_model_problem: FindModelProblem) -> Iterator[str]:
    """Yield why an imported interaction is out of date."""
    value: Any = interaction.decoded_body
    model = value.get("model") if isinstance(value, dict) else None
    if isinstance(model, str) and model.startswith("claude") and (why := find_model_problem(model)):
        yield why
    yield from (
        f"beta {beta} is legacy" for beta in beta_features(interaction.request.headers) if beta in _OUTDATED_BETAS
    )
    whole = body(interaction.response)
    head = interaction.response[0]
    streamed = whole.startswith(b"event: message_start") and isinstance(head, Head)
    if streamed and b"event: message_stop" not in whole:
        yield "a stream ends before message_stop"
