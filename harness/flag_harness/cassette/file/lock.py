"""Lock a cassette's folder, so that tests that write at the same time do not overwrite each other's work."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

LOCK_FILE_NAME = ".harness.lock"
"""The name of the lock file, which is used only if the file system cannot lock folders."""
STALE_LOCK_SECONDS = 60.0
"""The age in seconds from which a lock file is ignored: its process must have been killed, as writing takes
milliseconds.
"""
_SECONDS_BETWEEN_ATTEMPTS = 0.005


@contextlib.contextmanager
def lock_parent_folder(path: Path) -> Iterator[None]:
    """Lock the parent folder of `path` inside the context, against other threads and processes. Create the folder if
    needed.

    The folder itself is locked (`flock`), so that no file is left behind and the lock ends with its process. If folders
    cannot be locked (Windows, some network file systems), a file in the folder serves as the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if not _try_to_lock_folder(path.parent, stack):
            stack.enter_context(_hold_lock_file(path.with_name(LOCK_FILE_NAME)))
        yield


@contextlib.contextmanager
def lock_parent_folders(paths: Iterable[Path]) -> Iterator[None]:
    """Lock the parent folders of all paths inside the context, always in the same order, so that callers cannot
    deadlock.
    """
    folders = {path.parent.resolve(): path for path in paths}
    with contextlib.ExitStack() as stack:
        for _, path in sorted(folders.items()):
            stack.enter_context(lock_parent_folder(path))
        yield


def _try_to_lock_folder(folder: Path, stack: contextlib.ExitStack) -> bool:
    """Lock the folder until `stack` closes. Return False if the file system cannot lock folders."""
    try:
        import fcntl  # not on Windows

        descriptor = os.open(folder, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True


@contextlib.contextmanager
def _hold_lock_file(file: Path) -> Iterator[None]:
    while True:
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except (FileExistsError, PermissionError):  # Windows raises the latter if the file is being deleted
            _remove_stale_lock(file)
            time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _remove_stale_lock(file: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - file.stat().st_mtime > STALE_LOCK_SECONDS:
            file.unlink()
