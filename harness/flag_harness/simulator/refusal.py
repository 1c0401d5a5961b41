"""Find out whether the API would refuse a recorded request, by the simulator's rules."""

from dataclasses import replace
from http import HTTPStatus

from flag_harness.simulator.rules.http_request import endpoint_in_query_message
from flag_harness.simulator.simulator import simulate
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Request


def refusal_message(request: Request) -> str | None:
    """Return the message with which the API would refuse a request, or None if it would accept it.

    The request may lack the headers that cassettes leave out. Only errors with status 400 count, and an endpoint
    in the query.
    """
    if (message := endpoint_in_query_message(request.path)) is not None:
        return message
    answer = parse_response(simulate()(_add_missing_headers(request)))
    return str((answer.error or {}).get("message")) if answer.status == HTTPStatus.BAD_REQUEST else None


def _add_missing_headers(request: Request) -> Request:
    """Return a recorded request with the headers added that the API requires and cassettes leave out."""
    known = {name.lower() for name, _ in request.headers}
    required = (("x-api-key", "none"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
    return replace(request, headers=(*request.headers, *(one for one in required if one[0] not in known)))
