"""What an HTTP message can carry: a status and headers that a server can send, and a client can read."""

import re

from flag_harness.wire.timeline import Headers

FIRST_FINAL, LAST = 200, 599
"""The statuses that end an exchange. Those below (101 among them) announce something else than an answer."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""RFC 9110, 5.1 and 5.5: a token, and visible characters of latin-1."""


def head_problem(status: int, headers: Headers) -> str:
    """Why a server could not send this head, in a few words; empty where it could."""
    if not FIRST_FINAL <= status <= LAST:
        return f"status {status} is no final answer ({FIRST_FINAL} to {LAST})"
    return headers_problem(headers)


def headers_problem(headers: Headers) -> str:
    """The same of headers alone."""
    for name, value in headers:
        if not _NAME.fullmatch(name):
            return f"{name!r:.40} is no name of a header"
        if not _VALUE.fullmatch(value):
            return f"the header {name:.40} holds what no header can: {value!r:.40}"
    return ""
