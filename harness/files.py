"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace the file with `data`, with the permissions that the umask gives a new file.

    The bytes are written beside it, flushed to the disk, and renamed over it: whoever reads, at any moment and after
    any kill, finds the old file or the new one. Raises `OSError` and leaves the old file where that fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    """The process's umask. It can only be read by setting it; the window is closed at once."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
