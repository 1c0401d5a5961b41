"""Rules for the parts of an HTTP request other than its body: path, method, size, headers and query."""

from urllib.parse import parse_qsl

from flag_harness.simulator import catalogue
from flag_harness.simulator.rules.betas import KNOWN_BETAS
from flag_harness.simulator.rules.request import IncomingRequest
from flag_harness.wire.timeline import header_value

MAX_BODY_BYTES = 32 * 1024 * 1024
"""The documented size limit of /v1/messages. The API's edge servers refuse larger bodies."""
_MAX_BODY_BYTES_BY_PATH = (("/v1/messages/batches", 256 * 1024 * 1024), ("/v1/files", 500 * 1024 * 1024))
"""The documented size limits of other endpoints."""
MAX_MODELS_PER_PAGE = 1000
"""The documented limit of the number of models on a page."""


def check_path(incoming: IncomingRequest) -> str | None:
    """Return the error message for a path other than those of messages, count_tokens, batches, files and models, or
    None.

    If the path is in the query, the message says why, in addition to what the API would say.
    """
    return None if incoming.allowed_methods else endpoint_in_query_message(incoming.request.path) or "Not found"


def endpoint_in_query_message(path: str) -> str | None:
    """Return the error message for a request whose endpoint is in its query, or None.

    The SDK and httpx append the endpoint to the base URL as it is, so that it becomes a part of the query of that.
    """
    before, separator, endpoint = path.partition("?")[2].partition("/v1/")
    if not separator:
        return None
    names = ", ".join(f'"{name}": ...' for name, _ in parse_qsl(before, keep_blank_values=True))
    endpoint = f"/v1/{endpoint.partition('?')[0]}"
    return (
        f"Not found: the base_url of the client has a query, so {endpoint} became a part of that; "
        f"give the client default_query={{{names}}} instead (params={{{names}}} of an httpx client)"
    )


def check_method(incoming: IncomingRequest) -> str | None:
    """Return the error message for a method that is not allowed for the path, or None."""
    return None if incoming.request.method in incoming.allowed_methods else "Method Not Allowed"


def check_body_size(incoming: IncomingRequest) -> str | None:
    """Return the error message for a body over 32 MB, or None. Batches and files may be larger."""
    limit = next((most for path, most in _MAX_BODY_BYTES_BY_PATH if incoming.path == path), MAX_BODY_BYTES)
    return None if len(incoming.request.body) <= limit else "Request exceeds the maximum size"


def check_api_key_allowed(incoming: IncomingRequest) -> str | None:
    """Return the error message for an API key that the scenario does not list, or None.

    Every key is allowed if the scenario lists no keys.
    """
    wrong = incoming.scenario.keys and incoming.api_key and incoming.api_key not in incoming.scenario.keys
    return "invalid x-api-key" if wrong else None


def check_api_key_present(incoming: IncomingRequest) -> str | None:
    """Return the error message for a request without an API key, or None."""
    return None if incoming.api_key else "x-api-key header is required"


def check_api_version(incoming: IncomingRequest) -> str | None:
    """Return the error message for a request without an `anthropic-version` header, or None.

    Its value is not checked.
    """
    return (
        None if header_value(incoming.request.headers, "anthropic-version") else "anthropic-version: header is required"
    )


def check_content_type(incoming: IncomingRequest) -> str | None:
    """Return the error message for a body whose content type is not JSON, or None. Uploaded files may have any type."""
    if incoming.path == "/v1/files":
        return None
    kind = header_value(incoming.request.headers, "content-type").partition(";")[0].strip().lower()
    return None if not incoming.request.body or kind == "application/json" else "content-type: must be application/json"


def check_betas(incoming: IncomingRequest) -> str | None:
    """Return the error message for a beta value that is unknown, or that the scenario refuses, or None."""
    refused = incoming.scenario.refused_betas
    unknown = [beta for beta in incoming.betas if beta not in KNOWN_BETAS or beta in refused]
    if not unknown:
        return None
    names = ", ".join(f"`{beta}`" for beta in unknown)
    return (
        f"Unexpected value(s) {names} for the `anthropic-beta` header. Please consult our documentation at "
        "docs.claude.com or try again without the header."
    )


def check_page_size(incoming: IncomingRequest) -> str | None:
    """Return the error message for a page size that is not a number from 1 to 1000, or None."""
    limit = incoming.query_value("limit")
    if not limit:
        return None
    if not limit.removeprefix("-").isdecimal():
        return "limit: Input should be a valid integer, unable to parse string as an integer"
    if int(limit) < 1:
        return "limit: Input should be greater than or equal to 1"
    return (
        f"limit: Input should be less than or equal to {MAX_MODELS_PER_PAGE}"
        if int(limit) > MAX_MODELS_PER_PAGE
        else None
    )


def check_models_exist(incoming: IncomingRequest) -> str | None:
    """Return the error message for a request for a model or for a page of models, if it names an unknown model; else
    None.
    """
    names = (incoming.model_id_in_path, incoming.query_value("after_id"), incoming.query_value("before_id"))
    return next((f"model: {name}" for name in names if name and not catalogue.find_served_model(name)), None)
