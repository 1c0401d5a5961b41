"""Read vcrpy's cassettes of all versions.

Version 1 (since 2014) has `interactions`: each a `request` with method, uri, body and headers, and a `response` with
status, headers and body. Before that the file was only the list, and a request had `protocol`, `host`, `port` and
`path` instead of `uri`. Some projects' serialisers (pydantic-ai) write `parsed_body` instead of `body`, which stock
vcrpy refuses.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.cassette.importers.fidelity import REQUEST_RESERIALISED, RESPONSE_RESERIALISED
from flag_harness.cassette.importers.shapes import (
    encode_parsed_body,
    parse_body,
    parse_headers,
    parse_mapping,
    parse_method,
    parse_status,
    parse_text,
)
from flag_harness.cassette.importers.source import SourceInteraction, read_each_row

_DEFAULT_PORTS = {"https": 443, "http": 80}


def read_vcrpy(rows: list[Any]) -> Iterator[SourceInteraction]:
    """Yield the interactions of a vcrpy file, given as parsed values.

    Raise `ValueError` naming the first invalid one.
    """
    return read_each_row(rows, _read_interaction)


def is_vcrpy_request(request: Mapping[str, Any]) -> bool:
    """Return whether a request, given as parsed values, has the format of vcrpy."""
    return "uri" in request or ("protocol" in request and "host" in request)


def _read_interaction(row: Mapping[str, Any]) -> SourceInteraction:
    request = parse_mapping(row.get("request"), "request")
    response = parse_mapping(row.get("response"), "response")
    request_body, request_notes = _read_body_and_fidelity(request, REQUEST_RESERIALISED)
    response_body, response_notes = _read_body_and_fidelity(response, RESPONSE_RESERIALISED)
    return SourceInteraction(
        method=parse_method(request.get("method")),
        url=_read_url(request),
        request_headers=parse_headers(request.get("headers")),
        request_body=request_body,
        status=_read_status(response),
        response_headers=parse_headers(response.get("headers")),
        response_body=response_body,
        fidelity_words=request_notes | response_notes,
        reason_phrase=_read_reason_phrase(response),
    )


def _read_url(request: Mapping[str, Any]) -> str:
    if "uri" in request:
        return parse_text(request["uri"], "uri")
    protocol, host, path = (parse_text(request.get(name), name) for name in ("protocol", "host", "path"))
    port = request.get("port")
    return f"{protocol}://{host}{'' if port in (None, _DEFAULT_PORTS.get(protocol)) else f':{port}'}{path}"


def _read_status(response: Mapping[str, Any]) -> int:
    status = response.get("status", response.get("status_code"))
    return parse_status(status.get("code") if isinstance(status, dict) else status)


def _read_reason_phrase(response: Mapping[str, Any]) -> str | None:
    status = response.get("status")
    message = status.get("message") if isinstance(status, dict) else None
    return message if isinstance(message, str) else None


def _read_body_and_fidelity(message: Mapping[str, Any], fidelity_word: str) -> tuple[bytes, frozenset[str]]:
    """Return `(body, fidelity_words)` of a request or response.

    The set of words has only `fidelity_word` if the file stores the body as parsed values, so that its original bytes
    are unknown. Otherwise the set is empty.
    """
    if "parsed_body" in message:
        return encode_parsed_body(message["parsed_body"]), frozenset({fidelity_word})
    body = message.get("body", message.get("content"))
    if isinstance(body, dict) and "parsed_body" in body:
        return encode_parsed_body(body["parsed_body"]), frozenset({fidelity_word})
    return parse_body(body), frozenset()
