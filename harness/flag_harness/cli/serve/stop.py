"""Wait for the signal that ends a server, and make sure that the process ends soon after it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_SECONDS_UNTIL_KILL = 1.5
"""Seconds after a signal until the process is killed. It usually ends in a tenth of that."""
_WATCHDOG_CODE = """
import os, select, signal, socket, sys
stop = socket.socket(fileno=0)
if stop.recv(1, socket.MSG_PEEK):
    poll = select.poll()
    poll.register(stop, 0)
    if not poll.poll(float(sys.argv[2]) * 1000):
        os.kill(int(sys.argv[1]), signal.SIGKILL)
"""
"""The source of a program that waits until its stdin says that a signal has come, and then kills the parent process if
that does not end in time.
"""


@contextmanager
def catch_stop_signals() -> Iterator[Callable[[], object]]:
    """Catch Ctrl-C and SIGTERM in the block, and yield a function that waits until one of them has come.

    A signal arrives as a byte in a socket, which Python writes even while a thread decodes a large request and lets no
    other one run. A queue or an event may miss a signal that comes just before the main thread begins to wait for it.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    threads = threading.active_count()
    watchdog = _start_watchdog(reader) if os.name == "posix" else None
    with ExitStack() as end:
        end.callback(_end_watchdog, watchdog, reader, writer, threads)
        end.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False))
        for number in (signal.SIGINT, signal.SIGTERM):
            end.callback(signal.signal, number, signal.signal(number, lambda number, frame: None))
        yield lambda: reader.recv(1, socket.MSG_PEEK)


def _start_watchdog(reader: socket.socket) -> subprocess.Popen[bytes]:
    """Start a process that kills this one if it does not end soon after a signal."""
    command = (sys.executable, "-I", "-S", "-c", _WATCHDOG_CODE, str(os.getpid()), str(_SECONDS_UNTIL_KILL))
    return subprocess.Popen(command, stdin=reader.fileno(), start_new_session=True)


def _end_watchdog(
    watchdog: subprocess.Popen[bytes] | None, reader: socket.socket, writer: socket.socket, threads: int
) -> None:
    """End the watchdog, the process that kills this one if it does not end soon after a signal.

    If more than `threads` threads are running, leave it alone, since one of them may keep the process from ending.
    """
    if threading.active_count() > threads:
        writer.detach()
        return
    writer.close()
    reader.close()
    if watchdog is not None:
        watchdog.wait()
