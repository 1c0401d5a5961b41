"""vcrpy's matchers, each of which compares one part of two requests."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import msgspec

from flag_harness.vcr.request import VcrRequest

Matcher: TypeAlias = Callable[[VcrRequest, VcrRequest], Any]
"""A function that compares a sent request with a recorded one, and tells whether they match.

They match unless it returns a false value other than None, or raises `AssertionError`.
"""

DEFAULT_MATCHERS = ("method", "scheme", "host", "port", "path", "query")
"""The matchers that vcrpy uses by default."""


def _decode_json_body(body: bytes) -> Any:
    return msgspec.json.decode(body) if body else None


def _decode_form(body: bytes) -> Any:
    return parse_qs(body.decode("ascii"))


_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    "application/json": _decode_json_body,
    "application/x-www-form-urlencoded": _decode_form,
}


def _decoder_for_body(request: VcrRequest) -> Callable[[bytes], Any]:
    """Return the function that decodes a body of this request's content type.

    For an unknown type, it returns the bytes.
    """
    kind = request.headers.get("content-type", "").lower()
    return next((decoder for name, decoder in _DECODERS.items() if name in kind), bytes)


def _have_equal_bodies(sent: VcrRequest, recorded: VcrRequest) -> bool:
    """Return whether the bodies of two requests are equal after decoding, or as bytes if decoding fails or types
    differ.
    """
    decoder = _decoder_for_body(sent)
    if decoder is not _decoder_for_body(recorded):
        decoder = bytes
    try:
        return bool(decoder(sent.body) == decoder(recorded.body))
    except (ValueError, RecursionError):
        return sent.body == recorded.body


def _uri_with_nonempty_path(request: VcrRequest) -> str:
    """Return the request's URL, with the path `/` if it has no path."""
    parts = request.parsed_uri
    return request.uri if parts.path else parts._replace(path="/").geturl()


MATCHERS: Mapping[str, Matcher] = {
    "method": lambda sent, recorded: sent.method == recorded.method,
    "uri": lambda sent, recorded: _uri_with_nonempty_path(sent) == _uri_with_nonempty_path(recorded),
    "url": lambda sent, recorded: _uri_with_nonempty_path(sent) == _uri_with_nonempty_path(recorded),
    "scheme": lambda sent, recorded: sent.scheme == recorded.scheme,
    "host": lambda sent, recorded: sent.host == recorded.host,
    "port": lambda sent, recorded: sent.port == recorded.port,
    "path": lambda sent, recorded: (sent.path or "/") == (recorded.path or "/"),
    "query": lambda sent, recorded: sent.query == recorded.query,
    "headers": lambda sent, recorded: sent.headers == recorded.headers,
    "raw_body": lambda sent, recorded: sent.body == recorded.body,
    "body": _have_equal_bodies,
}
"""vcrpy's matchers, by the names that `match_on` uses for them."""


def failing_matchers(sent: VcrRequest, recorded: VcrRequest, matchers: Mapping[str, Matcher]) -> list[str]:
    """Return the names of those matchers that say that the two requests differ."""
    return [name for name, matcher in matchers.items() if not _matches(matcher, sent, recorded)]


def _matches(matcher: Matcher, sent: VcrRequest, recorded: VcrRequest) -> bool:
    """Return whether a matcher accepts two requests as equal: it returns a true value or None."""
    try:
        result = matcher(sent, recorded)
    except AssertionError:
        return False
    return result is None or bool(result)
