"""Which headers reach a cassette: an allow-list, so that a key in a header nobody thought of stays out."""

from harness.wire.timeline import Headers

REQUEST = frozenset({"anthropic-beta", "content-type"})
"""Request headers that are kept. Authentication and version headers take no part in matching and are not stored."""

RESPONSE = frozenset(
    {
        "cache-control",
        "content-encoding",
        "content-type",
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
    return tuple(sorted((name.lower(), value) for name, value in headers if name.lower() in REQUEST))


def kept_of_response(headers: Headers) -> Headers:
    """The response's headers that a cassette holds, names in lower case, in the order in which they came."""
    lowered = ((name.lower(), value) for name, value in headers)
    return tuple((name, value) for name, value in lowered if name in RESPONSE or name.startswith(RESPONSE_PREFIX))
