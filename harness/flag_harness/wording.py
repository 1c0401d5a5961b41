"""Counts and lists of names in words, and texts that can be printed."""

import math
from collections.abc import Iterable

MAX_NAMES = 5
"""The most names that a list shows by default; the others are counted."""

_MIN_RATIO_SHOWN_AS_MULTIPLE = 2
_CENTS = 2
"""The decimals of an amount from one dollar on."""


def count_with_noun(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural if needed, which by default ends in `s`.

    >>> count_with_noun(1, "file"), count_with_noun(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def join_names(names: Iterable[str], most: int = MAX_NAMES) -> str:
    """Return the first names as a list in words, and how many more there are.

    >>> join_names(["a", "b", "a", "c"], most=2)
    'a, b and 1 more'
    """
    every = list(dict.fromkeys(names))
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def ratio_text(ratio: float) -> str:
    """Return how one number compares to another: from twice as much on as a multiple, else as the change in percent.

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


def ratio_in_words(ratio: float) -> str:
    """Return a ratio in words: as a multiple from twice as much on, else as the change in percent.

    >>> ratio_in_words(0.732), ratio_in_words(1.015), ratio_in_words(25.3)
    ('26.8 % less', '1.5 % more', '25.3 times as much')
    """
    if is_multiple(ratio):
        return f"{ratio_text(ratio)} as much"
    return f"{ratio_text(ratio).lstrip('+-')} {'more' if ratio >= 1 else 'less'}"


def dollars_text(dollars: float) -> str:
    """Return a change in US dollars with its sign: in cents from one dollar on, else with three digits.

    >>> dollars_text(1234.5), dollars_text(-0.02849), dollars_text(0.99999), dollars_text(0)
    ('+$1,234.50', '-$0.0285', '+$1.00', '+$0.00')
    """
    size = abs(dollars)
    decimals = _CENTS if size >= 1 else max(_CENTS, _CENTS - math.floor(math.log10(size))) if size else _CENTS
    whole, _, fraction = f"{size:,.{decimals}f}".partition(".")
    return f"{'-' if dollars < 0 else '+'}${whole}.{fraction.rstrip('0').ljust(_CENTS, '0')}"


def is_multiple(ratio: float) -> bool:
    """Return whether a ratio is written as a multiple, and not in percent."""
    return round(ratio, 3) >= _MIN_RATIO_SHOWN_AS_MULTIPLE


def printable_text(text: str) -> str:
    r"""Return a text with control characters escaped, because it may quote a file or a request.

    >>> printable_text("a\nb")
    'a\\nb'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
