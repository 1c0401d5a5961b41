"""Orphans: cassettes that no test uses any more, and blobs that no cassette refers to."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from flag_harness.cassette.cassette import MAX_CASSETTE_BYTES
from flag_harness.cassette.file.blobs import BLOB_FOLDER, BLOB_NAME, blob_references
from flag_harness.files import read_regular_file

CASSETTE_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Claims:
    """The cassettes that the tests of a run use, and the files of which it collected tests.

    Paths are relative to the project's root, with `/`.
    """

    claimed: frozenset[str]
    files: frozenset[str]


class _EnvelopeFields(Struct):
    format: int
    case: str = ""


class _CassetteFileHead(Struct):
    """The part of a cassette file that is decoded here."""

    envelope: _EnvelopeFields


_DECODER = msgspec.json.Decoder(_CassetteFileHead)


def orphan_cassettes(root: Path, recordings: Path, claims: Claims) -> Iterator[Path]:
    """Yield the cassettes below `recordings` that no test uses, in order; skip files that are not cassettes.

    A cassette is skipped if the run collected nothing from the file of its test, since its test may still use it.
    """
    for path in sorted(recordings.rglob(f"*{CASSETTE_SUFFIX}")):
        if posix_relative_path(root, path) in claims.claimed or (envelope := _read_envelope(path)) is None:
            continue
        file = envelope.case.partition("::")[0]
        if not file or file in claims.files or not (root / file).is_file():
            yield path


def unused_blobs(recordings: Path, removed: frozenset[Path] = frozenset()) -> list[Path]:
    """Return the blobs below `recordings` that no cassette refers to, not counting those in `removed`.

    Raise `ValueError` naming a cassette that cannot be read, since it may refer to any blob.
    """
    blobs = [path for path in sorted(recordings.rglob(f"{BLOB_FOLDER}/*")) if BLOB_NAME.fullmatch(path.name)]
    if not blobs:
        return []
    used: set[str] = set()
    for path in sorted(recordings.rglob(f"*{CASSETTE_SUFFIX}")):
        if path not in removed:
            try:
                used.update(blob_references(msgspec.json.decode(read_regular_file(path, MAX_CASSETTE_BYTES))))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path} cannot be read and may refer to any blob: {error}") from None
    return [path for path in blobs if path.name not in used]


def posix_relative_path(root: Path, path: Path) -> str:
    """Return a path relative to the root, with `/`, even if it is outside."""
    return Path(os.path.relpath(path, root)).as_posix()


def _read_envelope(path: Path) -> _EnvelopeFields | None:
    try:
        return _DECODER.decode(read_regular_file(path, MAX_CASSETTE_BYTES)).envelope
    except (ValueError, OSError):
        return None
