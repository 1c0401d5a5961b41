"""What is no cassette that is read here: formats by name, and requests to other services."""

import re
from typing import Any
from urllib.parse import urlsplit

from flag_harness.wire.timeline import Request

_OWN_HOST = re.compile(r"(?:.*\.)?anthropic\.com")
_OWN_PATH = re.compile(r"(?:/.*)?/v1/(?:messages|complete)(?:/.*)?")
"""Paths that only this API has, also behind a proxy's prefix; `/v1/models` and `/v1/files` are other services' too."""
_BELOW = "/v1/"
"""Where all paths of the API begin."""

_KEYS = {
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
"""Formats by a key of the document, of its first row, or of that one's request."""


def named(document: Any) -> str:
    """What a document is that is none of the formats read here, in a few words; empty where nobody knows."""
    if isinstance(document, dict) and isinstance(document.get("interactions"), list):
        return _KEYS["envelope"] if "envelope" in document else ""
    first = document[0] if isinstance(document, list) and document else document
    if isinstance(first, str):
        return "it is a trace of httprr" if first.startswith("httprr trace") else ""
    if not isinstance(first, dict):
        return ""
    request, response = first.get("request"), first.get("response")
    known = {**(request if isinstance(request, dict) else {}), **first}
    if found := next((text for key, text in _KEYS.items() if key in known), ""):
        return found
    if not isinstance(request, dict) or not isinstance(response, dict) or "url" not in request:
        return ""
    if isinstance(document, list):
        return "it is a cassette of ExVCR" if "status_code" in response else ""
    return (
        "it is a WireMock mapping" if str(request["url"]).startswith("/") else "it is a recording of ddapm-test-agent"
    )


def goes_to_the_api(url: str) -> bool:
    """Whether a request is one to the Messages API, by its host or, behind a proxy, by its path."""
    path = Request("", url, (), b"").path.partition("?")[0]
    host = urlsplit(url).hostname or ""
    return bool(_OWN_HOST.fullmatch(host) and path.startswith(_BELOW)) or _OWN_PATH.fullmatch(path) is not None
