"""What is refused before the body is read: size, key, version, content type, betas."""

from harness.simulator.rules.asked import Refusal, betas_of, key_of
from harness.simulator.rules.betas import KNOWN_BETAS
from harness.wire.timeline import Request, header

MAXIMUM_BYTES = 32 * 1024 * 1024
"""Documented for /v1/messages; the edge refuses what is larger."""


def header_refusal(request: Request, refused_betas: tuple[str, ...] = (), keys: tuple[str, ...] = ()) -> Refusal | None:
    """The first refusal of a request for its headers or its size. Where there are `keys`, every other one is wrong."""
    early = _size(request) or _key(request, keys) or _version(request)
    return early or _content_type(request) or _betas(request, refused_betas)


def _size(request: Request) -> Refusal | None:
    if len(request.body) <= MAXIMUM_BYTES:
        return None
    return Refusal("size", 413, "request_too_large", "Request exceeds the maximum size")


def _key(request: Request, keys: tuple[str, ...]) -> Refusal | None:
    key = key_of(request.headers)
    if keys and key and key not in keys:
        return Refusal("key", 401, "authentication_error", "invalid x-api-key")
    if key:
        return None
    return Refusal("key", 401, "authentication_error", "x-api-key header is required")


def _version(request: Request) -> Refusal | None:
    if header(request.headers, "anthropic-version"):
        return None
    return Refusal("version", 400, "invalid_request_error", "anthropic-version: header is required")


def _content_type(request: Request) -> Refusal | None:
    kind = header(request.headers, "content-type").partition(";")[0].strip().lower()
    if not request.body or kind == "application/json":
        return None
    return Refusal("content type", 400, "invalid_request_error", "content-type: must be application/json")


def _betas(request: Request, refused: tuple[str, ...]) -> Refusal | None:
    unknown = [beta for beta in betas_of(request.headers) if beta not in KNOWN_BETAS or beta in refused]
    if not unknown:
        return None
    names = ", ".join(f"`{beta}`" for beta in unknown)
    words = (
        f"Unexpected value(s) {names} for the `anthropic-beta` header. Please consult our documentation at "
        "docs.claude.com or try again without the header."
    )
    return Refusal("unknown beta", 400, "invalid_request_error", words)
