"""Block the network except for named hosts, as pytest-recording's `block_network_except` does."""

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def block_network_except(allowed: Sequence[str] = ()) -> Iterator[None]:
    """Raise `RuntimeError` at every attempt to connect to a host that no regular expression in `allowed` matches.

    An expression must match the whole host that is passed to the socket: the address after a name lookup, or the path
    of a Unix socket.
    """
    patterns = [re.compile(pattern) for pattern in allowed]

    def refuse_host_unless_allowed(host: str) -> None:
        if not any(pattern.fullmatch(host) for pattern in patterns):
            raise RuntimeError(f"Network is disabled for host {host!r}")

    with guard_connections(refuse_host_unless_allowed):
        yield


@contextmanager
def guard_connections(check_host: Callable[[str], None]) -> Iterator[None]:
    """Inside the context, call `check_host(host)`, which may raise an error, before a socket connects.

    The host of a Unix socket is its path.
    """

    def wrap_connect(original: Any) -> Any:
        """Return a socket's method `original`, changed so that it calls `check_host` first."""

        def check_host_and_connect(self: socket.socket, address: Any) -> Any:
            check_host(_host_of_address(self, address))
            return original(self, address)

        return check_host_and_connect

    with (
        patch.object(socket.socket, "connect", wrap_connect(socket.socket.connect)),
        patch.object(socket.socket, "connect_ex", wrap_connect(socket.socket.connect_ex)),
    ):
        yield


def _host_of_address(sock: socket.socket, address: Any) -> str:
    """Return the host in a socket address as text, or the path of a Unix socket."""
    host = address[0] if sock.family in (socket.AF_INET, socket.AF_INET6) else address
    return host.decode("utf-8", "surrogateescape") if isinstance(host, bytes) else str(host)
