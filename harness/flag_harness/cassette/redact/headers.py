"""Which headers reach a cassette: an allow-list, so that a key in a header nobody thought of stays out."""

from urllib.parse import urlsplit, urlunsplit

from flag_harness.wire.timeline import Headers

REQUEST = frozenset({"anthropic-beta", "content-type"})
"""Request headers that are kept. Authentication and version headers take no part in matching and are not stored."""

LOCATION = "location"
"""The header that names a URL: where a redirect leads."""

RESPONSE = frozenset(
    {
        "cache-control",
        "content-encoding",
        "content-type",
        LOCATION,
        "request-id",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
    }
)
"""Response headers that are kept, with all `anthropic-ratelimit-*`: those that a client acts on."""

RESPONSE_PREFIX = "anthropic-ratelimit-"


def kept_of_request(headers: Headers) -> Headers:
    """The request's headers that a cassette holds, names in lower case, sorted."""
    return tuple(sorted([(lowered, value) for name, value in headers if (lowered := name.lower()) in REQUEST]))


def kept_of_response(headers: Headers, url: str) -> Headers:
    """The response's headers that a cassette holds, names in lower case, in the order in which they came.

    `url` is that of the request: a redirect on its own host is kept as a path, since no host is stored.
    """
    lowered = ((name.lower(), value) for name, value in headers)
    kept = ((name, value) for name, value in lowered if name in RESPONSE or name.startswith(RESPONSE_PREFIX))
    return tuple((name, _without_host(value, url) if name == LOCATION else value) for name, value in kept)


def _without_host(location: str, url: str) -> str:
    try:
        there, here = urlsplit(location), urlsplit(url)
    except ValueError:
        return location  # a client that follows it fails, in a replay too
    own = there.netloc and there.netloc.lower() == here.netloc.lower()
    return urlunsplit(("", "", there.path or "/", there.query, there.fragment)) if own else location
