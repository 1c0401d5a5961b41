"""Recognise what is not imported: files in other tools' formats, and requests to other services."""

import re
from typing import Any
from urllib.parse import urlsplit

from flag_harness.wire.timeline import Request

_API_HOST_PATTERN = re.compile(r"(?:.*\.)?anthropic\.com")
_API_PATH_PATTERN = re.compile(r"(?:/.*)?/v1/(?:messages|complete)(?:/.*)?")
"""Matches paths of the Messages API that other services do not have, after any proxy's prefix."""
_API_PATH_PREFIX = "/v1/"
"""The beginning of every path of the API."""

_FORMAT_BY_IDENTIFYING_KEY = {
    "envelope": "it is a cassette of this harness already",
    "http_interactions": "it is a cassette of Ruby's or R's VCR",
    "log": "it is a HAR file",
    "mappings": "it is a WireMock mapping",
    "when": "it is a recording of httpmock",
    "scope": "it is a recording of nock",
    "urlPath": "it is a WireMock mapping",
    "urlPattern": "it is a WireMock mapping",
    "urlPathPattern": "it is a WireMock mapping",
}
"""Descriptions of formats that cannot be imported, by a key that occurs only in them.

The key is in the document, in its first entry, or in that entry's request.
"""


def describe_format(document: Any) -> str:
    """Return what format a document has if it is known but cannot be imported, or an empty string for any other
    document.
    """
    if isinstance(document, dict) and isinstance(document.get("interactions"), list):
        return _FORMAT_BY_IDENTIFYING_KEY["envelope"] if "envelope" in document else ""
    first = document[0] if isinstance(document, list) and document else document
    if isinstance(first, str):
        return "it is a trace of httprr" if first.startswith("httprr trace") else ""
    if not isinstance(first, dict):
        return ""
    request, response = first.get("request"), first.get("response")
    known = {**(request if isinstance(request, dict) else {}), **first}
    if found := next((text for key, text in _FORMAT_BY_IDENTIFYING_KEY.items() if key in known), ""):
        return found
    if not isinstance(request, dict) or not isinstance(response, dict) or "url" not in request:
        return ""
    if isinstance(document, list):
        return "it is a cassette of ExVCR" if "status_code" in response else ""
    return (
        "it is a WireMock mapping" if str(request["url"]).startswith("/") else "it is a recording of ddapm-test-agent"
    )


def is_api_url(url: str) -> bool:
    """Return whether a URL belongs to the Messages API, judged by its host or, behind a proxy, its path."""
    path = Request("", url, (), b"").path.partition("?")[0]
    host = urlsplit(url).hostname or ""
    return (
        bool(_API_HOST_PATTERN.fullmatch(host) and path.startswith(_API_PATH_PREFIX))
        or _API_PATH_PATTERN.fullmatch(path) is not None
    )
