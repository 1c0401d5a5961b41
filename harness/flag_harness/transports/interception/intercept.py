"""Intercept requests: answer the HTTP clients that the code under test creates itself."""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

from flag_harness.clock import Clock
from flag_harness.transports.clients import sdk_http_library
from flag_harness.transports.interception.custom_transports import find_custom_transports
from flag_harness.transports.patch import replace_attribute
from flag_harness.transports.scope import ApiScope
from flag_harness.transports.transport import make_transport_class
from flag_harness.wire.timeline import Layer, Upstream

_TRANSPORT_CHOICE_METHOD = "_transport_for_url"
"""The method with which a client chooses its transport, in every release of httpx and httpx2 since 0.23."""
_HTTP_LIBRARY_NAMES = ("httpx", "httpx2")
_MODULES_WITH_AIOHTTP_TRANSPORT = ("anthropic._vendor.httpx_aiohttp", "httpx_aiohttp", "httpx_aiohttp.httpx2")
"""Modules that may define an `AiohttpTransport`, which is intercepted if its module is imported before interception
begins.
"""


@dataclass(frozen=True, slots=True)
class AnswerRoute:
    """The upstream, layers and clock that answer a request. If the upstream is None, the network answers."""

    upstream: Upstream | None
    layers: tuple[Layer, ...]
    clock: Clock


ChooseRoute: TypeAlias = Callable[[Any], AnswerRoute | None]
"""A function that returns the route of a client's request, or None to leave the request alone."""


@contextmanager
def intercept_clients(
    upstream: Upstream | None, *layers: Layer, clock: Clock, scope: ApiScope | None = None
) -> Iterator[None]:
    """Inside the context, answer from `upstream` every request that a client of httpx2 or httpx sends over a real
    transport.

    Transports over aiohttp are included and, with a `scope`, so are custom transports that wrap no other one. If
    `upstream` is `None`, requests go to the network, through the layers. Requests outside `scope` are left alone.
    """
    route = AnswerRoute(upstream, layers, clock)
    with route_clients(lambda http_request: route, scope):
        yield


@contextmanager
def route_clients(choose_route: ChooseRoute, scope: ApiScope | None = None) -> Iterator[None]:
    """Inside the context, answer each request by the route (upstream, layers and clock) that `choose_route` returns.

    If the route is None, the request is left alone. An error in `choose_route` reaches the client. See
    `intercept_clients` for which requests this covers.
    """
    is_open = True
    with ExitStack() as patches:
        for http in _http_libraries():
            # another patch may keep a reference to this one, so it must do nothing after the end
            interception = _HttpLibraryPatcher(
                http, lambda request: choose_route(request) if is_open else None, scope, patches
            )
            interception.patch_real_transports()
            if scope is not None:
                interception.patch_custom_transports_on_send()
        try:
            yield
        finally:
            is_open = False


def load_http_libraries() -> None:
    """Import httpx2 and httpx if they are installed, so that `intercept_clients` covers both."""
    for name in _HTTP_LIBRARY_NAMES:
        with suppress(ImportError):
            importlib.import_module(name)


def loaded_http_libraries() -> frozenset[str]:
    """Return the names of the modules that are imported now and whose transports `intercept_clients` would patch."""
    return frozenset(name for name in (*_HTTP_LIBRARY_NAMES, *_MODULES_WITH_AIOHTTP_TRANSPORT) if name in sys.modules)


def _http_libraries() -> list[ModuleType]:
    """Return the SDK's HTTP library (httpx or httpx2), and the other one of the two if it is imported."""
    others = [importlib.import_module(name) for name in _HTTP_LIBRARY_NAMES if name in sys.modules]
    return list({id(http): http for http in (sdk_http_library(), *others)}.values())


def _aiohttp_transports(http: Any) -> list[Any]:
    """Return the transport classes over aiohttp that are imported: the SDK's own, and those of `httpx_aiohttp`."""
    modules = [sys.modules[name] for name in _MODULES_WITH_AIOHTTP_TRANSPORT if name in sys.modules]
    return [
        module.AiohttpTransport for module in modules if issubclass(module.AiohttpTransport, http.AsyncBaseTransport)
    ]


class _HttpLibraryPatcher:
    """Patches the transports of one HTTP library."""

    def __init__(self, http: Any, choose_route: ChooseRoute, scope: ApiScope | None, patches: ExitStack) -> None:
        self._http, self._choose_route = http, choose_route
        self._scope, self._patches = scope, patches
        self._patched: set[Any] = set()
        self._lock = threading.Lock()
        self._transport, self._real_transport = make_transport_class(http), _make_real_transport_class(http)

    def patch_real_transports(self) -> None:
        """Patch the HTTP library's own transports, and third-party ones that send through aiohttp."""
        is_intercepted = self._scope.includes_request if self._scope else _accept_every_request
        self._patch_send_method(self._http.HTTPTransport, "handle_request", is_intercepted)
        for kind in (self._http.AsyncHTTPTransport, *_aiohttp_transports(self._http)):
            self._patch_send_method(kind, "handle_async_request", is_intercepted)

    def patch_custom_transports_on_send(self) -> None:
        """From now on, patch the custom transports of each client before it sends a request."""
        http = self._http
        pairs = (http.Client, "handle_request"), (http.AsyncClient, "handle_async_request")
        for client, method in pairs:
            self._patches.enter_context(
                replace_attribute(
                    client,
                    _TRANSPORT_CHOICE_METHOD,
                    self._wrap_transport_choice(getattr(client, _TRANSPORT_CHOICE_METHOD), method),
                )
            )

    def _wrap_transport_choice(self, choose: Any, method: str) -> Any:
        """Return the client's method that chooses a transport, changed so that a custom transport is patched before it
        is used.
        """

        def transport_for_url(client: Any, url: Any) -> Any:
            assert self._scope is not None
            found = choose(client, url)
            if self._scope.includes_url(str(url)):
                self._patch_custom_transports(found, method, self._scope)
            return found

        return transport_for_url

    def _patch_custom_transports(self, transport: Any, method: str, scope: ApiScope) -> None:
        """Patch the custom transports that `transport` is or wraps. Only requests to the API are intercepted there."""
        with self._lock:
            for kind in find_custom_transports(transport, self._http, method, frozenset(self._patched)):
                self._patch_send_method(kind, method, lambda http_request: scope.includes_url(str(http_request.url)))

    def _patch_send_method(self, kind: Any, method: str, is_intercepted: Any) -> None:
        """Replace a transport class's method `method` by one that answers the requests for which `is_intercepted`
        returns True.
        """
        send = kind.__dict__[method]
        wrap = self._wrap_sync_send if method == "handle_request" else self._wrap_async_send
        self._patched.add(kind)
        self._patches.enter_context(replace_attribute(kind, method, wrap(send, is_intercepted)))

    def _wrap_sync_send(self, send: Any, is_intercepted: Any) -> Any:
        def handle_request(real: Any, request: Any) -> Any:
            if is_forwarding_request() or not is_intercepted(request):
                return send(real, request)
            if (route := self._choose_route(request)) is None:
                return send(real, request)
            return self._make_transport(route, send, real).handle_request(request)

        return handle_request

    def _wrap_async_send(self, send: Any, is_intercepted: Any) -> Any:
        async def handle_async_request(real: Any, request: Any) -> Any:
            if is_forwarding_request() or not is_intercepted(request):
                return await send(real, request)
            if (route := self._choose_route(request)) is None:
                return await send(real, request)
            return await self._make_transport(route, send, real).handle_async_request(request)

        return handle_async_request

    def _make_transport(self, route: AnswerRoute, send: Any, real: Any) -> Any:
        """Return a transport that answers by the route. If the route has no upstream, `send`, the original method of
        `real`, sends the request.
        """
        upstream = self._real_transport(send, real) if route.upstream is None else route.upstream
        return self._transport(upstream, *route.layers, clock=route.clock)


_IS_FORWARDING: ContextVar[bool] = ContextVar("flag_harness_is_routed", default=False)


def is_forwarding_request() -> bool:
    """Return whether the running code is sending an intercepted request on to the network."""
    return _IS_FORWARDING.get()


@contextmanager
def _mark_request_as_forwarded() -> Iterator[None]:
    """Make `is_forwarding_request` return True inside the context."""
    token = _IS_FORWARDING.set(True)
    try:
        yield
    finally:
        _IS_FORWARDING.reset(token)


def _accept_every_request(http_request: object) -> bool:
    return True


@cache
def _make_real_transport_class(http: Any) -> type[Any]:
    class RealTransport(http.BaseTransport, http.AsyncBaseTransport):  # type: ignore[misc]
        """Sends a request over the network, with the original method of a patched transport."""

        def __init__(self, send: Any, real: Any) -> None:
            self._send, self._real_transport = send, real

        def handle_request(self, request: Any) -> Any:
            with _mark_request_as_forwarded():
                return self._send(self._real_transport, request)

        async def handle_async_request(self, request: Any) -> Any:
            with _mark_request_as_forwarded():
                return await self._send(self._real_transport, request)

    return RealTransport
