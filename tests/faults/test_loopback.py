"""Over a socket a fault gives the client what it gives in process."""

from collections.abc import Mapping
from typing import Any

import pytest

from flag_harness import faults
from flag_harness.clock import VirtualClock
from flag_harness.faults import FaultKind
from flag_harness.transports import http_client, sdk_http_library
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Upstream

PLAYABLE = [kind for kind in faults.fault_kinds() if kind.side == "wire" and not kind.is_transport_only]
BETA = {"anthropic-beta": "computer-use-2025-11-24"}
ASK: Mapping[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": []}


STALLS = (
    faults.slow_start(seconds=30),
    faults.stall(seconds=30),
    faults.ping_only(count=1, interval=30),
    faults.trickle(size=400, interval=30),
)
TIMEOUT = 0.2


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
def test_the_same_fault_the_same_bytes_and_exception(kind: FaultKind, streamed: bool, upstream: Upstream) -> None:
    """Whatever stands between: a transport that plays it, or a server and a real client."""
    with http_client(upstream, kind.make_fault(), clock=VirtualClock()) as client:
        expected = _asked(client, "https://api.anthropic.com", streamed)
    with (
        LoopbackServer(upstream, kind.make_fault(), clock=VirtualClock()) as server,
        sdk_http_library().Client(trust_env=False) as client,
    ):
        assert expected == _asked(client, server.url, streamed)


@pytest.mark.parametrize("kind", [kind for kind in PLAYABLE if kind.points], ids=lambda kind: kind.name)
def test_at_any_point(kind: FaultKind, upstream: Upstream, deep: bool) -> None:
    """The same bytes before and after, and fired as often: at every third point."""
    points = kind.points[:: 1 if deep else 3]
    here, there = ([kind.make_fault(at=at) for at in points] for _ in range(2))
    expected = []
    for fault in here:
        with http_client(upstream, fault, clock=VirtualClock()) as client:
            expected.append(_asked(client, "https://api.anthropic.com", True))
    due = iter(there)
    with (
        LoopbackServer(upstream, lambda request: next(due)(request), clock=VirtualClock()) as server,
        sdk_http_library().Client(trust_env=False) as client,
    ):
        assert expected == [_asked(client, server.url, True) for _ in here]
    assert [fault.fired for fault in here] == [fault.fired for fault in there]
    assert any(fault.fired for fault in here)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("fault", STALLS, ids=lambda fault: fault.name)
def test_a_client_with_little_patience(fault: faults.Fault, streamed: bool, upstream: Upstream) -> None:
    """Its read timeout strikes after the same bytes: in process in virtual time, over the socket in real time."""
    clock = VirtualClock()
    with http_client(upstream, fault, clock=clock) as client:
        client.timeout = TIMEOUT
        expected = _asked(client, "https://api.anthropic.com", streamed)
    assert expected[-1] == ("ReadTimeout" if streamed or fault.name not in ("stall", "ping_only") else "complete")
    with (
        LoopbackServer(upstream, fault.arm(), pace=1) as server,
        sdk_http_library().Client(trust_env=False, timeout=TIMEOUT) as client,
    ):
        assert expected == _asked(client, server.url, streamed)
