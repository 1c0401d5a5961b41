"""A byte server: HTTP/1.1 by hand, over real sockets, that plays what a test scripts, free of harness."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

Step: TypeAlias = bytes | float | threading.Event | str
"""Bytes to send, seconds to wait, an event to wait for; `reset`, `close`, or `silence` until the client goes away."""

PATIENCE = 10.0
"""Seconds after which an event that never comes fails the test."""


class ByteServer:
    """Answers the n-th request with the n-th script, and keeps every byte of both."""

    def __init__(self, *scripts: tuple[Step, ...]) -> None:
        self._scripts = iter(scripts)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.sent: list[list[bytes]] = []
        self.failures: list[str] = []
        self.gone = threading.Event()
        """Set when a client went away before its answer was complete."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1/messages"
        self._start(self._accept)

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return len(self._sockets)

    def close(self) -> None:
        """Stop, and wait until every thread has ended."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for connection in self._sockets:
            connection.close()

    def _start(self, target: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while request := _read(connection):
                with self._lock:
                    self.requests.append(request)
                    sent: list[bytes] = []
                    self.sent.append(sent)
                    script = next(self._scripts)
                if not self._play(script, connection, sent):
                    return

    def _play(self, script: tuple[Step, ...], connection: socket.socket, sent: list[bytes]) -> bool:
        """Whether the connection lives on."""
        for step in script:
            if isinstance(step, bytes):
                sent.append(step)
                connection.sendall(step)
            elif isinstance(step, float):
                threading.Event().wait(step)
            elif isinstance(step, threading.Event):
                if not step.wait(PATIENCE):
                    self.failures.append("the client never got what was sent, so the next piece was not sent")
            else:
                return self._end(step, connection)
        return True

    def _end(self, how: str, connection: socket.socket) -> bool:
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "silence":
            select.select([connection], [], [], PATIENCE)
            self.gone.set()
        connection.close() if how == "reset" else connection.shutdown(socket.SHUT_RDWR)
        return False


def _read(connection: socket.socket) -> bytes:
    """One request, body included; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return b""
        data += more
    head, _, _ = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = len(head) + 4 + int(lengths[0] if lengths else 0) - len(data)
    while missing > 0:
        more = connection.recv(65536)
        data, missing = data + more, missing - len(more)
    return data


@pytest.fixture
def byte_server() -> Iterator[Callable[..., ByteServer]]:
    """Makes byte servers: `byte_server(script, ...)`, a script for each request. They end with the test."""
    servers: list[ByteServer] = []

    def start(*scripts: tuple[Step, ...]) -> ByteServer:
        servers.append(ByteServer(*scripts))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
    assert [] == [failure for server in servers for failure in server.failures]
