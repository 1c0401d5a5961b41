"""What a foreign cassette would be worth here: whether it would match strictly, and what in it has aged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from flag_harness.cassette.importers.fidelity import REQUEST_BODY_MISSING, REQUEST_HEADERS_DROPPED
from flag_harness.cassette.importers.importing import Imported
from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.matching import betas
from flag_harness.wire.timeline import Head, header_value, response_body

Ended = Callable[[str], str | None]
"""Says what is wrong with a model's id by now: nothing, or in a few words why it may answer no more."""

_LEGACY_BETAS = frozenset({"prompt-caching-2024-07-31", "max-tokens-3-5-sonnet-2024-07-15", "messages-2023-12-15"})
"""Betas that are part of the API by now: a client of today does not send them."""
_LOOSE = {
    REQUEST_BODY_MISSING: "a request's body is missing",
    REQUEST_HEADERS_DROPPED: "headers of requests were not kept, so betas are not known",
}


@dataclass(frozen=True, slots=True)
class Assessment:
    """Why a cassette would not match strictly, and why it is stale; with no reasons it would, and is not."""

    loose: tuple[str, ...]
    stale: tuple[str, ...]


def assess(imported: Imported, ended: Ended) -> Assessment:
    """Judge a cassette that was read."""
    found = imported.cassette
    loose = [_LOOSE[word] for word in found.envelope.fidelity if word in _LOOSE]
    loose += _each(found.interactions, _loose)
    stale = _each(found.interactions, lambda one: _stale(one, ended))
    return Assessment(tuple(dict.fromkeys(loose)), tuple(dict.fromkeys(stale)))


def ended_by(today: date, retires: Callable[[str], tuple[bool, date | None]]) -> Ended:
    """Judges models by a table: `retires` says whether it has the id, and the announced end."""

    def ended(model: str) -> str | None:
        known, end = retires(model)
        if not known:
            return f"model {model} is not in the table of models"
        return f"model {model} ended on {end}" if end and end <= today else None

    return ended


def _each(interactions: tuple[Interaction, ...], judge: Callable[[Interaction], Iterator[str]]) -> list[str]:
    return [reason for one in interactions for reason in judge(one)]


def _loose(one: Interaction) -> Iterator[str]:
    if header_value(one.request.headers, "content-type").startswith("multipart/"):
        yield "a multipart body has another boundary each time"
    elif one.request.body and isinstance(one.value, bytes):
        yield "a request's body is not JSON"


def _stale(one: Interaction, ended: Ended) -> Iterator[str]:
    value: Any = one.value
    model = value.get("model") if isinstance(value, dict) else None
    if isinstance(model, str) and model.startswith("claude") and (why := ended(model)):
        yield why
    yield from (f"beta {beta} is legacy" for beta in betas(one.request.headers) if beta in _LEGACY_BETAS)
    whole = response_body(one.response)
    head = one.response[0]
    streamed = whole.startswith(b"event: message_start") and isinstance(head, Head)
    if streamed and b"event: message_stop" not in whole:
        yield "a stream ends before message_stop"
