"""Counts and lists of names in words, and texts that can be printed."""

from collections.abc import Iterable

MOST_NAMES = 5
"""The most names that a list shows by default; the others are counted."""


def quantity(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural if needed.

    >>> quantity(1, "file"), quantity(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def join_names(names: Iterable[str], most: int = MOST_NAMES) -> str:
    """Return the first names as a list in words, and how many more there are.

    >>> join_names(["a", "b", "a", "c"], most=2)
    'a, b and 1 more'
    """
    every = list(dict.fromkeys(names))
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def printable_text(text: str) -> str:
    r"""Return a text with control characters escaped, because it may quote a file or a request.

    >>> printable_text("a\nb")
    'a\\nb'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
