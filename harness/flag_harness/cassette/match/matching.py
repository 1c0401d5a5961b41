"""Compute what requests are compared by: method, path, the set of `anthropic-beta` features, and canonical
JSON body.
"""

import hashlib
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlencode

import msgspec

from flag_harness.wire.json import decode_json
from flag_harness.wire.timeline import Headers, Request, header_value

BETA_HEADER = "anthropic-beta"

_BETA_QUERY_PARAMETER = ("beta", "true")

MatchPart: TypeAlias = Literal["method", "path", "query", "uri", "headers", "body", "raw_body"]
"""vcrpy's names for the parts of a request that can be compared.

Scheme, host and port are missing: they are not stored.
"""


def beta_features(headers: Headers) -> tuple[str, ...]:
    """Return the beta features named in the request headers, sorted and without duplicates."""
    return tuple(sorted({beta.strip() for beta in header_value(headers, BETA_HEADER).split(",") if beta.strip()}))


def canonical_path(path: str) -> str:
    """Return the path with its query sorted, and without `beta=true`, which older SDKs send.

    >>> canonical_path("/v1/models?limit=2&after_id=x&beta=true")
    '/v1/models?after_id=x&limit=2'
    """
    plain, _, query = path.partition("?")
    if not query:
        return plain
    pairs = sorted(pair for pair in parse_qsl(query, keep_blank_values=True) if pair != _BETA_QUERY_PARAMETER)
    return f"{plain}?{urlencode(pairs)}" if pairs else plain


def decode_comparable_body(body: bytes) -> Any:
    """Decode a JSON body. Return the bytes themselves if they are not JSON, or are too deeply nested to compare."""
    return decode_json(body, default=body)


def encode_with_sorted_keys(value: Any) -> bytes:
    """Encode a value as JSON with sorted keys."""
    return msgspec.json.encode(value, order="sorted")


def content_to_match(method: str, path: str, headers: Headers, decoded_body: Any) -> bytes:
    """Return the bytes by which requests are compared. `decoded_body` is the body as `decode_comparable_body` returns
    it.
    """
    content = decoded_body if isinstance(decoded_body, bytes) else encode_with_sorted_keys(decoded_body)
    parts = (method.encode(), canonical_path(path).encode(), ",".join(beta_features(headers)).encode(), content)
    return b"\0".join(parts)


def content_of_selected_parts(request: Request, decoded_body: Any, match_on: tuple[MatchPart, ...]) -> bytes:
    """Return the bytes of those parts of a request that are in `match_on`, in the form in which vcrpy compares them.

    `request` must be in the form that a cassette keeps. `decoded_body` is its body as `decode_comparable_body` returns
    it.
    """
    return b"\0".join(_request_part_content(request, decoded_body, word) for word in match_on)


def hash_content(content: bytes) -> bytes:
    """Return the hash by which equal content is found: 16 bytes of its SHA-256, which is faster than BLAKE2 on many
    CPUs.
    """
    return hashlib.sha256(content).digest()[:16]


def matching_key(method: str, path: str, headers: Headers, decoded_body: Any) -> bytes:
    """Return the hash by which equal requests are found. `decoded_body` is the body as `decode_comparable_body` returns
    it.
    """
    return hash_content(content_to_match(method, path, headers, decoded_body))


def _request_part_content(request: Request, decoded_body: Any, part: MatchPart) -> bytes:
    path, _, query = request.path.partition("?")
    match part:
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
        case _:  # "body"
            return (
                hashlib.blake2b(decoded_body).digest()
                if isinstance(decoded_body, bytes)
                else encode_with_sorted_keys(decoded_body)
            )
