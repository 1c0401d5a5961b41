"""Files that are written whole or not at all, and read only where reading them ends."""

import contextlib
import glob
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace the file with `data`, with the permissions that it had; a new one gets those of the umask.

    The bytes are written beside it, flushed to the disk, and renamed over it: whoever reads, at any moment and after
    any kill, finds the old file or the new one. Of a symbolic link, the file that it leads to is replaced. Raises
    `OSError` and leaves the old file where that fails.
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


def read_regular(path: Path, most: int) -> bytes:
    """The bytes of a file. Raises `OSError` where there is none, `ValueError` where it is no file or too large.

    Pipes and devices are not opened: reading them may never end.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("is no regular file")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"larger than {most:,} bytes")
    return data


def abandoned_parts(folder: Path, now: float) -> Iterator[Path]:
    """The parts below a folder that killed writers left, in order. `now` is in seconds of the epoch.

    A part that was touched within the last minute may still be written.
    """
    for path in sorted(folder.rglob(".*.part")):
        if _is_abandoned(path, now):
            yield path


def remove_abandoned_parts(path: Path) -> None:
    """Remove what killed writers of the file `path` left beside it, as far as it can be removed."""
    path = Path(os.path.realpath(path))
    for part in path.parent.glob(f".{glob.escape(path.name[:_NAME_CHARACTERS])}.{'[0-9a-f]' * 16}.part"):
        if _is_abandoned(part, time.time()):
            with contextlib.suppress(OSError):
                part.unlink()


def _is_abandoned(path: Path, now: float) -> bool:
    try:
        return bool(_PART.fullmatch(path.name)) and now - path.stat().st_mtime > _WRITING_SECONDS
    except FileNotFoundError:  # its writer was not dead, and is done
        return False


_PART = re.compile(r"\..*\.[0-9a-f]{16}\.part")
_WRITING_SECONDS = 60.0
_NAME_CHARACTERS = 50
"""Characters of its name that the part's name repeats: at 4 bytes each they stay below the 255 that a name may have."""
