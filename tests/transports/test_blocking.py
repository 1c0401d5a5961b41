"""The network, blocked but for hosts that are named."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flag_harness.transports import block_network_except, guard_connections


@pytest.fixture
def port() -> Iterator[int]:
    """Where a server listens on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("reach", ["connect", "connect_ex"])
def test_a_host_that_is_not_named_is_refused(port: int, reach: str) -> None:
    """By whichever method a socket connects."""
    refused = pytest.raises(RuntimeError, match=r"^Network is disabled for host '127\.0\.0\.1'$")
    with block_network_except(["localhost", "127"]), socket.socket() as sock, refused:
        getattr(sock, reach)(("127.0.0.1", port))
    with socket.socket() as sock:
        assert not sock.connect_ex(("127.0.0.1", port))


def test_a_host_is_named_whole(port: int) -> None:
    """An expression for a beginning does not let `127.0.0.1.evil.example` through."""
    with block_network_except([r"127\.0\.0\.1"]), socket.socket() as sock:
        assert not sock.connect_ex(("127.0.0.1", port))
        with pytest.raises(RuntimeError, match=r"^Network is disabled for host '127\.0\.0\.1\.evil\.example'$"):
            sock.connect(("127.0.0.1.evil.example", port))


def test_other_threads_are_refused_too(port: int) -> None:
    """All of the process is."""
    raised: list[str] = []

    def reach() -> None:
        with socket.socket() as sock:
            try:
                sock.connect(("127.0.0.1", port))
            except RuntimeError as error:
                raised.append(str(error))

    with block_network_except():
        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()
    assert ["Network is disabled for host '127.0.0.1'"] == raised


def test_a_guard_is_told_hosts_and_paths(tmp_path: Path, port: int) -> None:
    """Of a Unix socket its path, as text or as bytes."""
    asked: list[str] = []
    with guard_connections(asked.append):
        with socket.socket() as sock:
            sock.connect(("127.0.0.1", port))
        for path in (str(tmp_path / "none"), bytes(tmp_path / "none")):
            with socket.socket(socket.AF_UNIX) as sock:
                assert sock.connect_ex(path)
    assert ["127.0.0.1", str(tmp_path / "none"), str(tmp_path / "none")] == asked
