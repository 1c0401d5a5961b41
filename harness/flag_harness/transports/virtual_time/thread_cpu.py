"""The CPU time of a thread, and the time in which it waited for a CPU."""

import sys
import threading
import time
from pathlib import Path

_THREAD_CLOCK = 0b110
"""The lowest three bits of a Linux clock id that counts the CPU time of one thread (`CPUCLOCK_PERTHREAD_MASK`)."""

SHORTEST_CPU_WAIT = 0.01
"""The shortest time of waiting for a CPU, in seconds, for which a time limit is extended."""


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


def cpu_wait_seconds(native_id: int | None) -> float:
    """Return how long a thread has waited for a CPU that others used; 0.0 if the system cannot tell (not Linux)."""
    try:
        return int(Path(f"/proc/self/task/{native_id}/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
