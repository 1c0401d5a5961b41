"""Serve a test's cassette over HTTP to code in other processes, for the fixture `cassette_server`."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import MissingExtraError
from flag_harness.plugin.refusals import MissingExtraFailure
from flag_harness.plugin.stash import FLAG_SCOPE_KEY

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.transports.serve.server import LoopbackServer
    from flag_harness.wire.timeline import Request, Response, Upstream

LIVE_API_URL = "https://api.anthropic.com"
BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"
"""The environment variable from which the API's SDKs, in any language, read the API's address."""

_CONNECTION_HEADERS = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding"})
"""Headers about the connection to this server, which must not be forwarded."""


@contextmanager
def serve_cassette(traffic: "CassetteTraffic", item: pytest.Item) -> "Iterator[LoopbackServer]":
    """Serve the cassette of a test on loopback. Raise `MissingExtraFailure` without the libraries of the server."""
    from flag_harness.sources.endpoint import FlagEndpoint
    from flag_harness.transports.virtual_time import keep_time_real

    try:
        from flag_harness.transports.serve.server import LoopbackServer
    except MissingExtraError as error:
        raise MissingExtraFailure(f"cassette_server: {error}") from None

    keep_time_real(traffic.clock)  # other processes live in real time
    upstream, layers = traffic.upstream_and_layers
    if upstream is None:  # forwarded requests are seen by the traffic, like all others of this process
        upstream, layers = _make_forwarding_upstream(os.environ.get(BASE_URL_VARIABLE) or LIVE_API_URL), ()
    flags = (FlagEndpoint(scope),) if (scope := item.stash.get(FLAG_SCOPE_KEY, None)) is not None else ()
    pace = 1 if item.get_closest_marker("harness_real_time") else 0
    with _shorten_refusals_in_log(), LoopbackServer(upstream, *flags, *layers, pace=pace) as server:
        yield server


@contextmanager
def _shorten_refusals_in_log() -> Iterator[None]:
    """Log the first line of each refused request, at the level INFO: the failure of the test has the whole message."""
    from flag_harness.transports.serve.application import logger

    logger.addFilter(_shorten_refusal)
    try:
        yield
    finally:
        logger.removeFilter(_shorten_refusal)


def _shorten_refusal(record: logging.LogRecord) -> bool:
    """Shorten the log record of a refused request (`miss-1: ...`) and lower its level. Return True, so that no record
    is dropped.
    """
    if record.msg.startswith("miss-"):
        record.msg = record.msg.partition("\n")[0]
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _make_forwarding_upstream(base_url: str) -> "Upstream":
    """Return an upstream that forwards requests to the API at `base_url`."""
    from flag_harness.transports.sending import send_request

    def forward_request(request: "Request") -> "Response":
        headers = tuple(pair for pair in request.headers if pair[0] not in _CONNECTION_HEADERS)
        identity = ("accept-encoding", "identity")
        return send_request(replace(request, url=base_url.rstrip("/") + request.path, headers=(*headers, identity)))

    return forward_request
