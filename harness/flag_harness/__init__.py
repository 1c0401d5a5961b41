"""Test agents on the Anthropic Messages API under every combination of their feature flags, offline or live.

    cassette = flag_harness.Cassette.load("recordings/x.json")
    upstream = flag_harness.faulty(flag_harness.replay(cassette), flag_harness.faults.overloaded(on=2))
    client = anthropic.AsyncAnthropic(api_key="x", http_client=flag_harness.async_http_client(upstream, pace=0))

`__all__` lists the public names; docs/api.md describes them, and the fixtures and marks. Everything else is private.
Names are imported when they are first used: `import flag_harness` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flag_harness import faults
    from flag_harness.cassette import Cassette, Filters, Normalisers, Recorder, replay
    from flag_harness.errors import (
        CassetteError,
        CassetteMiss,
        ConfigError,
        FlagError,
        HarnessError,
        NetworkRefused,
        RecordError,
        Refusal,
        ScenarioError,
    )
    from flag_harness.flag import Flag
    from flag_harness.matrix import Combination
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.record import RequestRecord, RunHeader, RunRecord, RunRow, load_record, merge_records
    from flag_harness.simulator import simulate
    from flag_harness.sources import flags
    from flag_harness.transports import async_http_client, http_client, intercept_clients
    from flag_harness.transports.serve.server import LoopbackServer
    from flag_harness.wire.layers import faulty

__all__ = [
    "Cassette",
    "CassetteError",
    "CassetteMiss",
    "CassetteTraffic",
    "Combination",
    "ConfigError",
    "Filters",
    "Flag",
    "FlagError",
    "HarnessError",
    "LoopbackServer",
    "NetworkRefused",
    "Normalisers",
    "RecordError",
    "Recorder",
    "Refusal",
    "RequestRecord",
    "RunHeader",
    "RunRecord",
    "RunRow",
    "ScenarioError",
    "async_http_client",
    "faults",
    "faulty",
    "flags",
    "http_client",
    "intercept_clients",
    "load_record",
    "merge_records",
    "replay",
    "simulate",
]

_MODULE_BY_NAME = {
    "Cassette": "flag_harness.cassette",
    "CassetteError": "flag_harness.errors",
    "CassetteMiss": "flag_harness.errors",
    "CassetteTraffic": "flag_harness.plugin.test.traffic",
    "Combination": "flag_harness.matrix",
    "ConfigError": "flag_harness.errors",
    "Filters": "flag_harness.cassette",
    "Flag": "flag_harness.flag",
    "FlagError": "flag_harness.errors",
    "HarnessError": "flag_harness.errors",
    "LoopbackServer": "flag_harness.transports.serve.server",
    "NetworkRefused": "flag_harness.errors",
    "Normalisers": "flag_harness.cassette",
    "RecordError": "flag_harness.errors",
    "Recorder": "flag_harness.cassette",
    "Refusal": "flag_harness.errors",
    "RequestRecord": "flag_harness.record",
    "RunHeader": "flag_harness.record",
    "RunRecord": "flag_harness.record",
    "RunRow": "flag_harness.record",
    "ScenarioError": "flag_harness.errors",
    "async_http_client": "flag_harness.transports",
    "faulty": "flag_harness.wire.layers",
    "flags": "flag_harness.sources",
    "http_client": "flag_harness.transports",
    "intercept_clients": "flag_harness.transports",
    "load_record": "flag_harness.record",
    "merge_records": "flag_harness.record",
    "replay": "flag_harness.cassette",
    "simulate": "flag_harness.simulator",
}


def __getattr__(name: str) -> Any:
    if name == "faults":
        return import_module("flag_harness.faults")
    if name in _MODULE_BY_NAME:
        return getattr(import_module(_MODULE_BY_NAME[name]), name)
    raise AttributeError(f"module 'flag_harness' has no attribute {name!r}")
