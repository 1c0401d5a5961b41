"""Track the real work that a test waits for: jobs of executors, threads and child processes.

While there is such work, virtual time must not jump.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent import futures
from concurrent.futures import thread as thread_pools
from types import FrameType
from typing import Any

from flag_harness.transports.virtual_time.thread_cpu import thread_cpu_seconds

_SECONDS_UNTIL_THREAD_COUNTS_AS_IDLE = 0.1
"""Real seconds for which other threads must have been idle before time jumps over a sleep."""
_SECONDS_UNTIL_IDLE_WITH_DESCRIPTORS = 0.25
"""Real seconds for which other threads must have been idle if an event loop also watches sockets or pipes."""
_MAX_CPU_SHARE_OF_IDLE_THREAD = 0.2
"""The share of CPU time up to which a thread counts as idle. A server's thread wakes up every few milliseconds."""

_CONDITION_WAIT_CODE = threading.Condition.wait.__code__
_POOL_WORKER_CODE = thread_pools._worker.__code__
_JOIN_CODES = (
    threading.Thread.join.__code__,
    getattr(threading.Thread, "_wait_for_tstate_lock", threading.Thread.join).__code__,
)

real_perf_counter = time.perf_counter


class PendingWork:
    """The unfinished work that a test has begun outside of virtual time. While there is any, time must not jump."""

    def __init__(self) -> None:
        self._earlier_threads = frozenset(threading.enumerate())
        self._earlier_processes = [*_multiprocessing_children()]
        self._jobs = 0
        self._lock = threading.Lock()
        self._children: list[Any] = []
        self._cpu_seconds_by_thread: dict[threading.Thread, float] | None = None
        self._idle_since = 0.0

    def add_job(self, future: "futures.Future[Any]") -> None:
        """Count a job of an executor until it is done."""
        with self._lock:
            self._jobs += 1
        future.add_done_callback(self._finish_job)

    def add_child_process(self, process: Any) -> None:
        """Count a child process (`subprocess.Popen`) until it has ended."""
        self._children.append(process)

    def is_empty(self) -> bool:
        """Return whether no job, child process or other thread exists."""
        return not (self._jobs or self._children or threading.active_count() > 1 or self._live_forked_processes())

    def is_certainly_working(self, waiting_threads: Iterable[threading.Thread]) -> bool:
        """Return whether real work is certainly going on: a job, a child process, or a busy thread that the test has
        started.

        The waiting threads do not count.
        """
        waiting_threads = set(waiting_threads)
        jobs = self._jobs - sum(thread in thread_pools._threads_queues for thread in waiting_threads)
        return (
            jobs > 0 or self._has_children() or any(map(self._keeps_process_alive, self._busy_threads(waiting_threads)))
        )

    def may_be_working(self, waiting_threads: Iterable[threading.Thread]) -> bool:
        """Return whether a thread may be working. The waiting threads do not count."""
        return bool(self._busy_threads(set(waiting_threads)))

    def has_only_idle_threads(self, waiting_threads: Iterable[threading.Thread], watches_descriptors: bool) -> bool:
        """Return whether all threads have been idle for a short time since the last call of `restart_idle_time`.

        The waiting threads do not count. The time is longer if a socket or pipe is watched.
        """
        used = {thread: thread_cpu_seconds(thread) or 0.0 for thread in self._busy_threads(set(waiting_threads))}
        now = real_perf_counter()
        limit = _MAX_CPU_SHARE_OF_IDLE_THREAD * (now - self._idle_since)
        if self._cpu_seconds_by_thread is None or any(
            seconds - self._cpu_seconds_by_thread.get(one, -1) > limit for one, seconds in used.items()
        ):
            self._cpu_seconds_by_thread, self._idle_since = used, now
        return now - self._idle_since >= (
            _SECONDS_UNTIL_IDLE_WITH_DESCRIPTORS if watches_descriptors else _SECONDS_UNTIL_THREAD_COUNTS_AS_IDLE
        )

    def restart_idle_time(self) -> None:
        """Start measuring anew how long all threads have been idle."""
        self._cpu_seconds_by_thread = None

    def _busy_threads(self, waiting_threads: set[threading.Thread]) -> dict[threading.Thread, FrameType]:
        """Return the threads that may be working, each with its current frame."""
        if threading.active_count() <= 1:
            return {}
        frames = sys._current_frames()
        return {
            thread: frame
            for thread in threading.enumerate()
            if thread not in waiting_threads
            and not isinstance(thread, threading._DummyThread)
            and (frame := frames.get(thread.ident or 0)) is not None
            and not _is_thread_idle(frame, thread in self._earlier_threads, waiting_threads)
        }

    def _keeps_process_alive(self, thread: threading.Thread) -> bool:
        """Return whether the test started a thread that keeps the process alive, because it is no daemon thread."""
        return not thread.daemon and thread not in self._earlier_threads

    def _has_children(self) -> bool:
        self._children = [process for process in self._children if _is_alive(process)]
        return bool(self._children) or any(map(_is_alive, self._live_forked_processes()))

    def _live_forked_processes(self) -> list[Any]:
        """Return the processes that the test has started with `multiprocessing`."""
        return [process for process in _multiprocessing_children() if process not in self._earlier_processes]

    def _finish_job(self, future: object) -> None:
        with self._lock:
            self._jobs -= 1


def _is_thread_idle(frame: FrameType, is_older_than_test: bool, waiting_threads: set[threading.Thread]) -> bool:
    """Return whether a thread only waits: for a job, on a condition, or for one of `waiting_threads` to end.

    If it waits with a timeout, a thread of the test is not idle, since it will continue by itself. A thread older than
    the test, such as a metrics exporter's, is idle even then.
    """
    if frame.f_code is _CONDITION_WAIT_CODE:
        names = frame.f_locals
        if "waiter" not in names or names["waiter"] not in names["self"]._waiters:
            return False  # it has not begun to wait, or it was notified
        return is_older_than_test or names.get("timeout") is None
    if frame.f_code in _JOIN_CODES:
        return frame.f_locals.get("self") in waiting_threads and frame.f_locals.get("timeout") in (None, -1)
    return frame.f_code is _POOL_WORKER_CODE


def _multiprocessing_children() -> list[Any]:
    """Return the processes that `multiprocessing` has started."""
    module = sys.modules.get("multiprocessing.process")
    processes = list(getattr(module, "_children", ()))
    return [process._popen for process in processes if getattr(process, "_popen", None) is not None]


def _is_alive(process: Any) -> bool:
    """Return whether a child process is running, without collecting its exit status."""
    if process.returncode is not None:
        return False
    wait: Callable[..., Any] | None = getattr(os, "waitid", None)
    if wait is None:
        return True
    try:
        return wait(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
