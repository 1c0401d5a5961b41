"""Answer HTTP clients, intercept the clients of the code under test, refuse the network, and control time.

This is the only package that knows HTTP clients, sockets and real clocks.
"""

from flag_harness.transports.blocking import block_network_except, guard_connections
from flag_harness.transports.clients import (
    async_http_client,
    http_client,
    live_async_http_client,
    live_http_client,
    make_clock_for_pace,
    sdk_http_library,
    sdk_version,
)
from flag_harness.transports.clock import SystemClock
from flag_harness.transports.interception.intercept import intercept_clients, load_http_libraries
from flag_harness.transports.network import ERROR_TEXTS_OF_REPLAY, ERROR_TEXTS_OF_SIMULATOR, is_loopback, refuse_network
from flag_harness.transports.scope import ApiScope
from flag_harness.transports.transport import make_transport_class

__all__ = [
    "ERROR_TEXTS_OF_REPLAY",
    "ERROR_TEXTS_OF_SIMULATOR",
    "ApiScope",
    "SystemClock",
    "async_http_client",
    "block_network_except",
    "guard_connections",
    "http_client",
    "intercept_clients",
    "is_loopback",
    "live_async_http_client",
    "live_http_client",
    "load_http_libraries",
    "make_clock_for_pace",
    "make_transport_class",
    "refuse_network",
    "sdk_http_library",
    "sdk_version",
]
