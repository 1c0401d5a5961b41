"""Find files that are no longer needed: cassettes that no test uses, and separate files that no cassette refers to.

The separate files are blobs (large base64 strings) and parts (values that several cassettes share).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from flag_harness.cassette.cassette import MAX_CASSETTE_BYTES
from flag_harness.cassette.file.blobs import BLOB_FOLDER, BLOB_NAME_PATTERN, MAX_BLOB_BYTES, blob_sha256s
from flag_harness.cassette.file.parts import part_sha256s
from flag_harness.files import read_regular_file

CASSETTE_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class CassettesUsedByRun:
    """The cassettes that a run's tests used, and the test files that the run collected.

    Paths are relative to the project's root, with `/` as separator.
    """

    cassette_paths: frozenset[str]
    test_file_paths: frozenset[str]


class CassetteOwner(Struct):
    """The part of a cassette's metadata that tells whether a test still uses the cassette."""

    format: int
    case: str = ""


class _CassetteFileHead(Struct):
    """The part of a cassette file that is decoded: who recorded it."""

    owner: CassetteOwner = msgspec.field(name="envelope")


_FILE_HEAD_DECODER = msgspec.json.Decoder(_CassetteFileHead)


def find_orphan_cassettes(root: Path, recordings: Path, use: CassettesUsedByRun) -> Iterator[Path]:
    """Yield the cassettes below `recordings` that no test of the run used, sorted by path. `root` is the project's
    folder.

    A cassette is skipped if its test's file exists but was not collected, because the test may still use it. Files that
    are not cassettes are skipped, too.
    """
    for path in sorted(recordings.rglob(f"*{CASSETTE_SUFFIX}")):
        if relative_path_with_slashes(root, path) in use.cassette_paths or (owner := read_cassette_owner(path)) is None:
            continue
        file = owner.case.partition("::")[0]
        if not file or file in use.test_file_paths or not (root / file).is_file():
            yield path


def find_unused_blobs(recordings: Path, removed: frozenset[Path] = frozenset()) -> list[Path]:
    """Return the separate files (blobs and parts) below `recordings` to which no cassette refers.

    References from the cassettes in `removed` do not count. Raise `ValueError` naming any cassette that cannot be read,
    because it may refer to any of these files.
    """
    blobs = [path for path in sorted(recordings.rglob(f"{BLOB_FOLDER}/*")) if BLOB_NAME_PATTERN.fullmatch(path.name)]
    if not blobs:
        return []
    files: dict[str, list[Path]] = {}
    for blob in blobs:
        files.setdefault(blob.name, []).append(blob)
    used: set[str] = set()
    for path in sorted(recordings.rglob(f"*{CASSETTE_SUFFIX}")):
        if path not in removed:
            try:
                _add_references(msgspec.json.decode(read_regular_file(path, MAX_CASSETTE_BYTES)), files, used)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path} cannot be read and may refer to any blob: {error}") from None
    return [path for path in blobs if path.name not in used]


def _add_references(value: Any, files: Mapping[str, Sequence[Path]], used: set[str]) -> None:
    """Add to `used` the names of the blobs and parts to which a JSON value refers, and to which these parts refer.

    `files` has the paths of all such files by name.
    """
    used.update(blob_sha256s(value))
    for name in {*part_sha256s(value)} - used:
        used.add(name)
        for path in files.get(name, ()):
            _add_references(msgspec.json.decode(read_regular_file(path, MAX_BLOB_BYTES)), files, used)


def relative_path_with_slashes(root: Path, path: Path) -> str:
    """Return `path` relative to `root`, with `/` as separator. `path` need not lie in `root`."""
    return Path(os.path.relpath(path, root)).as_posix()


def read_cassette_owner(path: Path) -> CassetteOwner | None:
    """Return which test recorded a cassette, or None if the file is no cassette or cannot be read."""
    try:
        return _FILE_HEAD_DECODER.decode(read_regular_file(path, MAX_CASSETTE_BYTES)).owner
    except (ValueError, OSError):
        return None
