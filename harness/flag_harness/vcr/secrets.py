"""Keep secrets out of cassettes in vcrpy's format."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from flag_harness.cassette import CassetteMetadata, Filters, Interaction
from flag_harness.cassette.redact.privacy import refuse_personal_data
from flag_harness.cassette.redact.scan import MAX_LISTED_FINDINGS, SecretFinding, scan_cassette
from flag_harness.config import CREDENTIAL_HEADERS
from flag_harness.errors import CassetteError
from flag_harness.vcr.filters import RequestFilter
from flag_harness.vcr.interaction_hooks import InteractionHook
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.responses import (
    ResponseFilter,
    VcrResponse,
    response_from_vcr,
    vcr_response_from_timeline,
)
from flag_harness.wire.timeline import Request


def refuse_secrets(path: Path, interactions: Iterable[tuple[VcrRequest, VcrResponse]]) -> None:
    """Raise `CassetteError` if a request or response has text that looks like an API key, or cannot be searched for
    keys.

    `path` is the cassette's file, which the message names.
    """
    rows = [Interaction(_to_plain_request(request), response_from_vcr(response)) for request, response in interactions]
    if found := scan_cassette(CassetteMetadata("imported", ""), rows):
        raise CassetteError("\n".join(_secret_error_lines(path, found)))


def unfiltered_credential_headers(filtered: VcrRequest, sent: VcrRequest) -> list[str]:
    """Return the names of the credential headers that a `filtered` request still has with the value that was sent."""
    names = [name for name in filtered.headers if name.lower() in CREDENTIAL_HEADERS]
    return [name for name in names if filtered.headers[name] == sent.headers.get(name)]


def drop_credential_headers(response: VcrResponse) -> VcrResponse:
    """Return the response without headers that carry credentials, such as `set-cookie`."""
    headers = {name: values for name, values in response["headers"].items() if name.lower() not in CREDENTIAL_HEADERS}
    return {**response, "headers": headers}


def make_project_request_filter(filters: Filters) -> RequestFilter:
    """Build a request filter from the project's `[tool.flag-harness.filters]`, for sent and recorded requests."""

    def filter_request(request: VcrRequest) -> VcrRequest:
        filtered = filters.filter_request(_to_plain_request(request))
        return VcrRequest(filtered.method, filtered.url, filtered.body, filtered.headers)

    return filter_request


def make_project_response_filter(filters: Filters) -> ResponseFilter:
    """Build a response filter from the project's `[tool.flag-harness.filters]`."""

    def filter_response(response: VcrResponse) -> VcrResponse:
        filtered = vcr_response_from_timeline(filters.filter_response(response_from_vcr(response)))
        return {**response, "headers": filtered["headers"], "body": filtered["body"]}

    return filter_response


def make_personal_data_refusal_hook(filters: Filters) -> InteractionHook:
    """Build a hook that raises `CassetteError` instead of saving personal data, as `[tool.flag-harness.privacy]`
    demands.
    """

    def raise_on_personal_data(request: VcrRequest, response: VcrResponse) -> tuple[VcrRequest, VcrResponse]:
        refuse_personal_data(
            Path("its cassette"),
            [Interaction(_to_plain_request(request), response_from_vcr(response))],
            filters.detectors,
        )
        return request, response

    return raise_on_personal_data


def _to_plain_request(request: VcrRequest) -> Request:
    return Request(request.method, request.uri, tuple(request.headers.items()), request.body)


def _secret_error_lines(path: Path, findings: list[SecretFinding]) -> Iterator[str]:
    yield f"{path} was not written, because this still looks like a key, or cannot be searched for one:"
    yield from (f"  {one}" for one in findings[:MAX_LISTED_FINDINGS])
    if (omitted := len(findings) - MAX_LISTED_FINDINGS) > 0:
        yield f"  ... and {omitted} more"
    yield "Take it out in vcr_config, with filter_headers, filter_query_parameters, filter_post_data_parameters,"
    yield "before_record_request or before_record_response, or for all tests in [tool.flag-harness.filters];"
    yield "and withdraw the key if it was a real one."
