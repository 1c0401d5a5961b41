"""An interaction as it was read from another tool's cassette. The type is the same for all formats."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from flag_harness.cassette.importers.shapes import parse_mapping
from flag_harness.wire.timeline import Headers


@dataclass(frozen=True, slots=True)
class SourceInteraction:
    """One request and its response from another tool's cassette, with the bodies as that tool stored them.

    `fidelity_words` name what is known to differ from what the API sent (see `fidelity.py`). `reason_phrase` is the
    text after the status, such as `OK`, or None if the cassette has none.
    """

    method: str
    url: str
    request_headers: Headers
    request_body: bytes
    status: int
    response_headers: Headers
    response_body: bytes
    fidelity_words: frozenset[str] = frozenset()
    reason_phrase: str | None = None


ReadInteractions: TypeAlias = Callable[[Any], Iterator[SourceInteraction]]
"""A function that reads interactions from the parsed values of a file. It raises `ValueError` naming an invalid one."""


def read_each_row(
    rows: list[Any], read_row: Callable[[Mapping[str, Any]], SourceInteraction]
) -> Iterator[SourceInteraction]:
    """Yield the interaction that `read_row` makes of each row. Raise `ValueError` naming the first invalid row."""
    for number, row in enumerate(rows):
        try:
            yield read_row(parse_mapping(row, "it"))
        except ValueError as error:
            raise ValueError(f"interaction {number}: {error}") from None
