"""Limit the real time that a call in the main thread may take."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flag_harness.plugin.sweep.exceptions import HangFailure
from flag_harness.transports.virtual_time.thread_cpu import SHORTEST_CPU_WAIT, cpu_wait_seconds


@contextmanager
def limit_real_time(seconds: float) -> Iterator[None]:
    """Raise `HangFailure` if the context takes more than this many real seconds.

    The time in which the thread waits for a CPU that others use does not count. The limit does not work on Windows or
    outside the main thread. A timer that was set before continues afterwards.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    thread = threading.get_native_id()
    counted = cpu_wait_seconds(thread)

    def raise_hang_failure(number: int, frame: Any) -> None:
        nonlocal counted
        more = cpu_wait_seconds(thread) - counted
        if more < SHORTEST_CPU_WAIT:
            raise HangFailure(f"it takes more than {seconds:g} s of real time", pytrace=False)
        counted += more
        signal.setitimer(signal.ITIMER_REAL, more)

    started, before = time.monotonic(), signal.signal(signal.SIGALRM, raise_hang_failure)
    rest, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if rest:
            signal.setitimer(signal.ITIMER_REAL, max(rest - (time.monotonic() - started), 0.001))
