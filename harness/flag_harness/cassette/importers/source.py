"""An interaction of a foreign cassette: the common result of all readers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from flag_harness.wire.timeline import Headers


@dataclass(frozen=True, slots=True)
class SourceInteraction:
    """One request and its response, with the bodies as the file has them.

    `notes` are words of `fidelity`. `message` is the status's own, or None if the file has none.
    """

    method: str
    url: str
    request_headers: Headers
    request_body: bytes
    status: int
    response_headers: Headers
    response_body: bytes
    notes: frozenset[str] = frozenset()
    message: str | None = None


ReadInteractions: TypeAlias = Callable[[Any], Iterator[SourceInteraction]]
"""Reads interactions from plain values. Raises `ValueError` naming the interaction and the key that is invalid."""
