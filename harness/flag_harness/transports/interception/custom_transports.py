"""Find the transport classes of httpx2 and httpx that a project has written itself."""

from collections.abc import Iterator, Mapping
from typing import Any

_MAX_WRAPPED_TRANSPORTS = 4
_IN_PROCESS_TRANSPORT_CLASSES = ("MockTransport", "ASGITransport", "WSGITransport")
_IN_PROCESS_TRANSPORT_MODULES = ("flag_harness.", "starlette.", "fastapi.", "respx.", "pytest_httpx.")
"""Modules whose transports answer in this process, such as mocks. They are not intercepted."""


def find_custom_transports(
    transport: Any, http_library: Any, send_method_name: str, patched_classes: frozenset[Any]
) -> list[Any]:
    """Return the classes of the custom transports to intercept: `transport` itself, or the transports that it wraps.

    A transport that wraps another one is left out, so that its retries and logging still run. `send_method_name` is the
    name of the method that sends a request, and `patched_classes` holds the classes of the library's own transports.
    """
    return list(dict.fromkeys(_innermost_custom_classes(transport, http_library, send_method_name, patched_classes, 0)))


def _innermost_custom_classes(
    transport: Any, http: Any, method: str, patched: frozenset[Any], depth: int
) -> Iterator[Any]:
    """Yield the classes of the custom transports in `transport` that wrap no other one. `depth` limits the search."""
    if depth > _MAX_WRAPPED_TRANSPORTS or _answers_in_process(transport, http):
        return
    kind = next((kind for kind in type(transport).__mro__ if method in vars(kind)), None)
    base = http.BaseTransport if method == "handle_request" else http.AsyncBaseTransport
    wrapped = list(_transports_in_attributes(transport, base))
    for inner in wrapped:
        yield from _innermost_custom_classes(inner, http, method, patched, depth + 1)
    if not wrapped and kind not in (None, base) and patched.isdisjoint(type(transport).__mro__):
        yield kind


def _answers_in_process(transport: Any, http: Any) -> bool:
    """Return whether a transport answers requests in this process, as a mock or a WSGI transport does."""
    answering = tuple(found for name in _IN_PROCESS_TRANSPORT_CLASSES if (found := getattr(http, name, None)))
    return isinstance(transport, answering) or f"{type(transport).__module__}.".startswith(
        _IN_PROCESS_TRANSPORT_MODULES
    )


def _transports_in_attributes(transport: Any, base: type) -> Iterator[Any]:
    """Yield the transports in the attributes of a transport, including those inside lists, mappings and clients."""
    names = [name for kind in type(transport).__mro__ for name in _slot_names(kind)]
    values = [*getattr(transport, "__dict__", {}).values(), *(getattr(transport, name, None) for name in names)]
    for value in values:
        held = value if isinstance(value, (list, tuple)) else value.values() if isinstance(value, Mapping) else (value,)
        for one in held:
            if isinstance(one, base):
                yield one
            elif isinstance(inner := getattr(one, "_transport", None), base):
                yield inner


def _slot_names(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
