"""Name the upstream that answers a request in a header of the answer, so that a recording elsewhere can tell."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TypeAlias

from flag_harness.wire.timeline import Head, Request, Response

UpstreamName: TypeAlias = Literal["live", "simulator", "imported"]
"""Who answered: the live API, the simulator, or an unknown upstream whose recording was imported."""
ORIGIN_HEADER = "x-flag-harness-upstream"
"""The response header with which a server of the harness says who gave its answers."""
_UPSTREAMS_LEAST_LIVE_FIRST: tuple[UpstreamName, ...] = ("simulator", "imported", "live")


def add_origin(response: Response, origin: UpstreamName) -> Response:
    """Add the header that names the upstream `origin` to a response, unless the response names one already."""
    head = response[0]
    if not isinstance(head, Head) or _upstream_in_head(head):
        return response
    return replace(head, headers=(*head.headers, (ORIGIN_HEADER, origin))), *response[1:]


def origin_of_answers(exchanges: Iterable[tuple[Request, Response]]) -> UpstreamName | None:
    """Return the upstream that the answers' headers name, or None. Of several, return one that is not live."""
    origins = {_upstream_in_head(piece) for _, response in exchanges for piece in response if isinstance(piece, Head)}
    return next((one for one in _UPSTREAMS_LEAST_LIVE_FIRST if one in origins), None)


def _upstream_in_head(head: Head) -> UpstreamName | None:
    values = [value for name, value in head.headers if name.lower() == ORIGIN_HEADER]
    return next((one for one in _UPSTREAMS_LEAST_LIVE_FIRST if values[:1] == [one]), None)
