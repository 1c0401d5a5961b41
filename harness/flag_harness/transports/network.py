"""Refuse the network: while a test plays recordings, only this machine's loopback can be reached."""

import ipaddress
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

from flag_harness.errors import NetworkRefused
from flag_harness.transports.patch import replace_attribute
from flag_harness.transports.scope import ApiScope, matches_host

REPLAYING = "plays recordings", "record that traffic with --record-mode=once"
"""What a test does that needs no network, and what to do if it needs the network after all."""
SIMULATING = "asks the simulator", "ask the live API with --harness-upstream=live"


@contextmanager
def refuse_network(
    doing: tuple[str, str] = REPLAYING,
    refusal: Callable[[str], NetworkRefused] = NetworkRefused,
    scope: ApiScope = ApiScope(),  # noqa: B008 - a frozen value
) -> Iterator[list[NetworkRefused]]:
    """Raise `NetworkRefused` at every attempt to look up or reach another host; yield a list of these errors.

    `refusal` makes the error from its message, which says what the test is `doing` instead. The hosts that `scope`
    allows can be reached; those that it ignores get a `ConnectionRefusedError`, which is not in the list.
    """
    refused: list[NetworkRefused] = []
    allowed_addresses: set[str] = set()

    def check(host: Any, *port: Any) -> None:
        name = str(_decode_host(host))
        if is_loopback(host) or name in allowed_addresses or matches_host(scope.allowed, name, *port):
            return
        if matches_host(scope.ignored, name, *port):
            raise ConnectionRefusedError(f"{name} is refused to tests: it is in ignore_hosts of [tool.flag-harness]")
        refused.append(refusal(_message(doing, host, *port)))
        raise refused[-1]

    with ExitStack() as patches:
        patches.enter_context(guard_uvloop(check))
        for name in ("connect", "connect_ex", "sendto"):
            patches.enter_context(
                replace_attribute(socket.socket, name, _guard_reach(getattr(socket.socket, name), check))
            )
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            guarded = _guard_lookup(getattr(socket, name), check, allowed_addresses)
            patches.enter_context(replace_attribute(socket, name, guarded))
        yield refused


def _guard_reach(original: Any, check: Callable[..., None]) -> Any:
    def reach(self: socket.socket, *arguments: Any) -> Any:
        """Check the address, which is the last argument; `sendto` has the data, and perhaps flags, before it."""
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(*arguments[-1][:2])
        return original(self, *arguments)

    return reach


def _guard_lookup(original: Any, check: Callable[..., None], allowed_addresses: set[str]) -> Any:
    """Return a lookup that checks the host first, and adds the addresses of an allowed one to the set."""

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        check(host, *arguments[:1])
        found = original(host, *arguments, **options)
        if not is_loopback(host):
            allowed_addresses.update(_addresses(found))
        return found

    return look_up


@contextmanager
def guard_uvloop(check: Callable[..., None]) -> Iterator[None]:
    """Call `check(host, port)`, which may raise, before a loop of uvloop looks up or reaches a host.

    uvloop does not use `socket`. It must be imported before this is called; the addresses of single datagrams are not
    checked.
    """

    def guard(original: Any, hosts: Callable[..., tuple[Any, ...]]) -> Any:
        async def reach(self: Any, *arguments: Any, **options: Any) -> Any:
            check(*hosts(*arguments, **options))
            return await original(self, *arguments, **options)

        return reach

    with ExitStack() as patches:
        loop = sys.modules["uvloop"].Loop if "uvloop" in sys.modules else None
        for name, hosts in _UVLOOP.items() if loop else ():
            patches.enter_context(replace_attribute(loop, name, guard(getattr(loop, name), hosts)))
        yield


def _addresses(found: Any) -> Iterator[str]:
    """Yield the addresses that a look-up has found."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, (tuple, list)):
        for one in found:
            yield from _addresses(one)


def _message(doing: tuple[str, str], host: Any, *port: Any) -> str:
    target, (what, instead) = ":".join(map(str, (_decode_host(host), *port))), doing
    return (
        f"this test {what}, but tried to reach {target}; {instead}, or let it through with @pytest.mark.harness_network"
    )


def is_loopback(host: Any) -> bool:
    """Return whether a socket's host is this machine: `localhost` or a loopback address, but no similar name."""
    name = _decode_host(host)
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _decode_host(host: Any) -> Any:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host


def _host_and_port(address: Any) -> tuple[Any, ...]:
    """Return the host and port of an address, or `(None,)` if it is missing or a path."""
    return tuple(address[:2]) if isinstance(address, (tuple, list)) else (None,)


_UVLOOP: Mapping[str, Callable[..., tuple[Any, ...]]] = MappingProxyType(
    {
        "create_connection": lambda factory, host=None, port=None, **options: (host, port),
        "create_datagram_endpoint": lambda factory, local=None, remote_addr=None, **options: _host_and_port(
            remote_addr
        ),
        "getaddrinfo": lambda host, port, **options: (host, port),
        "sock_connect": lambda sock, address: _host_and_port(address),
    }
)
"""The methods of uvloop's loop that reach a host, and how to get the host from their arguments."""
