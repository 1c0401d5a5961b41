"""Limits of a server for requests of unknown programs: sizes, times, and names in the Host header."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, TypeAlias

from flag_harness.transports.network import is_loopback

StatusTypeAndText: TypeAlias = tuple[int, str, str]
"""An error answer: its status, content type and text."""
TEXT_CONTENT_TYPE, JSON_CONTENT_TYPE = "text/plain; charset=utf-8", "application/json"
KIBIBYTE, MEBIBYTE = 1024, 1024 * 1024

_VALUE_STARTS = (b"{", b"[", b",")
"""The bytes after which a value of a JSON document may begin. Counting them gives an upper limit for the number of
values.
"""
_STRING_OR_VALUE_START_PATTERN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|([{\[,])', re.DOTALL)
_PRIVATE_DOMAIN_SUFFIXES = (".localhost", ".internal")
"""Domains that nobody can register, so no web page can make such a name resolve to this server."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits of a server. Each `..._rejection` method returns an error answer, or None if a request is allowed.

    Attributes:
        accepted_hosts: further names to accept in the Host header (`*` stands for any characters), or None to accept
            all.
        max_url_bytes: the largest length of the request's URL.
        max_head_bytes: the largest length of the request line and all headers.
        max_body_bytes: the largest length of the body. The default is the API's limit for messages.
        max_json_values: the most values in a JSON body, which take much memory once they are decoded.
        max_head_seconds: the seconds that a client may take to send the first head of a connection.
    """

    accepted_hosts: tuple[str, ...] | None = None
    max_url_bytes: int = 16 * KIBIBYTE
    max_head_bytes: int = 64 * KIBIBYTE
    max_body_bytes: int = 32 * MEBIBYTE
    max_json_values: int = 400_000
    max_head_seconds: float = 60.0

    def head_rejection(self, url_length: int, head_length: int) -> StatusTypeAndText | None:
        """Return a rejection if the URL or the head of a request is too long."""
        if url_length > self.max_url_bytes:
            return (
                414,
                TEXT_CONTENT_TYPE,
                f"The URL is longer than {self.max_url_bytes // KIBIBYTE} KiB. Send long values in the body.",
            )
        if head_length > self.max_head_bytes:
            return (
                431,
                TEXT_CONTENT_TYPE,
                f"The headers are longer than {self.max_head_bytes // KIBIBYTE} KiB. Send shorter ones.",
            )
        return None

    def body_rejection(self, length: int) -> StatusTypeAndText | None:
        """Return a rejection, in the API's own form, if a body is too long."""
        if length <= self.max_body_bytes:
            return None
        return _too_large_rejection(f"is longer than {self.max_body_bytes // MEBIBYTE} MiB")

    def content_rejection(self, body: bytes | bytearray) -> StatusTypeAndText | None:
        """Return a rejection if a body would take too much memory once it is decoded."""
        if sum(map(body.count, _VALUE_STARTS)) <= self.max_json_values:
            return None
        starts = (match for match in _STRING_OR_VALUE_START_PATTERN.finditer(body) if match[1])
        if next(islice(starts, self.max_json_values, None), None) is None:  # texts may have many commas and brackets
            return None
        return _too_large_rejection(f"has more than {self.max_json_values:,} values")

    def host_rejection(self, headers: Mapping[bytes, bytes]) -> StatusTypeAndText | None:
        """Return a rejection if the Host header names another machine, as in an attack by DNS rebinding."""
        host = _host_name(headers.get(b"host", b"").decode("latin-1"))
        if self.accepted_hosts is None or not host or _is_private(host):
            return None
        if any(fnmatchcase(host, pattern.lower()) for pattern in self.accepted_hosts):
            return None
        name = host[:100]
        return (
            421,
            TEXT_CONTENT_TYPE,
            f"The Host header names {name}, which is not this server. A web page may use that name to reach it "
            f"(DNS rebinding). If the name is yours: flag-harness serve ... --allow-host {name}",
        )

    def head_timeout_rejection(self) -> StatusTypeAndText:
        """Return the rejection for a client that has not sent a complete head in time."""
        return 408, TEXT_CONTENT_TYPE, f"The head of the request was not complete within {self.max_head_seconds:g} s."


def _too_large_rejection(problem: str) -> StatusTypeAndText:
    """Return the API's own error for a body that is too large."""
    message = f"The body {problem}, which is the most that this server takes."
    return (
        413,
        JSON_CONTENT_TYPE,
        json.dumps({"type": "error", "error": {"type": "request_too_large", "message": message}}),
    )


def _host_name(header: str) -> str:
    """Return the name in a Host header, without the port and the brackets of an address."""
    name = header.strip().lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0].rstrip(".")


def _is_private(host: str) -> bool:
    """Return whether a host is not a public name: an address, a single label, or a name in a private domain."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_DOMAIN_SUFFIXES) or is_loopback(host)
    return True


def declared_body_length(headers: Mapping[bytes, Any]) -> int:
    """Return the number in a request's `content-length` header, or 0."""
    value = bytes(headers.get(b"content-length", b""))
    return int(value) if value.isdigit() else 0


def listens_on_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server at this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
