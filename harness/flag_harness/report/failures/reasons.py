"""Shorten the reasons of failures, so that they can be read at a glance."""

import re

_API_ERROR = re.compile(r"(?:\w+\.)*(\w+): Error code: (\d+) - .*?'message': (['\"])(.*?)\3[,}]", re.DOTALL)
"""An exception of the SDK, whose text is the whole body of the answer."""


def shorten_failure_reason(reason: str) -> str:
    """Return an error of the API as status, exception and message; return any other reason unchanged.

    >>> shorten_failure_reason("a.BadRequestError: Error code: 400 - {'error': {'type': 'x', 'message': 'Too many.'}}")
    '400 BadRequestError: Too many.'
    """
    found = _API_ERROR.match(reason)
    return f"{found[2]} {found[1]}: {found[4]}" if found else reason
