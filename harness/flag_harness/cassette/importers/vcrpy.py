"""vcrpy's cassettes, of every age.

Version 1 (since 2014) holds `interactions`: each a `request` with method, uri, body and headers, and a `response` with
status, headers and body. Before it the file was the list alone, and a request had `protocol`, `host`, `port` and `path`
for `uri`. Users' serialisers put a `parsed_body` in place of `body` (pydantic-ai), which stock vcrpy refuses.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.cassette.importers.fidelity import REQUEST_RESERIALISED, RESPONSE_RESERIALISED
from flag_harness.cassette.importers.shapes import (
    as_bytes,
    as_headers,
    as_mapping,
    as_method,
    as_status,
    as_text,
    serialised,
)
from flag_harness.cassette.importers.source import SourceInteraction

_DEFAULT_PORTS = {"https": 443, "http": 80}


def interactions(rows: list[Any]) -> Iterator[SourceInteraction]:
    """The interactions of the file. Raises `ValueError` naming the one that cannot be understood."""
    for number, row in enumerate(rows):
        try:
            yield _interaction(as_mapping(row, "it"))
        except ValueError as error:
            raise ValueError(f"interaction {number}: {error}") from None


def is_vcrpy(request: Mapping[str, Any]) -> bool:
    """Whether a request is written as vcrpy does."""
    return "uri" in request or ("protocol" in request and "host" in request)


def _interaction(row: Mapping[str, Any]) -> SourceInteraction:
    request = as_mapping(row.get("request"), "request")
    response = as_mapping(row.get("response"), "response")
    request_body, request_notes = _body(request, REQUEST_RESERIALISED)
    response_body, response_notes = _body(response, RESPONSE_RESERIALISED)
    return SourceInteraction(
        method=as_method(request.get("method")),
        url=_url(request),
        request_headers=as_headers(request.get("headers")),
        request_body=request_body,
        status=_status(response),
        response_headers=as_headers(response.get("headers")),
        response_body=response_body,
        notes=request_notes | response_notes,
    )


def _url(request: Mapping[str, Any]) -> str:
    if "uri" in request:
        return as_text(request["uri"], "uri")
    protocol, host, path = (as_text(request.get(name), name) for name in ("protocol", "host", "path"))
    port = request.get("port")
    return f"{protocol}://{host}{'' if port in (None, _DEFAULT_PORTS.get(protocol)) else f':{port}'}{path}"


def _status(response: Mapping[str, Any]) -> int:
    status = response.get("status", response.get("status_code"))
    return as_status(status.get("code") if isinstance(status, dict) else status)


def _body(message: Mapping[str, Any], reserialised: str) -> tuple[bytes, frozenset[str]]:
    if "parsed_body" in message:
        return serialised(message["parsed_body"]), frozenset({reserialised})
    body = message.get("body", message.get("content"))
    if isinstance(body, dict) and "parsed_body" in body:
        return serialised(body["parsed_body"]), frozenset({reserialised})
    return as_bytes(body), frozenset()
