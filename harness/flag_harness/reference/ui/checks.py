"""Check the options of `flag-harness ui` before anything starts."""

import errno
import socket
from pathlib import Path

from flag_harness.errors import HarnessError

_MAX_PORT = 65535


def check_folder(folder: Path) -> None:
    """Raise `HarnessError` if sessions cannot be saved in a folder, because a file has the name of the folder or of a
    parent.
    """
    file = next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None)
    if file is not None:
        raise HarnessError(f"--folder {folder}: {file} is a file; name a folder, which is made if there is none")


def check_address(host: str, port: int) -> None:
    """Raise `HarnessError` if a server cannot listen on an address."""
    if not 0 < port <= _MAX_PORT:
        raise HarnessError(f"--port {port}: a port is a number from 1 to {_MAX_PORT}, such as 8501")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError:
        raise HarnessError(f"--host {host}: there is no such host; leave it out for 127.0.0.1") from None
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise HarnessError(_address_problem(host, port, error)) from None


def _address_problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"--port {port}: another program listens there; choose another port, such as --port {port % _MAX_PORT + 1}"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host}: this machine does not have that address; leave it out for 127.0.0.1"
    return f"--host {host} --port {port}: cannot listen there: {error.strerror}; choose a port from 1024 on"
