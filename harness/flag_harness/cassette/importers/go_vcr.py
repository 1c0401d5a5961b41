"""Read go-vcr's cassettes: the files of v1 and v2 (`version: 1`), and of v3 and v4 (`version: 2`).

interactions:
- request:  {body: "...", form: {}, headers: {Content-Type: [application/json]}, url: https://..., method: POST}
  response: {body: "...", headers: {...}, status: 200 OK, code: 200, duration: ""}
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.cassette.importers.shapes import (
    parse_body,
    parse_headers,
    parse_mapping,
    parse_method,
    parse_status,
    parse_text,
)
from flag_harness.cassette.importers.source import SourceInteraction, read_each_row


def read_go_vcr(rows: list[Any]) -> Iterator[SourceInteraction]:
    """Yield the interactions of a go-vcr file, given as parsed values.

    Raise `ValueError` naming the first invalid one.
    """
    return read_each_row(rows, _read_interaction)


def is_go_vcr_request(request: Mapping[str, Any]) -> bool:
    """Return whether a request, given as parsed values, has the format of go-vcr."""
    return "url" in request and "uri" not in request


def _read_interaction(row: Mapping[str, Any]) -> SourceInteraction:
    request = parse_mapping(row.get("request"), "request")
    response = parse_mapping(row.get("response"), "response")
    return SourceInteraction(
        method=parse_method(request.get("method")),
        url=parse_text(request.get("url"), "url"),
        request_headers=parse_headers(request.get("headers")),
        request_body=parse_body(request.get("body")),
        status=parse_status(response.get("code") or response.get("status")),
        response_headers=parse_headers(response.get("headers")),
        response_body=parse_body(response.get("body")),
    )
