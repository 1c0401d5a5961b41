"""Write files atomically, and read regular files up to a limit."""

import contextlib
import glob
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file with `data`, completely or not at all; keep its permissions, or use the umask for a new file.

    The bytes are written to a file beside it, flushed to the disk, and moved over it: a reader finds the old file or
    the new one, even if the process is killed. If `path` is a symbolic link, its target is replaced. Raise `OSError`
    and keep the old file if that fails.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:_NAME_CHARACTERS]}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(part, stat.S_IMODE(path.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return the bytes of a file. Raise `OSError` if it is missing, `ValueError` if it is too large or not regular.

    Pipes and devices are not opened, because reading them may never end.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("is not a regular file")
    if found.st_size > limit:
        raise ValueError(f"has {found.st_size:,} bytes, and at most {limit:,} are read")
    with path.open("rb") as file:
        data = file.read(found.st_size + 1)  # what is asked for is allocated, however short the file is
        if len(data) > found.st_size:  # the file has grown meanwhile
            data += file.read(limit + 1 - len(data))
    if len(data) > limit:
        raise ValueError(f"has more than {limit:,} bytes, the most that is read")
    return data


def abandoned_part_files(folder: Path, now: float) -> Iterator[Path]:
    """Yield the part files below a folder that killed writers left behind, sorted. `now` is in seconds of the epoch.

    A part file that changed within the last minute may still be in use, and is left out.
    """
    for path in sorted(folder.rglob(".*.part")):
        if _is_abandoned(path, now):
            yield path


def remove_abandoned_part_files(path: Path) -> None:
    """Remove the part files that killed writers of `path` left beside it; ignore errors."""
    path = Path(os.path.realpath(path))
    for part in path.parent.glob(f".{glob.escape(path.name[:_NAME_CHARACTERS])}.{'[0-9a-f]' * 16}.part"):
        if _is_abandoned(part, time.time()):
            with contextlib.suppress(OSError):
                part.unlink()


def _is_abandoned(path: Path, now: float) -> bool:
    try:
        return bool(_PART_NAME.fullmatch(path.name)) and now - path.stat().st_mtime > _WRITING_SECONDS
    except FileNotFoundError:  # its writer was still running, and has finished
        return False


_PART_NAME = re.compile(r"\..*\.[0-9a-f]{16}\.part")
_WRITING_SECONDS = 60.0
_NAME_CHARACTERS = 50
"""The characters of the file's name that a part's name repeats: at 4 bytes each, they stay below the limit of 255."""
