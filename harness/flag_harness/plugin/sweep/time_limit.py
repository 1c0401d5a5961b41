"""Limit the real time that a call in the main thread may take."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flag_harness.plugin.sweep.exceptions import HangFailure
from flag_harness.transports.virtual_time.thread_cpu import cpu_wait_seconds


@contextmanager
def limit_real_time(seconds: float) -> Iterator[None]:
    """Raise `HangFailure` if the context takes more than this many real seconds.

    The time in which one of its threads waits for a CPU that others use does not count. The limit does not work on
    Windows or outside the main thread. A timer that was set before continues afterwards.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    waited = cpu_wait_seconds()

    def raise_hang_failure(number: int, frame: Any) -> None:
        more = max((now - waited.get(thread, 0.0) for thread, now in cpu_wait_seconds().items()), default=0.0)
        left = seconds - (time.monotonic() - started - more)
        if left <= 0:
            raise HangFailure(f"it takes more than {seconds:g} s of real time", pytrace=False)
        signal.setitimer(signal.ITIMER_REAL, left)

    started, before = time.monotonic(), signal.signal(signal.SIGALRM, raise_hang_failure)
    rest, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if rest:
            signal.setitimer(signal.ITIMER_REAL, max(rest - (time.monotonic() - started), 0.001))
