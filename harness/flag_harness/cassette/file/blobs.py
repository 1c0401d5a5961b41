"""Blobs: large base64 blocks of JSON bodies, each kept once as a file of its own, whichever cassettes hold it.

Where a cassette's envelope says `"blobs": "../blobs"`, `{"$blob": "<sha256>"}` in a body stands for the block whose
bytes are in that folder, in a file of that name. A body that really holds an object whose only key is `$blob` has it
written with one `$` more. In a cassette that names no such folder, bodies are what they are.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from flag_harness.files import read_regular, write_whole

FOLDER = "blobs"
"""The name of the folder."""

LARGEST = 64 << 20
"""Bytes of a block that is still read: twice what the API takes as a whole request."""

SMALLEST = 4096
"""Characters from which a base64 string is kept apart: one block of most file systems; a smaller file saves nothing."""

REFERENCE = "$blob"
_ESCAPED = re.compile(r"\$+blob")
SHA256 = re.compile(r"[0-9a-f]{64}")
"""The name of a blob."""

BlobReader: TypeAlias = Callable[[str, str], bytes]
"""Gives the bytes of a block: of the folder that the envelope names, and the block's SHA-256. Raises `ValueError`."""


def decoded(text: str) -> bytes | None:
    """The bytes that a string encodes in base64, where encoding them again gives the same string."""
    try:
        block = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return block if base64.b64encode(block).decode("ascii") == text else None


def holds_block(value: Any) -> bool:
    """Whether a JSON value holds a block that is kept apart."""
    if isinstance(value, str):
        return len(value) >= SMALLEST and decoded(value) is not None
    return any(map(holds_block, _members(value)))


def lifted(value: Any, blocks: dict[str, bytes]) -> Any:
    """The JSON value with references in the place of its blocks, which are put into `blocks` by their SHA-256."""
    if isinstance(value, str):
        block = decoded(value) if len(value) >= SMALLEST else None
        if block is None:
            return value
        name = hashlib.sha256(block).hexdigest()
        blocks[name] = block
        return {REFERENCE: name}
    if isinstance(value, dict):
        mark = "$" if _is_like_reference(value) else ""
        return {mark + key: lifted(member, blocks) for key, member in value.items()}
    return [lifted(member, blocks) for member in value] if isinstance(value, list) else value


def put_back(value: Any, read: Callable[[str], bytes]) -> Any:
    """The JSON value that `lifted` made this one from. `read` gives the bytes of a block, by its SHA-256."""
    if isinstance(value, dict):
        if not _is_like_reference(value):
            return {key: put_back(member, read) for key, member in value.items()}
        ((key, member),) = value.items()
        if key != REFERENCE:
            return {key[1:]: put_back(member, read)}
        if not isinstance(member, str) or not SHA256.fullmatch(member):
            raise ValueError(f"{REFERENCE} must be a SHA-256 in 64 small hexadecimal digits, not {member!r:.80}")
        return base64.b64encode(read(member)).decode("ascii")
    return [put_back(member, read) for member in value] if isinstance(value, list) else value


def references(value: Any) -> Iterator[str]:
    """The SHA-256 of each block that a JSON value, as it stands in a cassette, refers to."""
    if isinstance(value, dict) and list(value) == [REFERENCE] and isinstance(value[REFERENCE], str):
        yield value[REFERENCE]
    for member in _members(value):
        yield from references(member)


def relative(folder: Path, start: Path) -> str:
    """The folder as an envelope names it: relative to the cassette's own, with `/`. On another drive, its full path."""
    try:
        return Path(os.path.relpath(folder, start)).as_posix()
    except ValueError:  # pragma: no cover - only Windows has drives
        return folder.resolve().as_posix()


def write_blobs(folder: Path, blocks: dict[str, bytes]) -> None:
    """Write the blocks that the folder does not hold yet, each whole or not at all. Raises `OSError`."""
    for name, block in blocks.items():
        file = folder / name
        if not file.exists() or file.read_bytes() != block:
            write_whole(file, block)


class BlobsBeside:
    """Reads the blobs of the cassette at `path`: a `BlobReader`. `folder` is where it found some."""

    def __init__(self, path: Path) -> None:
        self._parent = path.parent
        self.folder: Path | None = None

    def __call__(self, folder: str, name: str) -> bytes:
        self.folder = Path(os.path.normpath(self._parent / folder))
        file = self.folder / name
        try:
            block = read_regular(file, LARGEST)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ValueError(f"its blob {file} cannot be read: {why}; {_HOW_TO_MEND}") from None
        if (found := hashlib.sha256(block).hexdigest()) != name:
            raise ValueError(f"its blob {file} was altered (its SHA-256 is now {found}); {_HOW_TO_MEND}")
        return block


_HOW_TO_MEND = "take it from version control, or record the test anew"


def _members(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _is_like_reference(value: dict[str, Any]) -> bool:
    return len(value) == 1 and _ESCAPED.fullmatch(next(iter(value))) is not None
