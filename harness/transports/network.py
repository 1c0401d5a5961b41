"""The network, refused: while a test plays recordings, nothing but this machine's loopback can be reached."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from harness.errors import NetworkRefused


@contextmanager
def network_refused() -> Iterator[list[NetworkRefused]]:
    """Raise `NetworkRefused` at every attempt to look up or reach another host; the list keeps what was raised."""
    refused: list[NetworkRefused] = []
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(host: Any, port: Any) -> None:
        if not is_loopback(host):
            refused.append(
                NetworkRefused(
                    f"this test plays recordings, but tried to reach {host}:{port}; record that traffic with "
                    "--record-mode=once, or let it through with @pytest.mark.harness_network"
                )
            )
            raise refused[-1]

    def checked(original: Any) -> Any:
        def reach(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                check(address[0], address[1])
            return original(self, address)

        return reach

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        check(host, port)
        return getaddrinfo(host, port, *args, **options)

    with (
        patch.object(socket.socket, "connect", checked(connect)),
        patch.object(socket.socket, "connect_ex", checked(connect_ex)),
        patch.object(socket, "getaddrinfo", look_up),
    ):
        yield refused


def is_loopback(host: Any) -> bool:
    """Whether a host, as given to a socket, is this machine: `localhost` or a loopback address, not a name like one."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:
        return False
