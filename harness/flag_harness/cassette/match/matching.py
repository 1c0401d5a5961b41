"""Which recorded request a new one equals: method, path, `anthropic-beta` set and canonical JSON body, by hash."""

import hashlib
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlencode

import msgspec

from flag_harness.wire.json import decode_json
from flag_harness.wire.timeline import Headers, Request, header_value

BETA_HEADER = "anthropic-beta"

_BETA_NAMESPACE = ("beta", "true")

MatchWord: TypeAlias = Literal["method", "path", "query", "uri", "headers", "body", "raw_body"]
"""vcrpy's names for the parts of a request. Its `scheme`, `host` and `port` are not among them: no host is stored."""


def betas(headers: Headers) -> tuple[str, ...]:
    """The set of betas that the request asks for, sorted."""
    return tuple(sorted({beta.strip() for beta in header_value(headers, BETA_HEADER).split(",") if beta.strip()}))


def canonical_path(path: str) -> str:
    """The path with its query in order, without `beta=true`: older SDKs add it, and the header says which betas.

    >>> canonical_path("/v1/models?limit=2&after_id=x&beta=true")
    '/v1/models?after_id=x&limit=2'
    """
    plain, _, query = path.partition("?")
    if not query:
        return plain
    pairs = sorted(pair for pair in parse_qsl(query, keep_blank_values=True) if pair != _BETA_NAMESPACE)
    return f"{plain}?{urlencode(pairs)}" if pairs else plain


def body_value(body: bytes) -> Any:
    """Return the JSON value of a body, or the bytes themselves if they are not JSON, or are nested too deeply."""
    return decode_json(body, default=body)


def canonical(value: Any) -> bytes:
    """A JSON value as bytes that do not depend on the order of its keys."""
    return msgspec.json.encode(value, order="sorted")


def match_content(method: str, path: str, headers: Headers, value: Any) -> bytes:
    """All that takes part in matching. `value` is what `body_value` gives."""
    content = value if isinstance(value, bytes) else canonical(value)
    parts = (method.encode(), canonical_path(path).encode(), ",".join(betas(headers)).encode(), content)
    return b"\0".join(parts)


def loose_content(request: Request, value: Any, match_on: tuple[MatchWord, ...]) -> bytes:
    """The named parts, as vcrpy compares them; `headers` means those that a cassette keeps.

    `request` is one as a cassette keeps it, `value` what `body_value` gives for its body.
    """
    return b"\0".join(_part(request, value, word) for word in match_on)


def hashed(content: bytes) -> bytes:
    """The key of what takes part in matching: 16 bytes. Many processors know SHA-256: half of the time of BLAKE2."""
    return hashlib.sha256(content).digest()[:16]


def match_key(method: str, path: str, headers: Headers, value: Any) -> bytes:
    """The hash of all that takes part in matching. `value` is what `body_value` gives."""
    return hashed(match_content(method, path, headers, value))


def _part(request: Request, value: Any, word: MatchWord) -> bytes:
    path, _, query = request.path.partition("?")
    match word:
        case "method":
            return request.method.encode()
        case "path":
            return path.encode()
        case "query":
            return urlencode(sorted(parse_qsl(query))).encode()
        case "uri":
            return request.path.encode()
        case "headers":
            return repr(sorted(request.headers)).encode()
        case "raw_body":
            return hashlib.blake2b(request.body).digest()
        case "body":
            return hashlib.blake2b(value).digest() if isinstance(value, bytes) else canonical(value)
