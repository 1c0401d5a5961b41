"""A flag harness for agents on the Anthropic Messages API: every combination of flags, offline or live.

    cassette = flag_harness.Cassette.load("recordings/x.json")
    upstream = flag_harness.faulty(flag_harness.replay(cassette), flag_harness.faults.overloaded(on=2))
    client = anthropic.AsyncAnthropic(api_key="x", http_client=flag_harness.async_http_client(upstream, pace=0))

Names are imported where they are first used: `import flag_harness` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flag_harness import faults
    from flag_harness.cassette import Cassette, Recorder, replay
    from flag_harness.flags import Flag
    from flag_harness.matrix import Combination
    from flag_harness.simulator import simulate
    from flag_harness.transports import async_http_client, http_client, intercepted
    from flag_harness.transports.serve.server import LoopbackServer
    from flag_harness.wire.layers import faulty

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
    "Cassette": "flag_harness.cassette",
    "Combination": "flag_harness.matrix",
    "Flag": "flag_harness.flags",
    "LoopbackServer": "flag_harness.transports.serve.server",
    "Recorder": "flag_harness.cassette",
    "async_http_client": "flag_harness.transports",
    "faulty": "flag_harness.wire.layers",
    "http_client": "flag_harness.transports",
    "intercepted": "flag_harness.transports",
    "replay": "flag_harness.cassette",
    "simulate": "flag_harness.simulator",
}


def __getattr__(name: str) -> Any:
    if name == "faults":
        return import_module("flag_harness.faults")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'flag_harness' has no attribute {name!r}")
