"""Responses in vcrpy's format, which a suite's `before_record_response` receives."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeAlias

from flag_harness.cassette.importers.encodings import BodyDecoder
from flag_harness.cassette.importers.limits import Limits
from flag_harness.cassette.importers.source import SourceInteraction
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Response

VcrResponse: TypeAlias = dict[str, Any]
"""`{"status": {"code", "message"}, "headers": {name: [value, ...]}, "body": {"string": bytes}}`."""

ResponseFilter: TypeAlias = Callable[[VcrResponse], VcrResponse | None]
"""Changes a response, or returns None to leave the interaction out."""


def to_vcr_response(row: SourceInteraction) -> VcrResponse:
    """Convert the response of an interaction to vcrpy's format, with the standard message of its status."""
    headers: dict[str, list[str]] = {}
    for name, value in row.response_headers:
        headers.setdefault(name, []).append(value)
    known = row.status in HTTPStatus._value2member_map_
    status = {"code": row.status, "message": HTTPStatus(row.status).phrase if known else ""}
    return {"status": status, "headers": headers, "body": {"string": row.response_body}}


def to_response(response: VcrResponse) -> Response:
    """Convert a response from vcrpy's format, with its body as one chunk and without delays."""
    data = response["body"]["string"]
    data = data.encode("utf-8") if isinstance(data, str) else bytes(data or b"")
    chunks = (Chunk(0.0, data),) if data else ()
    return (Head(0.0, response["status"]["code"], _headers(response)), *chunks, End(0.0))


def apply_response_filters(response: VcrResponse, filters: Iterable[ResponseFilter]) -> VcrResponse | None:
    """Apply the filters to a response. Return None if one of them leaves it out."""
    filtered: VcrResponse | None = response
    for one in filters:
        if filtered is None:
            break
        filtered = one(filtered)
    return filtered


def decompress_vcr_response(response: VcrResponse) -> VcrResponse:
    """Decompress the body and adjust the headers: the filter for `decode_compressed_response`."""
    data, headers, plain = BodyDecoder(Limits().decoded).decode(_headers(response), response["body"]["string"])
    if not plain or (data, headers) == (response["body"]["string"], _headers(response)):
        return response
    kept: dict[str, list[str]] = {}
    for name, value in headers:
        kept.setdefault(name, []).append(str(len(data)) if name.lower() == "content-length" else value)
    return {**response, "headers": kept, "body": {"string": data}}


def _headers(response: VcrResponse) -> Headers:
    return tuple(
        (name, str(value))
        for name, values in response["headers"].items()
        for value in (values if isinstance(values, list) else [values])
    )
