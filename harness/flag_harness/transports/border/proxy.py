"""A proxy on loopback for child processes and C libraries, which refuses the hosts that the test may not reach."""

import _thread
import contextlib
import os
import select
import socket
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

from flag_harness.audit_hook import audit_hook
from flag_harness.errors import NetworkRefused
from flag_harness.transports.border.sockets import target_of_proxy_request

LOOPBACK_ADDRESS = "127.0.0.1"
_MAX_HEAD_BYTES = 65_536
_MAX_SECONDS_TO_READ_HEAD = 10.0
"""Seconds that a client may take to send the head of its request."""
_HOST_CHECK_METHOD = b"CHECK "
"""The HTTP method with which a child process asks whether it may reach a host."""


class HostCheckingProxy:
    """An HTTP proxy that answers 403 if one of `checks` refuses the host, and forwards every other request.

    It serves until the process ends, since child processes may live longer than the test that started them.
    """

    def __init__(self) -> None:
        self.checks: list[Callable[..., None]] = []
        self._listener = socket.create_server((LOOPBACK_ADDRESS, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self._listener.close)
        _start_thread(self._accept_connections)

    def _accept_connections(self) -> None:
        """Accept connections forever, each in a thread of its own."""
        with contextlib.suppress(OSError):
            while True:
                _start_thread(self._serve_client, self._listener.accept()[0])

    def _serve_client(self, client: socket.socket) -> None:
        """Answer one request of a client: forward it, refuse it, or tell a child process whether it may connect."""
        with contextlib.suppress(OSError), audit_hook().pause(), client:
            client.settimeout(_MAX_SECONDS_TO_READ_HEAD)
            head = _read_head(client)
            is_question = head.startswith(_HOST_CHECK_METHOD)
            target = _host_to_check(head) if is_question else target_of_proxy_request(head)
            if target is None:
                client.sendall(
                    _plain_text_response("400 Bad Request", "this proxy takes CONNECT and absolute URLs over HTTP")
                )
            elif refusal := self._refusal_reason(*target):
                client.sendall(_plain_text_response("403 Forbidden", refusal))
            elif is_question:
                client.sendall(_plain_text_response("200 OK", ""))
            else:
                _forward_request(client, head, *target)

    def _refusal_reason(self, host: str, *port: Any) -> str:
        """Return why one of the checks refuses a host, or an empty string if none does."""
        for check in reversed(self.checks):
            try:
                check(host, *port)
            except (NetworkRefused, OSError) as error:
                return str(error)
        return ""


def _start_thread(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function in a new thread that `threading` does not list, so that it does not count as a test's thread.

    Debuggers and coverage trace it all the same.
    """

    def run_function_traced() -> None:
        sys.settrace(threading.gettrace())
        function(*arguments)

    _thread.start_new_thread(run_function_traced, ())


@cache
def host_checking_proxy() -> HostCheckingProxy:
    """Return the proxy of this process. The first call starts it."""
    return HostCheckingProxy()


def has_host_checking_proxy() -> bool:
    """Return whether this process has started its proxy."""
    return bool(host_checking_proxy.cache_info().currsize)


def ask_parent_about_host(proxy_port: int, host: Any, port: Any = None) -> str:
    """Ask the proxy of the parent process whether a host may be reached. Return why it is refused, or an empty string.

    If the parent process has ended, no host is refused.
    """
    name = host.decode("latin-1") if isinstance(host, bytes) else str(host or "")
    question = b"CHECK %s %s HTTP/1.1\r\n\r\n" % (quote(name).encode() or b"localhost", str(port or "-").encode())
    with audit_hook().pause(), contextlib.suppress(OSError):
        with socket.create_connection((LOOPBACK_ADDRESS, proxy_port), timeout=_MAX_SECONDS_TO_READ_HEAD) as connection:
            connection.sendall(question)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return body.decode() if b" 403 " in head else ""
    return ""


def _host_to_check(head: bytes) -> tuple[Any, ...] | None:
    """Return the host in a `CHECK` request, and its port if it has one, or None if the request is invalid."""
    words = head.split(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 4:
        return None
    return (unquote(words[1]), int(words[2])) if words[2].isdecimal() else (unquote(words[1]),)


def _read_head(client: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD_BYTES and (more := client.recv(65_536)):
        head += more
    return head


def _plain_text_response(status: str, text: str) -> bytes:
    """Return the bytes of an HTTP response with a plain text body."""
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


def _forward_request(client: socket.socket, head: bytes, host: str, port: int) -> None:
    """Send a request to its host, and pass bytes in both directions until one side closes."""
    with socket.create_connection((host, port), timeout=_MAX_SECONDS_TO_READ_HEAD) as server:
        if head.startswith(b"CONNECT "):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            server.sendall(head.partition(b"\r\n\r\n")[2])
        else:
            server.sendall(_convert_proxy_request(head))
        client.settimeout(None)
        server.settimeout(None)
        other = {client: server, server: client}
        while True:
            for ready in select.select(list(other), [], [])[0]:
                if not (data := ready.recv(65_536)):
                    return
                other[ready].sendall(data)


def _convert_proxy_request(head: bytes) -> bytes:
    """Convert a request that was sent to a proxy into one for the host: with a path instead of a URL, and `connection:
    close`.
    """
    method, url, rest = head.split(b" ", 2)
    _, _, path = url.partition(b"://")[2].partition(b"/")
    version, _, headers = rest.partition(b"\r\n")
    kept = [line for line in headers.split(b"\r\n") if not line.lower().startswith((b"connection:", b"proxy-"))]
    return b"%s /%s %s\r\nconnection: close\r\n%s" % (method, path, version, b"\r\n".join(kept))
