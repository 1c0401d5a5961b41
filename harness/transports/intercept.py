"""Interception: clients that the code under test makes itself are answered all the same."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import ModuleType
from typing import Any
from unittest.mock import patch

from harness.clock import Clock
from harness.transports.clients import sdk_http_library
from harness.transports.transport import transport_class
from harness.wire.timeline import Layer, Upstream

_NAMES = ("httpx", "httpx2")


@contextmanager
def intercepted(upstream: Upstream | None, *layers: Layer, clock: Clock) -> Iterator[None]:
    """Answer every request that a client of httpx2 or httpx sends over a real transport from `upstream`.

    With `None` the request goes on to the network, through the layers.
    """
    with ExitStack() as patches:
        for http in _libraries():
            patches.enter_context(_patched(http, upstream, layers, clock))
        yield


def load_http_libraries() -> None:
    """Import httpx2 and httpx where they are installed, so that `intercepted` answers whichever is used later."""
    for name in _NAMES:
        with suppress(ImportError):
            importlib.import_module(name)


def _libraries() -> list[ModuleType]:
    """The SDK's HTTP library, and the other one where it is in use."""
    others = [importlib.import_module(name) for name in _NAMES if name in sys.modules]
    return list({id(http): http for http in (sdk_http_library(), *others)}.values())


@contextmanager
def _patched(http: Any, upstream: Upstream | None, layers: tuple[Layer, ...], clock: Clock) -> Iterator[None]:
    transport = transport_class(http)
    send, async_send = http.HTTPTransport.handle_request, http.AsyncHTTPTransport.handle_async_request

    class Onward(http.BaseTransport, http.AsyncBaseTransport):  # type: ignore[misc]
        """The real transport that was patched, as it was."""

        def __init__(self, real: Any) -> None:
            self._real = real

        def handle_request(self, request: Any) -> Any:
            return send(self._real, request)

        async def handle_async_request(self, request: Any) -> Any:
            return await async_send(self._real, request)

    def before(real: Any) -> Any:
        return transport(Onward(real) if upstream is None else upstream, *layers, clock=clock)

    def handle_request(self: Any, request: Any) -> Any:
        return before(self).handle_request(request)

    async def handle_async_request(self: Any, request: Any) -> Any:
        return await before(self).handle_async_request(request)

    with (
        patch.object(http.HTTPTransport, "handle_request", handle_request),
        patch.object(http.AsyncHTTPTransport, "handle_async_request", handle_async_request),
    ):
        yield
