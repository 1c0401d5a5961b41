"""What commands that read or write many files share."""

from pathlib import Path

from flag_harness.errors import CassetteError


class Targets:
    """The files that a command writes, each from one source."""

    def __init__(self) -> None:
        self._sources: dict[Path, Path] = {}

    def claim(self, target: Path, source: Path) -> None:
        """Note what a target is written from. Raises `CassetteError` where that was another source before."""
        if (other := self._sources.setdefault(target, source)) is not source:
            raise CassetteError(f"{target} is where {other} goes too; write one of them elsewhere")


def one_line(text: str) -> str:
    """A message as one line of what a terminal may show, whatever the file that it quotes holds."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
