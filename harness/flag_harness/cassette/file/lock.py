"""A lock on a cassette, so that of several that write one at the same time none undoes another's work."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

LOCK_FILE = ".harness.lock"
"""The file that is the lock where directories cannot be locked."""
STALE_SECONDS = 60.0
"""Age from which a lock file is one that a killed process left: writing a cassette takes milliseconds."""
_PAUSE_SECONDS = 0.005


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on the folder of `path`, which is made where there is none, against every thread and process.

    The folder itself is locked (`flock`): nothing is left behind, and the lock ends with its holder however that ends.
    Where folders cannot be locked (Windows, some network file systems), a file in it is the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if not _locked_folder(path.parent, stack):
            stack.enter_context(_lock_file(path.with_name(LOCK_FILE)))
        yield


@contextlib.contextmanager
def all_locked(paths: Iterable[Path]) -> Iterator[None]:
    """Hold the locks of several paths: one a folder, always in the same order, so that no two wait for each other."""
    folders = {path.parent.resolve(): path for path in paths}
    with contextlib.ExitStack() as stack:
        for _, path in sorted(folders.items()):
            stack.enter_context(locked(path))
        yield


def _locked_folder(folder: Path, stack: contextlib.ExitStack) -> bool:
    """Whether the folder could be locked; the stack unlocks it."""
    try:
        import fcntl  # not on Windows

        descriptor = os.open(folder, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True


@contextlib.contextmanager
def _lock_file(file: Path) -> Iterator[None]:
    while True:
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except (FileExistsError, PermissionError):  # Windows says the latter of a file that is being deleted
            _remove_stale(file)
            time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _remove_stale(file: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - file.stat().st_mtime > STALE_SECONDS:
            file.unlink()
