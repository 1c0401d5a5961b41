"""A program: `killed.py POINT ARGUMENTS...` runs `flag-harness ARGUMENTS`, and kills itself at an event.

The events are those at which files can change: opening for writing, renaming, removing, flushing and the like. POINT is
the number of the event at which SIGKILL strikes, counted from 1; with `0`, the last line of the output is the number of
events, and the number of the event that put the journal in its place.
`wait:PATH:POINT` does not kill, but waits at that event until PATH is removed.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

WRITES = frozenset(
    f"os.{name}" for name in ("rename", "remove", "mkdir", "rmdir", "chmod", "truncate", "link", "symlink")
)
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Killer:
    """Counts events, and strikes at one of them."""

    def __init__(self, point: int, waits_for: Path | None = None) -> None:
        self.point, self.waits_for, self.count, self.journal = point, waits_for, 0, 0

    def note(self) -> None:
        """Count an event."""
        self.count += 1
        if self.count != self.point:
            return
        if self.waits_for is None:
            os.kill(os.getpid(), signal.SIGKILL)
            return
        self.waits_for.write_text("waits", encoding="utf-8")
        while self.waits_for.exists():
            time.sleep(0.01)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an event of `sys.addaudithook` that may change a file."""
        if event in WRITES or (event == "open" and _is_write(arguments)):
            self.note()
        if event == "os.rename" and str(arguments[1]).endswith("journal.json"):
            self.journal = self.count


def _is_write(arguments: tuple[Any, ...]) -> bool:
    return isinstance(arguments[0], str | bytes | os.PathLike) and bool(arguments[2] & _WRITE_FLAGS)


def main() -> int:
    """Run the command, and strike on the way."""
    from flag_harness.cli import main as run

    *where, point = sys.argv[1].removeprefix("wait:").rsplit(":", 1)
    killer = Killer(int(point), Path(where[0]) if where else None)
    flush, truncate = os.fsync, os.ftruncate

    def fsync(descriptor: int) -> None:
        killer.note()
        flush(descriptor)

    def ftruncate(descriptor: int, length: int) -> None:
        killer.note()
        truncate(descriptor, length)

    os.fsync, os.ftruncate = fsync, ftruncate
    sys.addaudithook(killer.hook)
    code = run(sys.argv[2:])
    if killer.point == 0:
        print(killer.count, killer.journal)
    return code


if __name__ == "__main__":
    sys.exit(main())
