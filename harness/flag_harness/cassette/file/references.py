"""Put the content of separate files back into the interactions of a cassette file that refers to them."""

from dataclasses import dataclass

from msgspec import UNSET

from flag_harness.cassette.file.blobs import BlobReader, insert_blobs
from flag_harness.cassette.file.parts import insert_body_parts
from flag_harness.cassette.file.rows import StoredInteraction, StoredMetadata

FORMAT_VERSION_WITH_PARTS = 2
"""The format version of a cassette file that refers to parts (files with values that several cassettes share).

Releases that read only format 1 refuse such a file.
"""


@dataclass(frozen=True, slots=True)
class ReferencedFileReader:
    """Reads the separate files to which a cassette file refers. `read_blob` reads a single file."""

    metadata: StoredMetadata
    read_blob: BlobReader | None

    @property
    def has_references(self) -> bool:
        """Whether the cassette names a folder of separate files, so that its bodies may refer to them."""
        return bool(self.metadata.blobs)

    @property
    def has_parts(self) -> bool:
        """Whether the cassette may refer to parts (values shared with other cassettes), and not only to large base64
        strings.
        """
        return self.metadata.format == FORMAT_VERSION_WITH_PARTS

    def read_file_content(self, name: str) -> bytes:
        """Return the content of the separate file `name`. Raise `ValueError` if it cannot be read."""
        folder = self.metadata.blobs
        if self.read_blob is None:
            raise ValueError(f"its blob {folder}/{name} is another file; read the cassette from its own path")
        return self.read_blob(folder, name)


def insert_referenced_files(row: StoredInteraction, file_reader: ReferencedFileReader) -> None:
    """Replace each reference in a stored interaction, in place, by the content of the file to which it refers."""
    if file_reader.has_parts and row.request.json is not UNSET:
        row.request.json = insert_body_parts(row.request.json, file_reader.read_file_content)
    for side in (row.request, row.response):
        side.json = insert_blobs(side.json, file_reader.read_file_content)
