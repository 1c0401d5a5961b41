"""Shorten the reasons of failures so that they are easy to read, and find out which reasons are the same."""

import re

from flag_harness.analysis.effects.volatile import DATE_OR_TIME_PATTERN, TEMPORARY_FILE_PATTERN, UUID_PATTERN
from flag_harness.record.outline import API_ID_PATTERN

_API_ERROR_PATTERN = re.compile(r"(?:\w+\.)*(\w+): Error code: (\d+) - .*?'message': (['\"])(.*?)\3[,}]", re.DOTALL)
"""Matches the text of an exception of the SDK, which has the whole body of the API's answer."""

_VARYING_PART_PATTERN = re.compile(
    rf"{API_ID_PATTERN.pattern}|{UUID_PATTERN}|{DATE_OR_TIME_PATTERN}|{TEMPORARY_FILE_PATTERN}"
    r"|[^\s\"']*[/\\]pytest-of-[^\s\"']+"  # a temporary folder of pytest, wherever it is
    r"|[A-Za-z]:\\[^\s\"']*\\Temp\\[^\s\"']+"
    r"|\b0x[0-9a-fA-F]+"  # an address in memory
    r"|(?<=\bline )\d+|(?<=\.py:)\d+"
    r"|(?:(?<=127\.0\.0\.1:)|(?<=localhost:))\d+"  # a port that the system chose
    r"|\b\d{9,}\.\d+|\b\d+(?:\.\d+)? ?m?s\b"  # seconds since 1970; a duration
)


def comparable_reason(reason: str) -> str:
    """Return a reason without what varies between runs: API ids, times, addresses, line numbers, temporary paths.

    >>> comparable_reason("<Agent at 0x7f11c05> took 0.31 s in /tmp/x1/log.txt, line 12 (req_0123456)")
    '<Agent at …> took … in … line … (…)'
    """
    return _VARYING_PART_PATTERN.sub("…", shorten_failure_reason(reason))


def shorten_failure_reason(reason: str) -> str:
    """Return the text of an API error as status, exception and message. Any other reason is returned unchanged.

    >>> shorten_failure_reason("a.BadRequestError: Error code: 400 - {'error': {'type': 'x', 'message': 'Too many.'}}")
    '400 BadRequestError: Too many.'
    """
    found = _API_ERROR_PATTERN.match(reason)
    return f"{found[2]} {found[1]}: {found[4]}" if found else reason
