"""Over a socket a fault gives the client what it gives in process."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness import faults
from harness.clock import VirtualClock
from harness.faults import Kind
from harness.transports import http_client, sdk_http_library
from harness.transports.server import LoopbackServer
from harness.wire.timeline import Upstream

PLAYABLE = [kind for kind in faults.table() if kind.side == "wire" and not kind.transport_only]
BETA = {"anthropic-beta": "computer-use-2025-11-24"}
ASK: Mapping[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": []}


def _asked(client: Any, url: str, streamed: bool) -> tuple[Any, ...]:
    """Status, headers that a fault may set, and bytes; the kind of exception where one was raised."""
    received = bytearray()
    status, headers = 0, {}
    try:
        with client.stream("POST", f"{url}/v1/messages", json={**ASK, "stream": streamed}, headers=BETA) as response:
            status = response.status_code
            headers = {name: response.headers.get(name) for name in ("content-type", "retry-after", "x-should-retry")}
            for chunk in response.iter_raw():
                received += chunk
    except sdk_http_library().TransportError as error:
        return status, headers, bytes(received), type(error).__name__
    return status, headers, bytes(received), "complete"


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("kind", PLAYABLE, ids=lambda kind: kind.name)
def test_the_same_fault_the_same_bytes_and_exception(kind: Kind, streamed: bool, upstream: Upstream) -> None:
    """Whatever stands between: a transport that plays it, or a server and a real client."""
    with http_client(upstream, kind.make(), clock=VirtualClock()) as client:
        expected = _asked(client, "https://api.anthropic.com", streamed)
    with (
        LoopbackServer(upstream, kind.make(), clock=VirtualClock()) as server,
        sdk_http_library().Client(trust_env=False) as client,
    ):
        assert expected == _asked(client, server.url, streamed)
