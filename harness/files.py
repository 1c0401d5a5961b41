"""Files that are written whole or not at all."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace the file with `data`, with the permissions that the umask gives a new file.

    The bytes are written beside it, flushed to the disk, and renamed over it: whoever reads, at any moment and after
    any kill, finds the old file or the new one. Raises `OSError` and leaves the old file where that fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:_NAME_CHARACTERS]}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def abandoned_parts(folder: Path, now: float) -> Iterator[Path]:
    """The parts below a folder that killed writers left, in order. `now` is in seconds of the epoch.

    A part that was touched within the last minute may still be written.
    """
    for path in sorted(folder.rglob(".*.part")):
        with contextlib.suppress(FileNotFoundError):  # its writer was not dead, and is done
            if _PART.fullmatch(path.name) and now - path.stat().st_mtime > _WRITING_SECONDS:
                yield path


_PART = re.compile(r"\..*\.[0-9a-f]{16}\.part")
_WRITING_SECONDS = 60.0
_NAME_CHARACTERS = 50
"""Characters of its name that the part's name repeats: at 4 bytes each they stay below the 255 that a name may have."""
