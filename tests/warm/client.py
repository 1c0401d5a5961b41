"""Run a Python program in a fork of the warm server, as if it were a process of this one's own.

Takes the arguments of `python`. The server's socket lies beside this file. Imports modules that are written in C
only: `socket` and `signal` take as long again as this interpreter takes to start.
"""

import _signal as signal
import _socket
import marshal
import os
import sys

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main() -> int:
    """Send what a process starts with: arguments, folder, environment, standard streams. Return the exit status."""
    server = _socket.socket(_socket.AF_UNIX)
    server.connect(os.path.join(os.path.dirname(os.path.abspath(__file__)), "socket"))
    start = marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environ)))
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    size = len(start).to_bytes(4, "big")
    server.sendmsg([size], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    server.sendall(start)
    pid = _receive_number(server)
    for number in FORWARDED:
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    status = _receive_number(server)
    server.close()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
    return status


def _receive_number(server: _socket.socket) -> int:
    data = server.recv(4)
    if len(data) < 4:
        sys.exit("the warm server has gone away")
    return int.from_bytes(data, "big", signed=True)


sys.exit(main())
