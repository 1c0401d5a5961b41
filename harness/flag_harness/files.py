"""Atomic writing of files, and reading of regular files up to a size limit."""

import contextlib
import glob
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path


def display_path(path: Path) -> str:
    """Return a path relative to the current folder if the path is below that folder, or else unchanged."""
    folder = Path.cwd()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def write_atomically(path: Path, data: bytes | Iterable[bytes], *, is_executable: bool | None = None) -> None:
    """Replace a file with `data`, which may come in parts, either completely or not at all.

    The bytes are written to a temporary file in the same folder, flushed to disk, and renamed. So a reader finds the
    old file or the new one, even if the process is killed. The file keeps its permissions; a new file gets those of the
    umask. If `path` is a symbolic link, its target is replaced. If writing fails, raise an `OSError` that names `path`,
    and keep the old file.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:_MAX_TEMPORARY_STEM_LENGTH]}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(part, stat.S_IMODE(path.stat().st_mode))
            if is_executable is not None:
                mode = stat.S_IMODE(part.stat().st_mode) & ~0o111
                os.chmod(part, mode | (mode & 0o444) >> 2 if is_executable else mode)
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):  # a full disk names no file, and other errors name the temporary one
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def refuse_lfs_pointer(data: bytes) -> None:
    """Raise `ValueError` if the bytes of a file are only a Git LFS pointer to its real content."""
    if data.startswith(_LFS_POINTER_START):
        raise ValueError("it is a Git LFS pointer, and the content is not here; type `git lfs pull`")


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return the bytes of a file.

    Pipes and devices are not opened, because reading them may never end. Raise `OSError` if the file is missing, and
    `ValueError` if it is not a regular file or has more than `limit` bytes.
    """
    size = regular_file_size(path, limit)
    with path.open("rb") as file:
        data = file.read(size + 1)  # what is asked for is allocated, however short the file is
        if len(data) > size:  # the file has grown meanwhile
            data += file.read(limit + 1 - len(data))
    if len(data) > limit:
        raise ValueError(f"has more than {limit:,} bytes, the most that is read")
    return data


def reason_unreadable(error: OSError | ValueError) -> str:
    """Return why `read_regular_file` could not read a file, without the file's name."""
    return getattr(error, "strerror", None) or str(error)


def regular_file_size(path: Path, limit: int) -> int:
    """Return the size of a file in bytes, without opening it; raise the same errors as `read_regular_file`."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("is not a regular file")
    if found.st_size > limit:
        raise ValueError(f"has {found.st_size:,} bytes, and at most {limit:,} are read")
    return found.st_size


def find_abandoned_temporary_files(folder: Path, now: float) -> Iterator[Path]:
    """Yield the temporary files of `write_atomically` that killed processes left below a folder, sorted.

    A file that changed less than a minute before `now` (seconds since 1970) may still be in use, and is skipped.
    """
    for path in sorted(folder.rglob(".*.part")):
        if _is_abandoned(path, now):
            yield path


def remove_abandoned_temporary_files(path: Path, *, of_any_age: bool = False) -> None:
    """Remove temporary files that killed processes left while they wrote `path`. Ignore errors.

    With `of_any_age`, recent files are removed too; the caller must know that nobody is writing the file.
    """
    path = Path(os.path.realpath(path))
    for part in path.parent.glob(f".{glob.escape(path.name[:_MAX_TEMPORARY_STEM_LENGTH])}.{'[0-9a-f]' * 16}.part"):
        if of_any_age or _is_abandoned(part, time.time()):
            with contextlib.suppress(OSError):
                part.unlink()


def _is_abandoned(path: Path, now: float) -> bool:
    """Return whether a file is named like a temporary file of `write_atomically`, and was last changed over a minute
    before `now`.
    """
    try:
        return bool(_TEMPORARY_NAME_PATTERN.fullmatch(path.name)) and now - path.stat().st_mtime > _MAX_WRITING_SECONDS
    except FileNotFoundError:  # its writer was still running, and has finished
        return False


_TEMPORARY_NAME_PATTERN = re.compile(r"\..*\.[0-9a-f]{16}\.part")
_MAX_WRITING_SECONDS = 60.0
_MAX_TEMPORARY_STEM_LENGTH = 50
"""The most characters of a file's name with which the name of its temporary file begins.

At 4 bytes each they fit into the limit of 255 bytes.
"""
_LFS_POINTER_START = b"version https://git-lfs.github.com/spec/"
