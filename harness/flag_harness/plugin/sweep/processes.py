"""Track the processes that a test function starts, and send them a signal while an answer arrives."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

SECONDS_FOR_CLIENT_TO_READ = 0.05
"""The real time that a process has to read what has arrived before the signal."""
SECONDS_FOR_PROCESS_TO_END = 5.0
"""The real time after which a process that SIGTERM or SIGINT has not ended gets SIGKILL."""
_SECONDS_BETWEEN_CHECKS = 0.005


def may_use_processes(item: pytest.Item) -> bool:
    """Return whether other processes may take part in a test, so that its time is real."""
    return "harness_cassette_server" in getattr(item, "fixturenames", ())


@contextmanager
def track_processes() -> Iterator[list["subprocess.Popen[Any]"]]:
    """Yield a list to which each process that the `with` block starts is added, including those that `asyncio`
    starts.
    """
    started: list[subprocess.Popen[Any]] = []
    original = subprocess.Popen.__init__

    def start_and_track(self: "subprocess.Popen[Any]", *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        started.append(self)

    subprocess.Popen.__init__ = start_and_track  # type: ignore[method-assign]
    try:
        yield started
    finally:
        subprocess.Popen.__init__ = original  # type: ignore[method-assign]


@contextmanager
def send_signal_when_due(
    name: str, is_due: Callable[[], bool], started: list["subprocess.Popen[Any]"]
) -> Iterator[None]:
    """While the context is open, wait in a thread until `is_due` returns True, then send a signal to processes.

    `name` is the signal, such as `sigterm`. It goes to the processes in `started` and to all their descendants.
    """
    is_over = threading.Event()

    def wait_and_send_signal() -> None:
        while not is_due():
            if is_over.wait(_SECONDS_BETWEEN_CHECKS):
                return
        is_over.wait(SECONDS_FOR_CLIENT_TO_READ)
        running = [process for process in started if process.returncode is None]
        for process in running:
            _send_signal(process.pid, getattr(signal, name.upper()))
        end = monotonic() + SECONDS_FOR_PROCESS_TO_END
        while monotonic() < end and not is_over.wait(_SECONDS_BETWEEN_CHECKS):
            pass
        for process in running if not is_over.is_set() else ():
            _send_signal(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows has no SIGKILL

    thread = threading.Thread(target=wait_and_send_signal, name="flag-harness-signal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _send_signal(pid: int, signal_number: int) -> None:
    """Send a signal to a process and to all that descend from it, if they still run."""
    for one in (*_descendant_pids(pid), pid):
        try:
            os.kill(one, signal_number)
        except (ProcessLookupError, PermissionError):
            continue


def _descendant_pids(pid: int) -> Iterator[int]:
    """Yield the ids of the processes that descend from a process, if the system shows them (only Linux does)."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield from _descendant_pids(child)
            yield child
