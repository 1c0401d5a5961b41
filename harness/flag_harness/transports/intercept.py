"""Interception: clients that the code under test makes itself are answered all the same."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import ModuleType
from typing import Any
from unittest.mock import patch

from flag_harness.clock import Clock
from flag_harness.transports.clients import sdk_http_library
from flag_harness.transports.transport import transport_class
from flag_harness.wire.timeline import Layer, Upstream

_NAMES = ("httpx", "httpx2")
_OVER_AIOHTTP = ("anthropic._vendor.httpx_aiohttp", "httpx_aiohttp", "httpx_aiohttp.httpx2")
"""Modules that have an `AiohttpTransport`. They are answered where they are imported before interception begins."""


@contextmanager
def intercept_clients(upstream: Upstream | None, *layers: Layer, clock: Clock) -> Iterator[None]:
    """Answer every request that a client of httpx2 or httpx sends over a real transport from `upstream`.

    Over aiohttp too. With `None` the request goes on to the network, through the layers.
    """
    with ExitStack() as patches:
        for http in _libraries():
            patches.enter_context(_patched(http, upstream, layers, clock))
        yield


def load_http_libraries() -> None:
    """Import httpx2 and httpx where they are installed, so that `intercept_clients` answers whichever is used later."""
    for name in _NAMES:
        with suppress(ImportError):
            importlib.import_module(name)


def _libraries() -> list[ModuleType]:
    """The SDK's HTTP library, and the other one where it is in use."""
    others = [importlib.import_module(name) for name in _NAMES if name in sys.modules]
    return list({id(http): http for http in (sdk_http_library(), *others)}.values())


def _aiohttp_transports(http: Any) -> list[Any]:
    """The transports over aiohttp that are in use: the SDK's own (`DefaultAioHttpClient`), and `httpx_aiohttp`'s."""
    modules = [sys.modules[name] for name in _OVER_AIOHTTP if name in sys.modules]
    return [one.AiohttpTransport for one in modules if issubclass(one.AiohttpTransport, http.AsyncBaseTransport)]


@contextmanager
def _patched(http: Any, upstream: Upstream | None, layers: tuple[Layer, ...], clock: Clock) -> Iterator[None]:
    transport = transport_class(http)

    class Onward(http.BaseTransport, http.AsyncBaseTransport):  # type: ignore[misc]
        """The real transport that was patched, as it was."""

        def __init__(self, send: Any, real: Any) -> None:
            self._send, self._real = send, real

        def handle_request(self, request: Any) -> Any:
            return self._send(self._real, request)

        async def handle_async_request(self, request: Any) -> Any:
            return await self._send(self._real, request)

    def before(send: Any, real: Any) -> Any:
        return transport(Onward(send, real) if upstream is None else upstream, *layers, clock=clock)

    def answering(kind: Any) -> Any:
        send = kind.handle_request

        def handle_request(self: Any, request: Any) -> Any:
            return before(send, self).handle_request(request)

        return patch.object(kind, "handle_request", handle_request)

    def async_answering(kind: Any) -> Any:
        send = kind.handle_async_request

        async def handle_async_request(self: Any, request: Any) -> Any:
            return await before(send, self).handle_async_request(request)

        return patch.object(kind, "handle_async_request", handle_async_request)

    with ExitStack() as patches:
        patches.enter_context(answering(http.HTTPTransport))
        for kind in (http.AsyncHTTPTransport, *_aiohttp_transports(http)):
            patches.enter_context(async_answering(kind))
        yield
