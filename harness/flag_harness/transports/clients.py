"""Clients whose requests an upstream answers: hand one to `anthropic.Anthropic(http_client=...)`."""

import importlib
import math
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

from flag_harness.clock import Clock, VirtualClock
from flag_harness.errors import HarnessError
from flag_harness.transports.clock import SystemClock
from flag_harness.transports.transport import transport_class
from flag_harness.wire.timeline import Layer, Upstream

TIMEOUT_SECONDS = 600.0
"""The SDK's own default (`anthropic/_constants.py`, 2.12): a client with another one loses its long-request check."""
CONNECT_TIMEOUT_SECONDS = 5.0


def sdk_version() -> str:
    """`anthropic 2.12.0`: the installed SDK, found without importing it."""
    return f"anthropic {_installed_sdk()}"


@cache
def _installed_sdk() -> str:
    """Return the SDK's version. Python reads it from a file each time it is asked: a third of a replayed test."""
    return version("anthropic")


def sdk_http_library() -> ModuleType:
    """The HTTP library under the installed SDK: `httpx2` since anthropic 1.0, `httpx` before."""
    major = int(_installed_sdk().partition(".")[0])
    return importlib.import_module("httpx2" if major >= 1 else "httpx")


def http_client(upstream: Upstream, *layers: Layer, pace: float = 0, clock: Clock | None = None) -> Any:
    """A sync client of the SDK's HTTP library, answered by `upstream` through `layers` (outermost first).

    `pace` 0 sleeps nowhere, 1 keeps the recorded rhythm; a `clock` takes the place of both.
    """
    http = sdk_http_library()
    transport = transport_class(http)(upstream, *layers, clock=clock or clock_for(pace))
    return http.Client(transport=transport, **_sdk_defaults(http))


def async_http_client(upstream: Upstream, *layers: Layer, pace: float = 0, clock: Clock | None = None) -> Any:
    """The async twin of `http_client`."""
    http = sdk_http_library()
    transport = transport_class(http)(upstream, *layers, clock=clock or clock_for(pace))
    return http.AsyncClient(transport=transport, **_sdk_defaults(http))


def live_http_client() -> Any:
    """A sync client of the SDK's HTTP library over the network, with the settings of those that are answered here."""
    http = sdk_http_library()
    return http.Client(**_sdk_defaults(http))


def live_async_http_client() -> Any:
    """The async twin of `live_http_client`."""
    http = sdk_http_library()
    return http.AsyncClient(**_sdk_defaults(http))


def clock_for(pace: float) -> Clock:
    """The clock of a pace: virtual at 0, real above. Raises `HarnessError` for what is no pace."""
    if not 0 <= pace < math.inf:
        raise HarnessError(
            f"pace {pace:g} is none: 0 answers at once, 1 keeps the recorded rhythm, 0.1 is ten times as fast"
        )
    return SystemClock(pace) if pace else VirtualClock()


def _sdk_defaults(http: ModuleType) -> dict[str, Any]:
    timeout = http.Timeout(TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    return {"timeout": timeout, "follow_redirects": True}
