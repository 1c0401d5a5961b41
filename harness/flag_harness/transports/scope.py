"""Decide which requests go to the API, and which other hosts a test may reach."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"

_API_HOSTS = (
    "api.anthropic.com",
    "aiplatform.googleapis.com",
    "*-aiplatform.googleapis.com",
    "aiplatform.*.rep.googleapis.com",
    "bedrock-runtime.*.amazonaws.com",
    "bedrock-runtime-fips.*.amazonaws.com",
)
"""The API's own host, and the hosts of Vertex AI and Bedrock."""
_API_ONLY_PATH_PATTERN = re.compile(r"/v1/messages(?:/|$)")
_API_ONLY_HEADER = "anthropic-version"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ApiScope:
    """The hosts of the API, and the other hosts that a test may reach. In a name, `*` stands for any characters.

    Attributes:
        hosts: further hosts of the API, such as a gateway. `host:port` means that port only.
        allowed_hosts: hosts that a test may reach although its other connections are refused.
        ignored_hosts: hosts whose connections are refused without failing the test.
        base_url: the API's address when the test began, or an empty string.
    """

    hosts: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    ignored_hosts: tuple[str, ...] = ()
    base_url: str = ""

    def includes_url(self, url: str) -> bool:
        """Return whether a URL's host belongs to the API: it is a known host, or that of `ANTHROPIC_BASE_URL`."""
        address = _host_and_port_of_url(url)
        if address is None:
            return False
        host, port = address
        known = (*_API_HOSTS, *self.hosts)
        return address in self._base_addresses() or any(matches_host((name,), host, port) for name in known)

    def includes_request(self, http_request: Any) -> bool:
        """Return whether a request goes to the API, judged by its host, path and headers."""
        url = str(http_request.url)
        if self.includes_url(url) or _API_ONLY_HEADER in http_request.headers:
            return True
        return _API_ONLY_PATH_PATTERN.search(urlsplit(url).path) is not None

    def _base_addresses(self) -> Iterator[tuple[str, int]]:
        """Yield the host and port of `base_url` and of the environment's `ANTHROPIC_BASE_URL`."""
        for url in {self.base_url, os.environ.get(BASE_URL_VARIABLE, "")}:
            if (address := _host_and_port_of_url(url)) is not None:
                yield address


def matches_host(patterns: tuple[str, ...], host: str, port: int | None = None) -> bool:
    """Return whether one of the patterns matches `host` or `host:port`."""
    names = [host.lower().rstrip("."), f"{host.lower().rstrip('.')}:{port}"]
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns for name in names)


def _host_and_port_of_url(url: str) -> tuple[str, int] | None:
    """Return the host and port of a URL, or None if the URL has no host."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.hostname.lower(), port) if parts.hostname else None
