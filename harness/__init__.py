"""A flag harness for agents on the Anthropic Messages API: every combination of flags, offline or live.

    cassette = harness.Cassette.load("recordings/x.json")
    upstream = harness.faulty(harness.replay(cassette), harness.faults.overloaded(on=2))
    client = anthropic.AsyncAnthropic(api_key="x", http_client=harness.async_http_client(upstream, pace=0))

Names are imported where they are first used: `import harness` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness import faults
    from harness.cassette import Cassette, Recorder, replay
    from harness.flags import Flag
    from harness.matrix import Combination
    from harness.simulator import simulate
    from harness.transports import async_http_client, http_client, intercepted
    from harness.transports.server import LoopbackServer
    from harness.wire.layers import faulty

__all__ = [
    "Cassette",
    "Combination",
    "Flag",
    "LoopbackServer",
    "Recorder",
    "async_http_client",
    "faults",
    "faulty",
    "http_client",
    "intercepted",
    "replay",
    "simulate",
]

_HOMES = {
    "Cassette": "harness.cassette",
    "Combination": "harness.matrix",
    "Flag": "harness.flags",
    "LoopbackServer": "harness.transports.server",
    "Recorder": "harness.cassette",
    "async_http_client": "harness.transports",
    "faulty": "harness.wire.layers",
    "http_client": "harness.transports",
    "intercepted": "harness.transports",
    "replay": "harness.cassette",
    "simulate": "harness.simulator",
}


def __getattr__(name: str) -> Any:
    if name == "faults":
        return import_module("harness.faults")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
