"""An interaction as a foreign cassette tells it: the shape that every format is read into."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from flag_harness.wire.timeline import Headers


@dataclass(frozen=True, slots=True)
class SourceInteraction:
    """One request and its response, bodies as the file keeps them. `notes` are words of `fidelity`."""

    method: str
    url: str
    request_headers: Headers
    request_body: bytes
    status: int
    response_headers: Headers
    response_body: bytes
    notes: frozenset[str] = frozenset()


ReadInteractions: TypeAlias = Callable[[Any], Iterator[SourceInteraction]]
"""Reads a file's plain values. Raises `ValueError` naming the interaction and the key that it does not understand."""
