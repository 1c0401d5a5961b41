"""Responses in vcrpy's shape: what `before_record_response` of a vcrpy suite is handed."""

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
"""Changes a response; `None` where the interaction is to be left out."""


def vcr_response(row: SourceInteraction) -> VcrResponse:
    """What a cassette holds of a response. The message is the status's own."""
    headers: dict[str, list[str]] = {}
    for name, value in row.response_headers:
        headers.setdefault(name, []).append(value)
    known = row.status in HTTPStatus._value2member_map_
    status = {"code": row.status, "message": HTTPStatus(row.status).phrase if known else ""}
    return {"status": status, "headers": headers, "body": {"string": row.response_body}}


def played(response: VcrResponse) -> Response:
    """The response as it is played: at once, its body in one piece."""
    data = response["body"]["string"]
    data = data.encode("utf-8") if isinstance(data, str) else bytes(data or b"")
    chunks = (Chunk(0.0, data),) if data else ()
    return (Head(0.0, response["status"]["code"], _headers(response)), *chunks, End(0.0))


def applied(response: VcrResponse, filters: Iterable[ResponseFilter]) -> VcrResponse | None:
    """The response as the filters leave it."""
    left: VcrResponse | None = response
    for one in filters:
        if left is None:
            break
        left = one(left)
    return left


def decoded(response: VcrResponse) -> VcrResponse:
    """`decode_compressed_response`: the body plain, and the headers true of it."""
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
