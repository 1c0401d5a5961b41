"""Put the content of other files back into the interactions of a cassette that refers to them."""

from dataclasses import dataclass

from msgspec import UNSET

from flag_harness.cassette.file.blobs import BlobReader, insert_blobs
from flag_harness.cassette.file.parts import insert_body_parts
from flag_harness.cassette.file.rows import StoredEnvelope, StoredInteraction

FORMAT_VERSION_WITH_PARTS = 2
"""The format of a file that refers to parts, which releases that read only format 1 do not know."""


@dataclass(frozen=True, slots=True)
class ReferencedFileReader:
    """Reads the files to which a cassette refers. `read_blob` reads one of them."""

    envelope: StoredEnvelope
    read_blob: BlobReader | None

    @property
    def has_references(self) -> bool:
        """Whether the cassette may refer to other files."""
        return bool(self.envelope.blobs)

    @property
    def has_parts(self) -> bool:
        """Whether the cassette may refer to parts, and not only to blobs."""
        return self.envelope.format == FORMAT_VERSION_WITH_PARTS

    def read_file_content(self, name: str) -> bytes:
        """Return the content of a file. Raise `ValueError` if it cannot be read."""
        folder = self.envelope.blobs
        if self.read_blob is None:
            raise ValueError(f"its blob {folder}/{name} is another file; read the cassette from its own path")
        return self.read_blob(folder, name)


def insert_referenced_files(row: StoredInteraction, store: ReferencedFileReader) -> None:
    """Replace each reference in an interaction by the content of its file."""
    if store.has_parts and row.request.json is not UNSET:
        row.request.json = insert_body_parts(row.request.json, store.read_file_content)
    for side in (row.request, row.response):
        side.json = insert_blobs(side.json, store.read_file_content)
