"""Rewrite cassettes of an older format in the newest format, without recording them again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.file.blobs import BLOB_FOLDER, relative_folder
from flag_harness.cassette.file.format import encode_cassette_with_files
from flag_harness.cassette.orphans import read_cassette_owner
from flag_harness.cassette.redact.scan import refuse_api_keys
from flag_harness.flag import OFF_COMBINATION

COMBINATIONS_WITHOUT_PARTS = ("", OFF_COMBINATION)
"""The ids of combinations whose cassettes share no values with others: none, and that of all defaults."""


@dataclass(frozen=True, slots=True)
class CassetteUpgrade:
    """A cassette in the newest format: the bytes of its file, and of the files to which it refers."""

    path: Path
    data: bytes
    shared_files: dict[Path, bytes]


def find_cassettes(path: Path) -> Iterator[Path]:
    """Yield `path` if it is a file, else the cassettes below it, sorted."""
    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*.json")):
        if read_cassette_owner(file) is not None:
            yield file


def upgrade_cassette(path: Path, recordings: Path) -> CassetteUpgrade | None:
    """Return a cassette in the newest format, or None if it has that format already.

    Format 1 is the newest for all cassettes except those of a flag matrix. These share what they have in common in
    separate files (parts, see `file/parts.py`), which are in one folder for all cassettes below `recordings`. Raise
    `CassetteError` if the file cannot be read, or contains what looks like a key.
    """
    cassette = Cassette.load(path)
    if cassette.has_parts or not _is_recorded_by_matrix_item(cassette):
        return None
    folder = recordings / BLOB_FOLDER if path.is_relative_to(recordings) else path.parent / BLOB_FOLDER
    names = relative_folder(cassette.blob_folder or folder, path.parent)
    encoded = encode_cassette_with_files(cassette.metadata, cassette.interactions, names, in_parts=True)
    if not encoded.has_parts:
        return None
    refuse_api_keys(path, cassette.metadata, cassette.interactions)
    shared = {(cassette.blob_folder or folder) / name: data for name, data in encoded.shared_files.items()}
    return CassetteUpgrade(path, encoded.data, shared)


def _is_recorded_by_matrix_item(cassette: Cassette) -> bool:
    """Return whether a single item of a matrix test, under a combination of its own, recorded the whole cassette.

    The node id of such an item contains the combination. `COMBINATIONS_WITHOUT_PARTS` do not count.
    """
    combination = cassette.metadata.combination
    if combination in COMBINATIONS_WITHOUT_PARTS or any(one.case for one in cassette.interactions):
        return False
    return re.search(rf"[\[-]{re.escape(combination)}[\]-]", cassette.metadata.case) is not None
