"""A far host to reach: a server on loopback, which the guard is told to take for another machine."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from flag_harness.transports import network


class FarHost:
    """Keeps what it receives over TCP and UDP on one port, connections too; answers each HTTP request with `ok`."""

    def __init__(self) -> None:
        self._received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(self.address)
        for target in (self._accept, self._receive):
            threading.Thread(target=target, daemon=True).start()

    @property
    def url(self) -> str:
        """An address for HTTP clients."""
        return "http://{}:{}/".format(*self.address)

    def received(self, patience: float = 0.0) -> bytes:
        """Return what has arrived; wait up to `patience` seconds for the first byte."""
        limit = time.monotonic() + patience
        while not self._received and time.monotonic() < limit:
            time.sleep(0.01)
        return b"".join(self._received)

    def forget(self) -> None:
        """Forget what has arrived, once the first connection has."""
        self.received(patience=0.2)
        self._received.clear()

    def close(self) -> None:
        """Stop listening."""
        for one in (self._listener, self._datagrams):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._received.append(b"connected;")
            while data := connection.recv(4096):
                self._received.append(data)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._datagrams.recv(4096):
                self._received.append(data)


@pytest.fixture
def far_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarHost]:
    """A host on loopback that the guard takes for another machine, as it does all of loopback."""
    monkeypatch.setattr(network, "is_loopback", lambda host: network._decode_host(host) in (None, ""))
    host = FarHost()
    yield host
    host.close()
