"""Read large cassette files interaction by interaction, which takes less memory than decoding the whole
file at once.
"""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, overload

import msgspec

from flag_harness.cassette.file.blobs import BlobReader
from flag_harness.cassette.file.format import (
    CASSETTE_FILE_DECODER,
    DecodedCassette,
    decode_interaction,
    decode_interactions,
    metadata_from_stored,
    raise_value_error_if_nested_too_deep,
)
from flag_harness.cassette.file.references import ReferencedFileReader
from flag_harness.cassette.file.rows import StoredMetadata
from flag_harness.cassette.interaction import CassetteMetadata, Interaction
from flag_harness.errors import CassetteError
from flag_harness.wire.compression import check_decompressed_sizes

MAX_INTERACTIONS = 100_000
"""The most interactions that a large file may have."""
MAX_JSON_TOKENS = 1_000_000
"""The most strings, brackets and commas in one interaction of a large file. So many need 150 MB of memory."""
_JSON_TOKEN_PATTERN = re.compile(rb'[\[{,]|"[^"\\]*(?:\\.[^"\\]*)*"?')
_INTERACTION_START_PATTERN = re.compile(rb"\n    (?=\{)")
"""Matches before an interaction in a file as the harness writes it: no line of the interaction begins like that."""
_INTERACTION_SEPARATOR, _FILE_END = b",\n    ", b"\n  ]\n}\n"


def decode_large_cassette(file: BinaryIO, read_blob: BlobReader | None = None) -> DecodedCassette:
    """Decode a cassette file as `decode_cassette` does, but read each interaction from the file again.

    So its content is in memory only once, and not as text and as decoded values at the same time.
    """
    with raise_value_error_if_nested_too_deep():
        metadata, spans = _find_interactions_in_file(file.read())
        rows = ([_read_span(file, *span, number)] for number, span in enumerate(spans))
        return decode_interactions(metadata, rows, read_blob)


def refuse_unreadable_sizes(data: bytes) -> None:
    """Raise `ValueError` if a large cassette file could not be read because of the number of its interactions, or of
    the values in one of them.
    """
    for number, (start, length) in enumerate(_find_interactions_in_file(data)[1]):
        _refuse_many_tokens(data[start : start + length], number)


class InteractionsOnDisk(Sequence[Interaction]):
    """The interactions of a large cassette file. Each is read from the file and decoded whenever it is needed.

    Reading an interaction raises `CassetteError` if it is invalid, or if the file can no longer be read. The
    constructor raises `ValueError` if the file is not a valid cassette, and `OSError` if it cannot be read.
    """

    def __init__(self, path: Path, read_blob: BlobReader | None = None) -> None:
        self._path = path
        with path.open("rb") as file, raise_value_error_if_nested_too_deep():
            stored, self._spans = _find_interactions_in_file(file.read())
        self.metadata: CassetteMetadata = metadata_from_stored(stored)
        self._reader = ReferencedFileReader(stored, read_blob)

    @property
    def blob_folder(self) -> Path | None:
        """The folder of the separate files to which the cassette refers, or None."""
        name = self._reader.metadata.blobs
        return Path(os.path.normpath(self._path.parent / name)) if name else None

    @property
    def has_parts(self) -> bool:
        """Whether the cassette may refer to parts (values shared with other cassettes)."""
        return self._reader.has_parts

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> Interaction: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Interaction]: ...

    def __getitem__(self, index: int | slice) -> Interaction | Sequence[Interaction]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        try:
            with self._path.open("rb") as file, raise_value_error_if_nested_too_deep():
                found = decode_interaction(index, [_read_span(file, *self._spans[index], index)], self._reader)
                check_decompressed_sizes([found.response], index)
                return found
        except (OSError, ValueError) as error:
            raise CassetteError(f"{self._path}: cannot be read as a cassette: {error}") from None

    def __iter__(self) -> Iterator[Interaction]:
        return (self[number] for number in range(len(self)))


def _find_interactions_in_file(data: bytes) -> tuple[StoredMetadata, list[tuple[int, int]]]:
    """Return the metadata of a cassette file, and a list of the offset and length of each interaction in the file.

    Raise `ValueError` if the file is no cassette, or has too many interactions.
    """
    starts = [match.end() for match in islice(_INTERACTION_START_PATTERN.finditer(data), MAX_INTERACTIONS + 1)]
    if len(starts) > MAX_INTERACTIONS:
        raise ValueError(f"it has more than {MAX_INTERACTIONS:,} interactions, the most that are read; split the test")
    try:
        return _split_at_starts(data, starts)
    except ValueError as error:
        if _has_many_tokens(data):
            raise ValueError(f"{error} (it is too large to be read in another layout)") from None
    return _find_spans_in_any_layout(data)


def _split_at_starts(data: bytes, starts: Sequence[int]) -> tuple[StoredMetadata, list[tuple[int, int]]]:
    """Return what `_find_interactions_in_file` does, given where the interactions start.

    Raise `ValueError` if the file is not laid out as the harness writes it.
    """
    if not starts or not data.endswith(_FILE_END):
        raise ValueError("it is not laid out as the harness writes it")
    ends = [*(start - len(_INTERACTION_SEPARATOR) for start in starts[1:]), len(data) - len(_FILE_END)]
    content = CASSETTE_FILE_DECODER.decode(data[: starts[0]] + b"]}")
    view = memoryview(data)  # without a copy
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        try:
            msgspec.json.decode(view[start:end], type=msgspec.Raw)
        except ValueError as error:
            raise ValueError(f"interaction {number}: {error}") from None
        if number and view[ends[number - 1] : start] != _INTERACTION_SEPARATOR:
            raise ValueError(f"interaction {number}: there is no comma before it")
    return content.metadata, [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _find_spans_in_any_layout(data: bytes) -> tuple[StoredMetadata, list[tuple[int, int]]]:
    content = CASSETTE_FILE_DECODER.decode(data)
    spans, position = [], 0
    for raw in (memoryview(one) for one in content.interactions):  # without a copy
        start = data.index(raw, position)
        spans.append((start, len(raw)))
        position = start + len(raw)
    return content.metadata, spans


def _has_many_tokens(data: bytes) -> bool:
    """Return whether JSON has so many values that they would take too much memory."""
    if len(data) <= MAX_JSON_TOKENS:
        return False
    return next(islice(_JSON_TOKEN_PATTERN.finditer(data), MAX_JSON_TOKENS, None), None) is not None


def _refuse_many_tokens(data: bytes, number: int) -> None:
    """Raise `ValueError` if the JSON of the interaction with the index `number` has too many values."""
    if _has_many_tokens(data):
        raise ValueError(
            f"interaction {number}: it has more than {MAX_JSON_TOKENS:,} strings, brackets and commas, the most that "
            "are read"
        )


def _read_span(file: BinaryIO, start: int, length: int, number: int) -> bytes:
    """Return the JSON of the interaction with the index `number`. Raise `ValueError` if it has too many values."""
    file.seek(start)
    data = file.read(length)
    _refuse_many_tokens(data, number)
    return data
