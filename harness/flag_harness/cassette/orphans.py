"""Orphans: cassettes that no test claims any more, and blobs that no cassette refers to."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from flag_harness.cassette.cassette import LARGEST
from flag_harness.cassette.file.blobs import FOLDER, SHA256, blob_references
from flag_harness.files import read_regular

SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a run knows of cassettes: those that its tests claim, and the files of which it collected tests.

    Paths are relative to the project's root, with `/`.
    """

    claimed: frozenset[str]
    files: frozenset[str]


class _Envelope(Struct):
    format: int
    case: str = ""


class _Head(Struct):
    """What is read of a cassette here; the decoder skips the rest."""

    envelope: _Envelope


_DECODER = msgspec.json.Decoder(_Head)


def orphans(root: Path, recordings: Path, claims: Claims) -> Iterator[Path]:
    """The cassettes below `recordings` that no test claims, in order. Files that are no cassettes are nobody's.

    One whose test stands in a file of which the run collected nothing is not among them: the run cannot know.
    """
    for path in sorted(recordings.rglob(f"*{SUFFIX}")):
        if relative_to(root, path) in claims.claimed or (envelope := _envelope(path)) is None:
            continue
        file = envelope.case.partition("::")[0]
        if not file or file in claims.files or not (root / file).is_file():
            yield path


def unused_blobs(recordings: Path, removed: frozenset[Path] = frozenset()) -> list[Path]:
    """The blobs below `recordings` that no cassette refers to, those that are to be `removed` left out.

    Raises `ValueError` naming a cassette that cannot be read: it may refer to any.
    """
    blobs = [path for path in sorted(recordings.rglob(f"{FOLDER}/*")) if SHA256.fullmatch(path.name)]
    if not blobs:
        return []
    used: set[str] = set()
    for path in sorted(recordings.rglob(f"*{SUFFIX}")):
        if path not in removed:
            try:
                used.update(blob_references(msgspec.json.decode(read_regular(path, LARGEST))))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path} cannot be read, and may need any blob: {error}") from None
    return [path for path in blobs if path.name not in used]


def relative_to(root: Path, path: Path) -> str:
    """A path relative to the root, with `/`, also where it lies outside."""
    return Path(os.path.relpath(path, root)).as_posix()


def _envelope(path: Path) -> _Envelope | None:
    try:
        return _DECODER.decode(read_regular(path, LARGEST)).envelope
    except (ValueError, OSError):
        return None
