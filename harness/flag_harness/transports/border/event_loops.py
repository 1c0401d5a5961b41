"""Watch uvloop and pycares, which reach the network from C, unseen by Python's sockets and the audit hook."""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

from flag_harness.audit_hook import audit_hook
from flag_harness.transports.patch import replace_attribute


@contextmanager
def guard_uvloop(check: Callable[..., None]) -> Iterator[None]:
    """Inside the context, call `check(host, port)`, which may raise an error, before uvloop looks up or reaches a host.

    Do nothing if uvloop is not loaded. Its transports are written in C, so the addresses of single datagrams, and data
    sent over open connections, are not checked.
    """

    def wrap_method(original: Any, hosts: Callable[..., tuple[Any, ...]]) -> Any:
        """Return a loop's method that first checks the host and port, which `hosts` finds in the method's arguments."""

        async def check_and_call_original(self: Any, *arguments: Any, **options: Any) -> Any:
            check(*hosts(*arguments, **options))
            return await original(self, *arguments, **options)

        return check_and_call_original

    with ExitStack() as patches:
        loop = sys.modules["uvloop"].Loop if "uvloop" in sys.modules else None
        for name, hosts in _HOST_FINDER_BY_UVLOOP_METHOD.items() if loop else ():
            patches.enter_context(replace_attribute(loop, name, wrap_method(getattr(loop, name), hosts)))
        yield


@contextmanager
def guard_pycares(look_up: Callable[..., None]) -> Iterator[None]:
    """Inside the context, call `look_up(host)`, which may raise an error, before pycares looks up a host.

    aiodns and aiohttp use pycares. Do nothing if it is not loaded.
    """

    def wrap_method(original: Any) -> Any:
        def check_and_call_original(self: Any, host: Any, *arguments: Any, **options: Any) -> Any:
            """Check the host, and call the original method. In `getnameinfo`, an address is in the place of the
            host.
            """
            look_up(*_host_and_port(host) if isinstance(host, tuple) else (host,))
            return original(self, host, *arguments, **options)

        return check_and_call_original

    with ExitStack() as patches:
        channel = sys.modules["pycares"].Channel if "pycares" in sys.modules else None
        for name in filter(lambda name: hasattr(channel, name), _LOOKUP_METHODS_OF_PYCARES):
            patches.enter_context(replace_attribute(channel, name, wrap_method(getattr(channel, name))))
        yield


def import_early(module_name: str) -> None:
    """Import a module now, so that a guard can patch it before the code under test uses it."""
    with audit_hook().pause(), contextlib.suppress(ImportError):  # that code will get the error
        importlib.import_module(module_name)


def _host_and_port(address: Any) -> tuple[Any, ...]:
    """Return the host and port in a socket address, or `(None,)` if there is none or it is a Unix socket's path."""
    return tuple(address[:2]) if isinstance(address, (tuple, list)) else (None,)


def _peer_address(sock: Any, *_: Any) -> tuple[Any, ...]:
    """Return the host and port that a socket is connected to, or `(None,)` if it is not connected."""
    try:
        return _host_and_port(sock.getpeername())
    except OSError:
        return (None,)


_LOOKUP_METHODS_OF_PYCARES = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "getnameinfo", "query", "search")
_HOST_FINDER_BY_UVLOOP_METHOD: Mapping[str, Callable[..., tuple[Any, ...]]] = MappingProxyType(
    {
        "create_connection": lambda factory, host=None, port=None, **options: (
            _peer_address(options["sock"]) if options.get("sock") else (host, port)
        ),
        "create_datagram_endpoint": lambda factory, local=None, remote_addr=None, **options: _host_and_port(
            remote_addr
        ),
        "getaddrinfo": lambda host, port, **options: (host, port),
        "getnameinfo": lambda address, flags=0: _host_and_port(address),
        "sock_connect": lambda sock, address: _host_and_port(address),
        "sock_sendall": _peer_address,
    }
)
"""The methods of uvloop's loop that reach a host, each with a function that finds host and port in the arguments."""
