"""vcrpy's matchers: which parts of two requests are compared, and how."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import msgspec

from flag_harness.vcr.request import VcrRequest

Matcher: TypeAlias = Callable[[VcrRequest, VcrRequest], Any]
"""Compares the request that is sent with a recorded one. It matches unless it returns something false that is not
`None`, or raises `AssertionError`."""

DEFAULT = ("method", "scheme", "host", "port", "path", "query")
"""What vcrpy compares unless told otherwise."""


def _json(body: bytes) -> Any:
    return msgspec.json.decode(body) if body else None


def _form(body: bytes) -> Any:
    return parse_qs(body.decode("ascii"))


_READERS: Mapping[str, Callable[[bytes], Any]] = {
    "application/json": _json,
    "application/x-www-form-urlencoded": _form,
}


def _reader(request: VcrRequest) -> Callable[[bytes], Any]:
    """What reads the body of such a content type; others are compared byte by byte."""
    kind = request.headers.get("content-type", "").lower()
    return next((reader for name, reader in _READERS.items() if name in kind), bytes)


def _same_body(sent: VcrRequest, recorded: VcrRequest) -> bool:
    """Whether two bodies say the same; bodies of two types, and those that are not of theirs, are bytes."""
    reader = _reader(sent)
    if reader is not _reader(recorded):
        reader = bytes
    try:
        return bool(reader(sent.body) == reader(recorded.body))
    except (ValueError, RecursionError):
        return sent.body == recorded.body


def _uri(request: VcrRequest) -> str:
    """The URL; nothing for a path is the root."""
    parts = request.parsed_uri
    return request.uri if parts.path else parts._replace(path="/").geturl()


MATCHERS: Mapping[str, Matcher] = {
    "method": lambda sent, recorded: sent.method == recorded.method,
    "uri": lambda sent, recorded: _uri(sent) == _uri(recorded),
    "url": lambda sent, recorded: _uri(sent) == _uri(recorded),
    "scheme": lambda sent, recorded: sent.scheme == recorded.scheme,
    "host": lambda sent, recorded: sent.host == recorded.host,
    "port": lambda sent, recorded: sent.port == recorded.port,
    "path": lambda sent, recorded: (sent.path or "/") == (recorded.path or "/"),
    "query": lambda sent, recorded: sent.query == recorded.query,
    "headers": lambda sent, recorded: sent.headers == recorded.headers,
    "raw_body": lambda sent, recorded: sent.body == recorded.body,
    "body": _same_body,
}
"""The matchers that vcrpy has, by the names that `match_on` takes."""


def failing(sent: VcrRequest, recorded: VcrRequest, matchers: Mapping[str, Matcher]) -> list[str]:
    """The names of the matchers that tell the two apart."""
    return [name for name, matcher in matchers.items() if not _matches(matcher, sent, recorded)]


def _matches(matcher: Matcher, sent: VcrRequest, recorded: VcrRequest) -> bool:
    try:
        verdict = matcher(sent, recorded)
    except AssertionError:
        return False
    return verdict is None or bool(verdict)
