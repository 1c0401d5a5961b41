"""Interception: answer clients that the code under test creates itself."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from types import ModuleType
from typing import Any

from flag_harness.clock import Clock
from flag_harness.transports.clients import sdk_http_library
from flag_harness.transports.patch import replace_attribute
from flag_harness.transports.transport import transport_class
from flag_harness.wire.timeline import Layer, Upstream

_NAMES = ("httpx", "httpx2")
_OVER_AIOHTTP = ("anthropic._vendor.httpx_aiohttp", "httpx_aiohttp", "httpx_aiohttp.httpx2")
"""Modules with an `AiohttpTransport`; intercepted if they are imported before interception begins."""


@contextmanager
def intercept_clients(upstream: Upstream | None, *layers: Layer, clock: Clock) -> Iterator[None]:
    """Answer from `upstream` every request that a client of httpx2 or httpx sends over a real transport.

    Transports over aiohttp are included. If `upstream` is `None`, requests go to the network, through the layers.
    """
    with ExitStack() as patches:
        for http in _libraries():
            patches.enter_context(_patch_library(http, upstream, layers, clock))
        yield


def load_http_libraries() -> None:
    """Import httpx2 and httpx if they are installed, so that `intercept_clients` covers both."""
    for name in _NAMES:
        with suppress(ImportError):
            importlib.import_module(name)


def _libraries() -> list[ModuleType]:
    """Return the SDK's HTTP library, and the other one if it is imported."""
    others = [importlib.import_module(name) for name in _NAMES if name in sys.modules]
    return list({id(http): http for http in (sdk_http_library(), *others)}.values())


def _aiohttp_transports(http: Any) -> list[Any]:
    """Return the imported transports over aiohttp: the SDK's (`DefaultAioHttpClient`) and those of `httpx_aiohttp`."""
    modules = [sys.modules[name] for name in _OVER_AIOHTTP if name in sys.modules]
    return [
        module.AiohttpTransport for module in modules if issubclass(module.AiohttpTransport, http.AsyncBaseTransport)
    ]


@cache
def _real_transport_class(http: Any) -> Any:
    """Return the class of the real transport without the patch, for one HTTP library."""

    class RealTransport(http.BaseTransport, http.AsyncBaseTransport):  # type: ignore[misc]
        """Sends a request as the patched transport would have."""

        def __init__(self, send: Any, real: Any) -> None:
            self._send, self._real = send, real

        def handle_request(self, request: Any) -> Any:
            return self._send(self._real, request)

        async def handle_async_request(self, request: Any) -> Any:
            return await self._send(self._real, request)

    return RealTransport


@contextmanager
def _patch_library(http: Any, upstream: Upstream | None, layers: tuple[Layer, ...], clock: Clock) -> Iterator[None]:
    transport, real_transport = transport_class(http), _real_transport_class(http)

    def make_transport(send: Any, real: Any) -> Any:
        source = real_transport(send, real) if upstream is None else upstream
        return transport(source, *layers, clock=clock)

    def patch_sync(kind: Any) -> Any:
        send = kind.handle_request

        def handle_request(self: Any, request: Any) -> Any:
            return make_transport(send, self).handle_request(request)

        return replace_attribute(kind, "handle_request", handle_request)

    def patch_async(kind: Any) -> Any:
        send = kind.handle_async_request

        async def handle_async_request(self: Any, request: Any) -> Any:
            return await make_transport(send, self).handle_async_request(request)

        return replace_attribute(kind, "handle_async_request", handle_async_request)

    with ExitStack() as patches:
        patches.enter_context(patch_sync(http.HTTPTransport))
        for kind in (http.AsyncHTTPTransport, *_aiohttp_transports(http)):
            patches.enter_context(patch_async(kind))
        yield
