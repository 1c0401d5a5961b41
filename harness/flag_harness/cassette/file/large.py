"""Read large cassette files interaction by interaction, which takes less memory than decoding the whole
file at once.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, overload

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
from flag_harness.cassette.interaction import Interaction
from flag_harness.errors import CassetteError


def decode_large_cassette(file: BinaryIO, read_blob: BlobReader | None = None) -> DecodedCassette:
    """Decode a cassette file as `decode_cassette` does, but read each interaction from the file again.

    So its content is in memory only once, and not as text and as decoded values at the same time.
    """
    with raise_value_error_if_nested_too_deep():
        metadata, spans = _find_interactions_in_file(file.read())
        return decode_interactions(metadata, ([_read_span(file, *span)] for span in spans), read_blob)


class InteractionsOnDisk(Sequence[Interaction]):
    """The interactions of a large cassette file. Each is read from the file and decoded whenever it is needed.

    Reading an interaction raises `CassetteError` if it is invalid, or if the file can no longer be read. The
    constructor raises `ValueError` if the file is not a valid cassette, and `OSError` if it cannot be read.
    """

    def __init__(self, path: Path, read_blob: BlobReader | None = None) -> None:
        self._path = path
        with path.open("rb") as file, raise_value_error_if_nested_too_deep():
            metadata, self._spans = _find_interactions_in_file(file.read())
        metadata_from_stored(metadata)
        self._reader = ReferencedFileReader(metadata, read_blob)

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
                return decode_interaction(index, [_read_span(file, *self._spans[index])], self._reader)
        except (OSError, ValueError) as error:
            raise CassetteError(f"{self._path}: cannot be read as a cassette: {error}") from None

    def __iter__(self) -> Iterator[Interaction]:
        return (self[number] for number in range(len(self)))


def _find_interactions_in_file(data: bytes) -> tuple[StoredMetadata, list[tuple[int, int]]]:
    """Return the metadata of a cassette file, and a list of the offset and length of each interaction in the file."""
    content = CASSETTE_FILE_DECODER.decode(data)
    spans, position = [], 0
    for raw in (memoryview(one) for one in content.interactions):  # without a copy
        start = data.index(raw, position)
        spans.append((start, len(raw)))
        position = start + len(raw)
    return content.metadata, spans


def _read_span(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)
