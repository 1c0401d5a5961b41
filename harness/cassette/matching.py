"""Which recorded request a new one equals: method, path, `anthropic-beta` set and canonical JSON body, by hash."""

import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from harness.wire.timeline import Headers, header

BETA_HEADER = "anthropic-beta"


def betas(headers: Headers) -> tuple[str, ...]:
    """The set of betas that the request asks for, sorted."""
    return tuple(sorted({beta.strip() for beta in header(headers, BETA_HEADER).split(",") if beta.strip()}))


def canonical_path(path: str) -> str:
    """The path with its query in order.

    >>> canonical_path("/v1/models?limit=2&after_id=x")
    '/v1/models?after_id=x&limit=2'
    """
    plain, mark, query = path.partition("?")
    return plain + mark + urlencode(sorted(parse_qsl(query, keep_blank_values=True))) if query else plain


def body_value(body: bytes) -> Any:
    """The JSON value of a body, or the bytes themselves where they are none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return body


def match_key(method: str, path: str, headers: Headers, value: Any) -> bytes:
    """The hash of all that takes part in matching. `value` is what `body_value` gives."""
    content = value if isinstance(value, bytes) else msgspec.json.encode(value, order="sorted")
    parts = (method.encode(), canonical_path(path).encode(), ",".join(betas(headers)).encode(), content)
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()
