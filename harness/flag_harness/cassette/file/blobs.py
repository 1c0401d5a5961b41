"""Blobs: large base64 strings of JSON bodies, each stored once in its own file, which cassettes share.

If the `envelope` of a cassette file says `"blobs": "../blobs"`, `{"$blob": "<sha256>"}` in a body refers to the file of
that name in that folder. If a body itself holds an object whose only key is `$blob`, the key is written with an extra
`$`. In a cassette that names no blob folder, `$blob` has no special meaning.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from flag_harness.files import read_regular_file, reason_unreadable, refuse_lfs_pointer, write_atomically
from flag_harness.wire.json import child_values

BLOB_FOLDER = "blobs"
"""The default name of the blob folder."""

MAX_BLOB_BYTES = 256 << 20
"""The largest blob in bytes that is written or read: half the size of the largest file that the API accepts."""

MIN_BLOB_CHARACTERS = 4096
"""The shortest base64 string in characters that is stored as a blob: the size of one file system block."""

BLOB_KEY = "$blob"
_BLOB_KEY_PATTERN = re.compile(r"\$+blob")
BLOB_NAME_PATTERN = re.compile(r"[0-9a-f]{64}")
"""Matches the file name of a blob."""

BlobReader: TypeAlias = Callable[[str, str], bytes]
"""A function that reads a blob. It takes the folder that the cassette file names and the SHA-256 of the blob.

It raises `ValueError` if the blob cannot be read.
"""


def decode_exact_base64(text: str) -> bytes | None:
    """Decode base64, or return None if the text is not exactly what encoding the bytes again would give."""
    try:
        block = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return block if base64.b64encode(block).decode("ascii") == text else None


def has_blob(value: Any) -> bool:
    """Return whether a JSON value contains a base64 string that is long enough to be stored as a blob."""
    if isinstance(value, str):
        return len(value) >= MIN_BLOB_CHARACTERS and decode_exact_base64(value) is not None
    return any(map(has_blob, child_values(value)))


def extract_blobs(value: Any, blob_by_sha256: dict[str, bytes]) -> Any:
    """Replace each large base64 string (blob) in a JSON value by a reference, and return the new value.

    The decoded bytes are added to `blob_by_sha256` under their SHA-256.
    """
    if isinstance(value, str):
        block = decode_exact_base64(value) if len(value) >= MIN_BLOB_CHARACTERS else None
        if block is None:
            return value
        name = hashlib.sha256(block).hexdigest()
        blob_by_sha256[name] = block
        return {BLOB_KEY: name}
    if isinstance(value, dict):
        mark = "$" if _has_blob_key(value) else ""
        return {mark + key: extract_blobs(member, blob_by_sha256) for key, member in value.items()}
    return [extract_blobs(member, blob_by_sha256) for member in value] if isinstance(value, list) else value


def insert_blobs(value: Any, read_blob: Callable[[str], bytes]) -> Any:
    """Replace each reference to a blob in a JSON value by base64. `read_blob` returns the blob with a given SHA-256."""
    if isinstance(value, dict):
        if not _has_blob_key(value):
            return {key: insert_blobs(member, read_blob) for key, member in value.items()}
        ((key, member),) = value.items()
        if key != BLOB_KEY:
            return {key[1:]: insert_blobs(member, read_blob)}
        if not isinstance(member, str) or not BLOB_NAME_PATTERN.fullmatch(member):
            raise ValueError(f"{BLOB_KEY} must be a SHA-256 of 64 lower-case hexadecimal digits, not {member!r:.80}")
        return base64.b64encode(read_blob(member)).decode("ascii")
    return [insert_blobs(member, read_blob) for member in value] if isinstance(value, list) else value


def blob_sha256s(value: Any) -> Iterator[str]:
    """Yield the SHA-256 of each blob that a JSON value from a cassette file refers to."""
    if isinstance(value, dict) and list(value) == [BLOB_KEY] and isinstance(value[BLOB_KEY], str):
        yield value[BLOB_KEY]
    for member in child_values(value):
        yield from blob_sha256s(member)


def relative_folder(folder: Path, start: Path) -> str:
    """Return the path of `folder` relative to `start`, or its absolute path if it is on another drive."""
    try:
        return Path(os.path.relpath(folder, start)).as_posix()
    except ValueError:  # pragma: no cover - only Windows has drives
        return folder.resolve().as_posix()


def write_blobs(folder: Path, blob_by_sha256: dict[str, bytes]) -> None:
    """Write those of the blobs that are not in the folder yet, each completely or not at all.

    Raise `OSError` if writing fails, or `ValueError` if a blob is too large to be read again.
    """
    for name, block in blob_by_sha256.items():
        if len(block) > MAX_BLOB_BYTES:
            raise ValueError(f"a string of base64 has {len(block):,} bytes, and at most {MAX_BLOB_BYTES:,} are stored")
        file = folder / name
        if not file_has_content(file, block):
            write_atomically(file, block)


def file_has_content(file: Path, content: bytes) -> bool:
    """Return whether the file exists and holds exactly these bytes."""
    try:
        return read_regular_file(file, len(content)) == content
    except (OSError, ValueError):
        return False


class BlobFolderReader:
    """Reads the blobs (large base64 strings in files of their own) of the cassette at `path`.

    `folder` is the folder from which a blob was read last, or None.
    """

    def __init__(self, path: Path) -> None:
        self._parent = path.parent
        self.folder: Path | None = None

    def __call__(self, folder: str, name: str) -> bytes:
        """Return the content of the blob `name` in `folder`, which is a path relative to the cassette's folder."""
        self.folder = Path(os.path.normpath(self._parent / folder))
        file = self.folder / name
        try:
            block = read_regular_file(file, MAX_BLOB_BYTES)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"its blob {file} cannot be read: {reason_unreadable(error)}; {_BROKEN_BLOB_ADVICE}"
            ) from None
        try:
            refuse_lfs_pointer(block)
        except ValueError as error:
            raise ValueError(f"its blob {file} cannot be read: {error}") from None
        if (found := hashlib.sha256(block).hexdigest()) != name:
            raise ValueError(f"its blob {file} was altered (its SHA-256 is now {found}); {_BROKEN_BLOB_ADVICE}")
        return block


_BROKEN_BLOB_ADVICE = "restore it from version control, or record the test again"


def _has_blob_key(value: dict[str, Any]) -> bool:
    """Return whether an object has a single key, which is `$blob`, `$$blob` and so on."""
    return len(value) == 1 and _BLOB_KEY_PATTERN.fullmatch(next(iter(value))) is not None
