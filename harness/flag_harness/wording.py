"""Counts and lists of names in words, and texts that can be printed."""

from collections.abc import Iterable

MAX_LISTED_NAMES = 5
"""The most names that a list shows by default; the others are counted."""

_MIN_RATIO_SHOWN_AS_MULTIPLE = 2


def count_with_noun(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural if needed, which by default ends in `s`.

    >>> count_with_noun(1, "file"), count_with_noun(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def join_names(names: Iterable[str], most: int = MAX_LISTED_NAMES) -> str:
    """Return the first `most` names as a list in words, without duplicates, followed by the number of the other names.

    >>> join_names(["a", "b", "a", "c"], most=2)
    'a, b and 1 more'
    """
    every = list(dict.fromkeys(names))
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def ratio_text(ratio: float) -> str:
    """Return `ratio` as a text: as a multiple if it is at least 2, and otherwise as the change in percent.

    >>> ratio_text(0.732), ratio_text(1.015), ratio_text(25.3)
    ('-26.8 %', '+1.5 %', '25.3 times')
    """
    return f"{ratio:,.1f} times" if is_multiple(ratio) else f"{100 * (ratio - 1):+.1f} %"


def ratio_range_text(low: float, high: float) -> str:
    """Return a range of ratios, each as `ratio_text` writes it.

    >>> ratio_range_text(0.9, 1.3), ratio_range_text(1.5, 2.5), ratio_range_text(3, 4)
    ('-10.0 % to +30.0 %', '+50.0 % to 2.5 times', '3.0 to 4.0 times')
    """
    first, last = ratio_text(low), ratio_text(high)
    return f"{first.removesuffix(' times') if is_multiple(high) else first} to {last}"


def is_multiple(ratio: float) -> bool:
    """Return whether `ratio_text` writes a ratio as a multiple, and not as a change in percent."""
    return round(ratio, 3) >= _MIN_RATIO_SHOWN_AS_MULTIPLE


def printable_text(text: str) -> str:
    r"""Return a text with control characters escaped, because it may quote a file or a request.

    >>> printable_text("a\nb")
    'a\\nb'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
