"""Responses in vcrpy's format: what the hook `before_record_response` of a test suite receives."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeAlias

from flag_harness.cassette.importers.encodings import BodyDecoder
from flag_harness.cassette.importers.limits import ImportLimits
from flag_harness.cassette.importers.source import SourceInteraction
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Response, body

VcrResponse: TypeAlias = dict[str, Any]
"""A response: `{"status": {"code", "message"}, "headers": {name: [value, ...]}, "body": {"string": bytes}}`."""

ResponseFilter: TypeAlias = Callable[[VcrResponse], VcrResponse | None]
"""A function that changes a response, or returns None to drop the interaction."""


def vcr_response_from_import(row: SourceInteraction) -> VcrResponse:
    """Convert an imported response to vcrpy's format.

    If it has no reason phrase (such as `OK`), the standard one is used.
    """
    message = _standard_reason_phrase(row.status) if row.reason_phrase is None else row.reason_phrase
    return _make_vcr_response(row.status, message, row.response_headers, row.response_body)


def vcr_response_from_timeline(response: Response) -> VcrResponse:
    """Convert a complete response of this package to vcrpy's format, with the standard reason phrase (such as `OK`)."""
    head = response[0]
    assert isinstance(head, Head), "a response that vcrpy's format can hold has a head"
    return _make_vcr_response(head.status, _standard_reason_phrase(head.status), head.headers, body(response))


def response_from_vcr(response: VcrResponse) -> Response:
    """Convert a response from vcrpy's format to that of this package: the body is one chunk, and nothing is delayed."""
    data = response["body"]["string"]
    data = data.encode("utf-8") if isinstance(data, str) else bytes(data or b"")
    chunks = (Chunk(0.0, data),) if data else ()
    return (Head(0.0, response["status"]["code"], _header_pairs(response)), *chunks, End(0.0))


def apply_response_filters(response: VcrResponse, filters: Iterable[ResponseFilter]) -> VcrResponse | None:
    """Return the filtered response, or None if a filter drops it."""
    filtered: VcrResponse | None = response
    for one in filters:
        if filtered is None:
            break
        filtered = one(filtered)
    return filtered


def decompress_vcr_response(response: VcrResponse) -> VcrResponse:
    """Return the response with its body decompressed and its headers adjusted.

    This is what vcrpy's setting `decode_compressed_response` demands.
    """
    data, headers, plain = BodyDecoder(ImportLimits().max_decoded_bytes).decode(
        _header_pairs(response), response["body"]["string"]
    )
    if not plain or (data, headers) == (response["body"]["string"], _header_pairs(response)):
        return response
    kept: dict[str, list[str]] = {}
    for name, value in headers:
        kept.setdefault(name, []).append(str(len(data)) if name.lower() == "content-length" else value)
    return {**response, "headers": kept, "body": {"string": data}}


def _make_vcr_response(status: int, message: str, headers: Headers, data: bytes) -> VcrResponse:
    lists: dict[str, list[str]] = {}
    for name, value in headers:
        lists.setdefault(name, []).append(value)
    return {"status": {"code": status, "message": message}, "headers": lists, "body": {"string": data}}


def _standard_reason_phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


def _header_pairs(response: VcrResponse) -> Headers:
    return tuple(
        (name, str(value))
        for name, values in response["headers"].items()
        for value in (values if isinstance(values, list) else [values])
    )
