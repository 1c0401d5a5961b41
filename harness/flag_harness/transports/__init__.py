"""The only place that knows HTTP clients, sockets and real clocks."""

from flag_harness.transports.blocking import network_blocked, network_guarded
from flag_harness.transports.clients import (
    async_http_client,
    clock_for,
    http_client,
    own_async_http_client,
    own_http_client,
    sdk_http_library,
    sdk_version,
)
from flag_harness.transports.clock import SystemClock
from flag_harness.transports.intercept import intercepted, load_http_libraries
from flag_harness.transports.network import PLAYING, SIMULATING, is_loopback, network_refused
from flag_harness.transports.transport import transport_class

__all__ = [
    "PLAYING",
    "SIMULATING",
    "SystemClock",
    "async_http_client",
    "clock_for",
    "http_client",
    "intercepted",
    "is_loopback",
    "load_http_libraries",
    "network_blocked",
    "network_guarded",
    "network_refused",
    "own_async_http_client",
    "own_http_client",
    "sdk_http_library",
    "sdk_version",
    "transport_class",
]
