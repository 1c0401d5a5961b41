"""Rules for the head of a response: which statuses and headers a server can send and a client can read."""

import re

from flag_harness.wire.timeline import Headers

FIRST_FINAL_STATUS, LAST_FINAL_STATUS = 200, 599
"""The smallest and largest status of a final answer.

Lower statuses, such as 101, only announce that an answer follows.
"""
_HEADER_NAME_PATTERN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE_PATTERN = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""Matches a valid header value: visible latin-1 characters, spaces and tabs (RFC 9110, section 5.5)."""


def reason_head_is_invalid(status: int, headers: Headers) -> str:
    """Return why a server cannot send a head with this status and these headers, or an empty string if it can."""
    if not FIRST_FINAL_STATUS <= status <= LAST_FINAL_STATUS:
        return f"status {status} is not a final answer ({FIRST_FINAL_STATUS} to {LAST_FINAL_STATUS})"
    return reason_headers_are_invalid(headers)


def reason_headers_are_invalid(headers: Headers) -> str:
    """Return why a server cannot send these headers, or an empty string if it can."""
    for name, value in headers:
        if not _HEADER_NAME_PATTERN.fullmatch(name):
            return f"{name!r:.40} is not a valid header name"
        if not _HEADER_VALUE_PATTERN.fullmatch(value):
            return f"the header {name:.40} has an invalid value: {value!r:.40}"
    return ""
