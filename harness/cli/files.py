"""What commands that read other people's files share."""

import stat
from pathlib import Path


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


def one_line(text: str) -> str:
    """A message as one line of what a terminal may show, whatever the file that it quotes holds."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
