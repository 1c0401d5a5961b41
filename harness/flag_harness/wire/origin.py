"""Say in a response header which upstream gave an answer, so that a recorder in another process knows who answered."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TypeAlias

from flag_harness.wire.timeline import Head, Request, Response

UpstreamName: TypeAlias = Literal["live", "simulator", "imported"]
"""Who answered a request: the live API, the simulator, or, for imported recordings, somebody unknown."""
ORIGIN_HEADER = "x-flag-harness-upstream"
"""The header in which a server of this package says which upstream gave the answer."""
_UPSTREAMS_LEAST_LIVE_FIRST: tuple[UpstreamName, ...] = ("simulator", "imported", "live")


def add_origin_header(response: Response, origin: UpstreamName) -> Response:
    """Add the header `ORIGIN_HEADER` with the value `origin` to a response, unless the response has that header
    already.
    """
    head = response[0]
    if not isinstance(head, Head) or _upstream_in_head(head):
        return response
    return replace(head, headers=(*head.headers, (ORIGIN_HEADER, origin))), *response[1:]


def origin_of_answers(exchanges: Iterable[tuple[Request, Response]]) -> UpstreamName | None:
    """Return the upstream that the header `ORIGIN_HEADER` of the responses names, or None if no response has that
    header.

    If the responses name several, return `simulator` rather than `imported`, and `imported` rather than `live`.
    """
    origins = {_upstream_in_head(piece) for _, response in exchanges for piece in response if isinstance(piece, Head)}
    return next((one for one in _UPSTREAMS_LEAST_LIVE_FIRST if one in origins), None)


def _upstream_in_head(head: Head) -> UpstreamName | None:
    values = [value for name, value in head.headers if name.lower() == ORIGIN_HEADER]
    return next((one for one in _UPSTREAMS_LEAST_LIVE_FIRST if values[:1] == [one]), None)
