"""Helpers for commands that read or write many files."""

from pathlib import Path

from flag_harness.errors import CassetteError


class OutputFiles:
    """The files that a command writes, each made from exactly one source file."""

    def __init__(self) -> None:
        self._sources: dict[Path, Path] = {}

    def reserve_target(self, target: Path, source: Path) -> None:
        """Reserve a target file for a source file. Raise `CassetteError` if another source has reserved it."""
        if (other := self._sources.setdefault(target, source)) is not source:
            raise CassetteError(f"{target} would be written from {other} too; write one of them elsewhere")


def escape_to_one_line(text: str) -> str:
    """Return a message on one line with unprintable characters escaped, because it may quote any file."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape_character(character) for character in text)


def _escape_character(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
