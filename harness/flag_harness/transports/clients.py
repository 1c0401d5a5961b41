"""Make HTTP clients whose requests an upstream answers. Pass one to `anthropic.Anthropic(http_client=...)`."""

import importlib
import math
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

from flag_harness.clock import Clock, VirtualClock
from flag_harness.errors import HarnessError
from flag_harness.transports.clock import SystemClock
from flag_harness.transports.transport import make_transport_class
from flag_harness.wire.timeline import Layer, Upstream

TIMEOUT_SECONDS = 600.0
"""The SDK's own default timeout (`anthropic/_constants.py`, 2.12). Only with this one does the SDK refuse requests that
may take too long.
"""
CONNECT_TIMEOUT_SECONDS = 5.0


def sdk_version() -> str:
    """Return the name and version of the installed SDK (`anthropic 2.12.0`), without importing it."""
    return f"anthropic {_installed_sdk_version()}"


@cache
def _installed_sdk_version() -> str:
    """Return the installed SDK's version, such as `2.12.0`, from a cache: reading it takes a third of a replayed test's
    time.
    """
    return version("anthropic")


def sdk_http_library() -> ModuleType:
    """Return the HTTP library of the installed SDK: `httpx2` since anthropic 1.0, `httpx` before."""
    major = int(_installed_sdk_version().partition(".")[0])
    return importlib.import_module("httpx2" if major >= 1 else "httpx")


def http_client(upstream: Upstream, *layers: Layer, pace: float = 0, clock: Clock | None = None) -> Any:
    """Return a sync client of the SDK's HTTP library whose requests `upstream` answers.

    Requests and answers pass through `layers`, outermost first. `pace` is 0 to answer at once, or 1 to keep the
    recorded times; a `clock` overrides it.
    """
    http = sdk_http_library()
    transport = make_transport_class(http)(upstream, *layers, clock=clock or make_clock_for_pace(pace))
    return http.Client(transport=transport, **_sdk_defaults(http))


def async_http_client(upstream: Upstream, *layers: Layer, pace: float = 0, clock: Clock | None = None) -> Any:
    """Return an async client of the SDK's HTTP library whose requests `upstream` answers. See `http_client` for the
    parameters.
    """
    http = sdk_http_library()
    transport = make_transport_class(http)(upstream, *layers, clock=clock or make_clock_for_pace(pace))
    return http.AsyncClient(transport=transport, **_sdk_defaults(http))


def live_http_client() -> Any:
    """Return a sync client of the SDK's HTTP library that uses the network, with the same settings as `http_client`."""
    http = sdk_http_library()
    return http.Client(**_sdk_defaults(http))


def live_async_http_client(*layers: Layer) -> Any:
    """Return an async client for the network, whose requests pass through `layers`; see `live_http_client`."""
    http = sdk_http_library()
    client = http.AsyncClient(**_sdk_defaults(http))
    if layers:  # around its own transports, so that proxies of the environment are used
        client._transport = _add_layers(client._transport, layers, http)
        client._mounts = {pattern: _add_layers(one, layers, http) for pattern, one in client._mounts.items()}
    return client


def _add_layers(transport: Any, layers: tuple[Layer, ...], http: ModuleType) -> Any:
    """Return a transport that passes requests through the layers to `transport`, or None if `transport` is None."""
    return transport and make_transport_class(http)(transport, *layers, clock=SystemClock())


def make_clock_for_pace(pace: float, *, moves_loop: bool = True) -> Clock:
    """Return a virtual clock if `pace` is 0, or else a real one whose waits take `pace` times as long.

    Raise `HarnessError` if the pace is invalid. A virtual clock also moves the time of the running event loop, unless
    `moves_loop` is false.
    """
    if not 0 <= pace < math.inf:
        raise HarnessError(
            f"pace {pace:g} is invalid: 0 answers at once, 1 keeps the recorded times, 0.1 is ten times as fast"
        )
    return SystemClock(pace) if pace else VirtualClock(moves_loop=moves_loop)


def _sdk_defaults(http: ModuleType) -> dict[str, Any]:
    """Return the timeout and redirect settings that the SDK gives to its own client."""
    timeout = http.Timeout(TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    return {"timeout": timeout, "follow_redirects": True}
