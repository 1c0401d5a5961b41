"""`cassette_server`: the test's traffic over HTTP, for code under test that runs in another process."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import MissingExtraError

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import Session
    from flag_harness.transports.serve.server import LoopbackServer
    from flag_harness.wire.timeline import Request, Response, Upstream

API = "https://api.anthropic.com"
BASE_URL = "ANTHROPIC_BASE_URL"
"""The variable from which every SDK of the API, in any language, takes its address."""

_OF_A_CONNECTION = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding"})
"""Headers that say something of the connection to this server, and nothing to the upstream behind it."""


@pytest.fixture
def cassette_server(harness_cassette: "Session", monkeypatch: pytest.MonkeyPatch) -> "Iterator[LoopbackServer]":
    """A server on loopback that answers as the test's cassette does; `ANTHROPIC_BASE_URL` holds its address.

    Whatever the test starts is answered there, in any language. A miss, and what nobody asked for, fail the test as
    ever. Where the test is to record, requests go on to the upstream, one at a time, and each answer comes whole.
    """
    try:
        from flag_harness.transports.serve.server import LoopbackServer
    except MissingExtraError as error:
        raise pytest.fail.Exception(f"cassette_server: {error}", pytrace=False) from None

    upstream, layers = harness_cassette.answering
    if upstream is None:  # what is sent on is seen by the session, like whatever else this process sends
        upstream, layers = _onward(os.environ.get(BASE_URL) or API), ()
    with LoopbackServer(upstream, *layers) as server:
        monkeypatch.setenv(BASE_URL, server.url)
        yield server


def _onward(base: str) -> "Upstream":
    """The API at an address, as an upstream."""
    from flag_harness.transports.sending import sent

    def upstream(request: "Request") -> "Response":
        headers = tuple(pair for pair in request.headers if pair[0] not in _OF_A_CONNECTION)
        identity = ("accept-encoding", "identity")
        return sent(replace(request, url=base.rstrip("/") + request.path, headers=(*headers, identity)))

    return upstream
