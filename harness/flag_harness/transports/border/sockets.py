"""Watch Python's sockets: addresses, name lookups, and data sent over connections that are already open."""

import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flag_harness.audit_hook import HandlersByAuditEvent, audit_hook
from flag_harness.transports.patch import replace_attribute

_INTERNET_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_SEND_METHODS = ("send", "sendall", "sendmsg", "sendfile", "write")
_HOST_PATTERN = rb"(?:[^@/\s]*@)?(\[[0-9a-fA-F:.]+\]|[^\s:/?#@]+)"
_CONNECT_REQUEST_PATTERN = re.compile(rb"CONNECT " + _HOST_PATTERN + rb":(\d+) HTTP/1\.")
_ABSOLUTE_URL_PATTERN = re.compile(
    rb"[A-Z]+ (https?|wss?|ftp)://" + _HOST_PATTERN + rb"(?::(\d+))?(?:[/?#]\S*)? HTTP/1\."
)
_SOCKS_NAME_PATTERN = re.compile(rb"\x05[\x01\x03]\x00\x03(.)([A-Za-z0-9._-]+)(..)", re.DOTALL)
_SOCKS_ADDRESS_PATTERN = re.compile(rb"\x05[\x01\x03]\x00(?:\x01(.{4})|\x04(.{16}))(..)", re.DOTALL)
_DEFAULT_PORTS = {b"http": 80, b"ws": 80, b"https": 443, b"wss": 443, b"ftp": 21}
_MAX_REQUEST_LINE_BYTES = 8192


def socket_audit_handlers(check: Callable[..., None], look_up: Callable[..., None]) -> HandlersByAuditEvent:
    """Return audit handlers that call `check(host, port)` before a connection, and `look_up(host)` before a name
    lookup.
    """

    def check_target_address(sock: Any, address: Any = None) -> None:
        """Refuse the address that a socket connects or sends to, unless the test may reach it."""
        if sock.family in _INTERNET_FAMILIES and isinstance(address, tuple):
            check(*address[:2])

    return {
        "socket.connect": check_target_address,
        "socket.sendto": check_target_address,
        "socket.sendmsg": check_target_address,
        "socket.getaddrinfo": lambda host, port, *options: look_up(host, port),
        "socket.gethostbyname": look_up,
        "socket.gethostbyaddr": look_up,
        "socket.getnameinfo": lambda address: check(*address[:2]),
    }


@contextmanager
def guard_socket_methods(check: Callable[..., None]) -> Iterator[None]:
    """Inside the context, call `check(host, port)` before a socket connects or sends a datagram.

    The audit event would be too late, because Python raises it only after the name lookup.
    """

    def wrap_method(original: Any) -> Any:
        """Return a socket's method that first checks the address."""

        def check_and_call_original(self: socket.socket, *arguments: Any) -> Any:
            """Check the address, which is the last argument, and call the original method."""
            if self.family in _INTERNET_FAMILIES and not audit_hook().is_paused and isinstance(arguments[-1], tuple):
                check(*arguments[-1][:2])
            return original(self, *arguments)

        return check_and_call_original

    with ExitStack() as patches:
        for name in ("connect", "connect_ex", "sendto"):
            patches.enter_context(replace_attribute(socket.socket, name, wrap_method(getattr(socket.socket, name))))
        yield


@contextmanager
def guard_open_connections(check: Callable[..., None]) -> Iterator[None]:
    """Inside the context, call `check(host, port, how)` before a socket sends data over a connection that is already
    open.

    If the data asks a proxy to reach another host, that host is checked, too. `how` is the end of the error message.
    """

    def wrap_send_method(original: Any, examines_data: bool) -> Any:
        """Return a method that first checks the peer and, if `examines_data` is true, the host that the data asks a
        proxy to reach.
        """

        def check_and_send(self: Any, *arguments: Any, **options: Any) -> Any:
            if self.family in _INTERNET_FAMILIES and not audit_hook().is_paused:
                _check_peer(self, check)
                if (
                    examines_data
                    and arguments
                    and (target := target_of_proxy_request(_first_bytes_to_send(arguments[0])))
                ):
                    check(*target, f" through a proxy at {_name_of_peer(self)}")
            return original(self, *arguments, **options)

        return check_and_send

    with ExitStack() as patches:
        for kind in _socket_classes():
            for name in _SEND_METHODS:
                if (original := getattr(kind, name, None)) is not None:
                    patches.enter_context(replace_attribute(kind, name, wrap_send_method(original, name != "sendfile")))
        yield


def _socket_classes() -> tuple[type, ...]:
    """Return the socket classes of `socket` and, if they are loaded, of `ssl` and gevent."""
    modules = (("ssl", "SSLSocket"), ("gevent.socket", "socket"))
    others = [getattr(sys.modules[module], name) for module, name in modules if module in sys.modules]
    return (socket.socket, *others)


def _check_peer(sock: Any, check: Callable[..., None]) -> None:
    """Check the host at the other end of a connection, unless that host opened the connection or a debugger uses it."""
    try:
        host, port = sock.getpeername()[:2]
        is_server = sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)  # accepted sockets get it from the listener
    except OSError:
        return  # it is not connected: its datagrams have addresses of their own
    if not is_server and not getattr(threading.current_thread(), "is_pydev_daemon_thread", False):
        check(host, port, " over a connection that was open before")


def _name_of_peer(sock: Any) -> str:
    host, port = sock.getpeername()[:2]
    return f"{host}:{port}"


def _first_bytes_to_send(data: Any) -> bytes:
    """Return the first bytes of the data that a socket is about to send."""
    try:
        first = data if isinstance(data, (bytes, bytearray, memoryview)) else next(iter(data), b"")
        return bytes(memoryview(first).cast("B")[:_MAX_REQUEST_LINE_BYTES])
    except TypeError:
        return b""  # the socket itself will refuse it


def target_of_proxy_request(data: bytes) -> tuple[str, int] | None:
    """Return the host and port that data asks an HTTP or SOCKS 5 proxy to reach, or None if the data is no such
    request.
    """
    if data[:1] == b"\x05":
        return _target_of_socks_request(data)
    if found := _CONNECT_REQUEST_PATTERN.match(data):
        return _decode_host_name(found[1]), int(found[2])
    if found := _ABSOLUTE_URL_PATTERN.match(data):
        return _decode_host_name(found[2]), int(found[3] or _DEFAULT_PORTS[found[1]])
    return None


def _target_of_socks_request(data: bytes) -> tuple[str, int] | None:
    """Return the host and port in a SOCKS 5 request, or None if the data is not one."""
    if (found := _SOCKS_NAME_PATTERN.fullmatch(data)) and found[1][0] == len(found[2]):
        return _decode_host_name(found[2]), int.from_bytes(found[3], "big")
    if found := _SOCKS_ADDRESS_PATTERN.fullmatch(data):
        family, address = (socket.AF_INET, found[1]) if found[1] else (socket.AF_INET6, found[2])
        return socket.inet_ntop(family, address), int.from_bytes(found[3], "big")
    return None


def _decode_host_name(host: bytes) -> str:
    return host.decode("latin-1").strip("[]")
