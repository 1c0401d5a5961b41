"""The files that a command writes, and messages of commands about files."""

import errno
import os
import sys
from pathlib import Path

from flag_harness.errors import CassetteError, HarnessError

_ADVICE_BY_ERROR_NUMBER = {
    errno.ENOSPC: "make room on the disk, then run the command again",
    errno.EDQUOT: "make room on the disk, then run the command again",
    errno.EACCES: "give yourself access to it, then run the command again",
    errno.EPERM: "give yourself access to it, then run the command again",
}
"""What to do about an error of the operating system, by its `errno`."""


class OutputFiles:
    """The files that a command writes, each made from exactly one source file."""

    def __init__(self) -> None:
        self._sources: dict[Path, Path] = {}

    def reserve_target(self, target: Path, source: Path) -> None:
        """Reserve a target file for a source file. Raise `CassetteError` if another source has reserved it."""
        if (other := self._sources.setdefault(target, source)) is not source:
            raise CassetteError(f"{target} would be written from {other} too; write one of them elsewhere")


def print_error(error: HarnessError | OSError) -> None:
    """Print an error on stderr, with unprintable characters escaped, because it may quote any file."""
    text = str(error) if isinstance(error, HarnessError) else _describe_system_error(error)
    print("\n".join(map(escape_to_one_line, text.split("\n"))), file=sys.stderr)


def _describe_system_error(error: OSError) -> str:
    """Return which file an error of the system is about, what is wrong, and what to do."""
    reason = error.strerror or str(error) or type(error).__name__
    advice = _ADVICE_BY_ERROR_NUMBER.get(error.errno or 0, "name another file or folder")
    path = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    return f"{path}{reason}; {advice}"


def escape_to_one_line(text: str) -> str:
    """Return a message on one line with unprintable characters escaped, because it may quote any file."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape_character(character) for character in text)


def _escape_character(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
