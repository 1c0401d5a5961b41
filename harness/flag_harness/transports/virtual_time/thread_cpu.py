"""The CPU time of a thread, and the time in which it waited for a CPU."""

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_LINUX_THREAD_CLOCK_BITS = 0b110
"""The lowest three bits of a Linux clock id that counts the CPU time of one thread (`CPUCLOCK_PERTHREAD_MASK`)."""


def thread_cpu_seconds(thread: threading.Thread) -> float | None:
    """Return the CPU time that a thread has used, or None if it has ended or the system cannot tell (not Linux).

    The clock's id is computed here, because `time.pthread_getcpuclockid` would read freed memory if the thread had
    ended.
    """
    if sys.platform != "linux" or thread.native_id is None:
        return None
    try:
        return time.clock_gettime(~thread.native_id << 3 | _LINUX_THREAD_CLOCK_BITS)
    except OSError:
        return None


def cpu_wait_seconds() -> dict[int, float]:
    """Return how many seconds each thread of this process has waited for a CPU, by the thread's `native_id`.

    Return an empty dict if the system cannot tell (not Linux).
    """
    waits: dict[int, float] = {}
    for schedule in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):  # the thread has just ended, or the kernel does not count
            waits[int(schedule.parent.name)] = int(schedule.read_text("ascii").split()[1]) / 1e9
    return waits
