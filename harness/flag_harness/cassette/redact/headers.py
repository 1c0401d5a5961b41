"""The allow-list of headers that a cassette keeps, so that a key in an unknown header is never stored."""

import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from urllib.parse import urlsplit, urlunsplit

from flag_harness.config import CREDENTIAL_HEADERS
from flag_harness.wire.timeline import Headers

KEPT_REQUEST_HEADERS = frozenset({"anthropic-beta", "content-type"})
"""The request headers that a cassette keeps. Authentication and version headers are neither compared nor stored."""

LOCATION_HEADER = "location"
"""The header with the target URL of a redirect."""

KEPT_RESPONSE_HEADERS = frozenset(
    {
        "accept-ranges",
        "anthropic-organization-id",
        "anthropic-workspace-id",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-range",
        "content-type",
        "deprecation",
        "etag",
        "last-modified",
        "link",
        LOCATION_HEADER,
        "mcp-session-id",
        "request-id",
        "retry-after",
        "retry-after-ms",
        "sunset",
        "warning",
        "x-amzn-bedrock-cache-read-input-token-count",
        "x-amzn-bedrock-cache-write-input-token-count",
        "x-amzn-bedrock-input-token-count",
        "x-amzn-bedrock-invocation-latency",
        "x-amzn-bedrock-output-token-count",
        "x-amzn-errortype",
        "x-amzn-requestid",
        "x-request-id",
        "x-should-retry",
    }
)
"""The response headers that a cassette keeps, because clients act on them. Rate-limit headers are kept, too."""

_RATE_LIMIT_HEADER_PATTERN = re.compile(
    r"anthropic-ratelimit-.+|anthropic-[a-z0-9-]+-(?:limit|remaining|reset)|(?:x-)?ratelimit-(?:limit|remaining|reset).*"
)
"""Matches the rate-limit headers of the API, such as `anthropic-priority-input-tokens-remaining`, and of gateways."""


def select_request_headers(headers: Headers) -> Headers:
    """Return the request headers that a cassette keeps, sorted, with names in lower case."""
    return tuple(
        sorted([(lowered, value) for name, value in headers if (lowered := name.lower()) in KEPT_REQUEST_HEADERS])
    )


def select_response_headers(headers: Headers, url: str, keep: Collection[str] = ()) -> Headers:
    """Return the response headers that a cassette keeps, in their original order, with names in lower case.

    `url` is the URL of the request: a redirect to the same host is stored as a path, because no host is stored. `keep`
    names additional headers; `*` in a name stands for any characters.
    """
    lowered = ((name.lower(), value) for name, value in headers)
    kept = ((name, value) for name, value in lowered if _is_kept_response_header(name, keep))
    return tuple((name, _strip_own_host(value, url) if name == LOCATION_HEADER else value) for name, value in kept)


def _is_kept_response_header(name: str, keep: Collection[str]) -> bool:
    if name in KEPT_RESPONSE_HEADERS or _RATE_LIMIT_HEADER_PATTERN.fullmatch(name):
        return True
    return name not in CREDENTIAL_HEADERS and any(fnmatchcase(name, one.lower()) for one in keep)


def _strip_own_host(location: str, url: str) -> str:
    """Return the target of a redirect, as a path if it is on the host of the request's `url`."""
    try:
        there, here = urlsplit(location), urlsplit(url)
    except ValueError:
        return location  # a client that follows it fails, in a replay too
    own = there.netloc and there.netloc.lower() == here.netloc.lower()
    return urlunsplit(("", "", there.path or "/", there.query, there.fragment)) if own else location
