"""Format the means without and with a flag, rounded so that a reader can tell them apart."""

import math

_CENT_DECIMALS = 2
"""The number of decimals of a dollar amount that is not whole, and the most decimals of a time in seconds."""
_MAX_ROUNDING_SHARE = 0.3
"""Means are rounded to a unit that is at most this share of the difference between them."""
_SHORTEST_SHOWN_SECONDS = 0.01
_DECIMALS_OF_ZERO = -15
"""The number of decimals for 0, which needs none. Negative numbers of decimals round to tens, hundreds and so on."""


def means_text(before: float, after: float) -> str:
    """Return two means as `before → after`, each with two significant digits, or more if the difference needs them.

    >>> means_text(131.4, 1515.2), means_text(1.25, 2), means_text(1010, 1025)
    ('130 → 1,500', '1.2 → 2', '1,010 → 1,025')
    """
    needed = _decimals_to_show_difference(before, after)
    return f"{_format_rounded(before, needed)} → {_format_rounded(after, needed)}"


def dollar_means_text(before: float, after: float) -> str:
    """Return two means in US dollars as `before → after`.

    >>> dollar_means_text(0.000148, 0.00198), dollar_means_text(1.5, 20)
    ('$0.00015 → $0.0020', '$1.50 → $20')
    """
    needed = _decimals_to_show_difference(before, after)
    return f"${_format_rounded(before, needed, _CENT_DECIMALS)} → ${_format_rounded(after, needed, _CENT_DECIMALS)}"


def second_means_text(before: float, after: float) -> str:
    """Return two means in seconds as `before → after`. If nobody would notice the difference, only its size is stated.

    >>> second_means_text(0.748, 0.656), second_means_text(0.75, 0.753)
    ('0.75 → 0.66 s', '0.75 s, under 0.01 s more')
    """
    if 0 < abs(after - before) < _SHORTEST_SHOWN_SECONDS:
        change = "more" if after > before else "less"
        return f"{_format_rounded(before, _CENT_DECIMALS)} s, under {_SHORTEST_SHOWN_SECONDS} s {change}"
    needed = min(_decimals_to_show_difference(before, after), _CENT_DECIMALS)
    return f"{_format_rounded(before, needed, 1)} → {_format_rounded(after, needed, 1)} s"


def dollar_difference_text(dollars: float) -> str:
    """Return a difference in US dollars with its sign and two significant digits.

    >>> dollar_difference_text(1.83), dollar_difference_text(-0.02849), dollar_difference_text(1234)
    ('+$1.80', '-$0.028', '+$1,200')
    """
    amount = _format_rounded(abs(dollars), _decimals_for_two_digits(dollars), _CENT_DECIMALS)
    return f"{'-' if dollars < 0 else '+'}${amount}"


def difference_text(number: float) -> str:
    """Return a difference with its sign and two significant digits.

    >>> difference_text(1384), difference_text(-0.5), difference_text(0)
    ('+1,400', '-0.50', '0')
    """
    sign = "-" if number < 0 else "+" if number else ""
    return f"{sign}{_format_rounded(abs(number), _decimals_for_two_digits(number))}"


def _format_rounded(value: float, needed_decimals: int, min_decimals: int = 0) -> str:
    """Return a number with two significant digits, or with `needed_decimals` decimals if these are more.

    A negative `needed_decimals` rounds to tens, hundreds and so on. A number that is not whole has at least
    `min_decimals` decimals.
    """
    digits = max(_decimals_for_two_digits(value), needed_decimals)
    if digits <= 0 or (float(value).is_integer() and not min_decimals):
        return f"{round(value, min(digits, 0)):,.0f}"
    return f"{round(value, digits):,.{max(digits, min_decimals)}f}"


def _decimals_for_two_digits(value: float) -> int:
    """Return the number of decimals with which a number has two significant digits, or `_DECIMALS_OF_ZERO` for 0."""
    return 1 - math.floor(math.log10(abs(value))) if value else _DECIMALS_OF_ZERO


def _decimals_to_show_difference(before: float, after: float) -> int:
    """Return the number of decimals that two means need so that a reader can tell them apart."""
    difference = abs(after - before)
    return -math.floor(math.log10(_MAX_ROUNDING_SHARE * difference)) if difference else _DECIMALS_OF_ZERO
