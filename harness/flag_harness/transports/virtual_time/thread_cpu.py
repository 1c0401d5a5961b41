"""The CPU time of another thread."""

import sys
import threading
import time

_THREAD_CLOCK = 0b110
"""The lowest three bits of a Linux clock id that counts the CPU time of one thread (`CPUCLOCK_PERTHREAD_MASK`)."""


def thread_cpu_seconds(thread: threading.Thread) -> float | None:
    """Return the CPU time that a thread has used, or None if it has ended or the system cannot tell (not Linux).

    The clock's id is computed here, because `time.pthread_getcpuclockid` would read freed memory if the thread had
    ended.
    """
    if sys.platform != "linux" or thread.native_id is None:
        return None
    try:
        return time.clock_gettime(~thread.native_id << 3 | _THREAD_CLOCK)
    except OSError:
        return None
