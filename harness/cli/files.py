"""What commands that show other people's files share."""


def one_line(text: str) -> str:
    """A message as one line of what a terminal may show, whatever the file that it quotes holds."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
