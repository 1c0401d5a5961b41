"""go-vcr's cassettes: the files of v1 and v2 (`version: 1`), and of v3 and v4 (`version: 2`).

interactions:
- request:  {body: "...", form: {}, headers: {Content-Type: [application/json]}, url: https://..., method: POST}
  response: {body: "...", headers: {...}, status: 200 OK, code: 200, duration: ""}
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.cassette.importers.shapes import as_bytes, as_headers, as_mapping, as_method, as_status, as_text
from flag_harness.cassette.importers.source import SourceInteraction


def interactions(rows: list[Any]) -> Iterator[SourceInteraction]:
    """The interactions of the file. Raises `ValueError` naming the one that cannot be understood."""
    for number, row in enumerate(rows):
        try:
            yield _interaction(as_mapping(row, "it"))
        except ValueError as error:
            raise ValueError(f"interaction {number}: {error}") from None


def is_go_vcr(request: Mapping[str, Any]) -> bool:
    """Whether a request is written as go-vcr does."""
    return "url" in request and "uri" not in request


def _interaction(row: Mapping[str, Any]) -> SourceInteraction:
    request = as_mapping(row.get("request"), "request")
    response = as_mapping(row.get("response"), "response")
    return SourceInteraction(
        method=as_method(request.get("method")),
        url=as_text(request.get("url"), "url"),
        request_headers=as_headers(request.get("headers")),
        request_body=as_bytes(request.get("body")),
        status=as_status(response.get("code") or response.get("status")),
        response_headers=as_headers(response.get("headers")),
        response_body=as_bytes(response.get("body")),
    )
