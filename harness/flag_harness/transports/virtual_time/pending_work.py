"""What a test waits for in real time: jobs of executors, threads, child processes."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent import futures
from concurrent.futures import thread as thread_pools
from types import FrameType
from typing import Any

_PATIENCE_SECONDS = 0.1
"""Real seconds for which other threads must be still before time jumps over a sleep."""
_DESCRIPTOR_PATIENCE_SECONDS = 0.25
"""The same for an event loop that watches sockets or pipes."""
_MOST_CPU = 0.2
"""The part of a moment for which a still thread may use the CPU: a server's looks every few milliseconds."""

_CONDITION_WAIT = threading.Condition.wait.__code__
_POOL_WORKER = thread_pools._worker.__code__
_JOINS = (
    threading.Thread.join.__code__,
    getattr(threading.Thread, "_wait_for_tstate_lock", threading.Thread.join).__code__,
)

real_time = time.perf_counter


class PendingWork:
    """The real work that a test has begun. Time must not jump over it."""

    def __init__(self) -> None:
        self._earlier_threads = frozenset(threading.enumerate())
        self._earlier_processes = [*_forked_processes()]
        self._jobs = 0
        self._lock = threading.Lock()
        self._children: list[Any] = []
        self._used: dict[threading.Thread, float] | None = None
        self._still_since = 0.0

    def add_job(self, future: "futures.Future[Any]") -> None:
        """Count a job of an executor until it is done."""
        with self._lock:
            self._jobs += 1
        future.add_done_callback(self._finish_job)

    def add_child(self, process: Any) -> None:
        """Count a `subprocess.Popen` until the process has ended."""
        self._children.append(process)

    def is_empty(self) -> bool:
        """Return whether there is nothing but the current thread: no job, no child, no other thread."""
        return not (self._jobs or self._children or threading.active_count() > 1 or self._forks())

    def is_certain(self, waiting: Iterable[threading.Thread]) -> bool:
        """Return whether a job, a child or a thread of the test works; `waiting` threads are known to wait."""
        waiting = set(waiting)
        jobs = self._jobs - sum(thread in thread_pools._threads_queues for thread in waiting)
        return jobs > 0 or self._has_children() or any(map(self._must_end, self._busy_threads(waiting)))

    def is_possible(self, waiting: Iterable[threading.Thread]) -> bool:
        """Return whether another thread may be working."""
        return bool(self._busy_threads(set(waiting)))

    def is_still(self, waiting: Iterable[threading.Thread], has_descriptors: bool) -> bool:
        """Return whether no other thread has been busy, and `restart` was not called, for a moment."""
        used = {thread: _cpu_seconds(thread) for thread in self._busy_threads(set(waiting))}
        now = real_time()
        limit = _MOST_CPU * (now - self._still_since)
        if self._used is None or any(seconds - self._used.get(one, -1) > limit for one, seconds in used.items()):
            self._used, self._still_since = used, now
        return now - self._still_since >= (_DESCRIPTOR_PATIENCE_SECONDS if has_descriptors else _PATIENCE_SECONDS)

    def restart(self) -> None:
        """Begin the moment anew in which nothing moves."""
        self._used = None

    def _busy_threads(self, waiting: set[threading.Thread]) -> dict[threading.Thread, FrameType]:
        """Return the threads that may be working, each with its current frame."""
        if threading.active_count() <= 1:
            return {}
        frames = sys._current_frames()
        return {
            thread: frame
            for thread in threading.enumerate()
            if thread not in waiting
            and not isinstance(thread, threading._DummyThread)
            and (frame := frames.get(thread.ident or 0)) is not None
            and not _is_idle(frame, thread in self._earlier_threads, waiting)
        }

    def _must_end(self, thread: threading.Thread) -> bool:
        """Return whether the test has started a thread that keeps the process alive."""
        return not thread.daemon and thread not in self._earlier_threads

    def _has_children(self) -> bool:
        self._children = [process for process in self._children if _is_alive(process)]
        return bool(self._children) or any(map(_is_alive, self._forks()))

    def _forks(self) -> list[Any]:
        """Return the processes that the test has started with `multiprocessing`."""
        return [process for process in _forked_processes() if process not in self._earlier_processes]

    def _finish_job(self, future: object) -> None:
        with self._lock:
            self._jobs -= 1


def _cpu_seconds(thread: threading.Thread) -> float:
    """Return the CPU time of a live thread; 0 if the system cannot tell (macOS and Windows)."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return 0.0
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))


def _is_idle(frame: FrameType, is_earlier: bool, waiting: set[threading.Thread]) -> bool:
    """Return whether a thread waits for others: for a job, on a condition, or for the end of one of `waiting`.

    A thread of the test that waits with a timeout goes on by itself; one that is older, such as an exporter's, does so
    without the test.
    """
    if frame.f_code is _CONDITION_WAIT:
        names = frame.f_locals
        if "waiter" not in names or names["waiter"] not in names["self"]._waiters:
            return False  # it has not begun to wait, or it was notified
        return is_earlier or names.get("timeout") is None
    if frame.f_code in _JOINS:
        return frame.f_locals.get("self") in waiting and frame.f_locals.get("timeout") in (None, -1)
    return frame.f_code is _POOL_WORKER


def _forked_processes() -> list[Any]:
    """Return the processes that `multiprocessing` has started."""
    module = sys.modules.get("multiprocessing.process")
    processes = list(getattr(module, "_children", ()))
    return [process._popen for process in processes if getattr(process, "_popen", None) is not None]


def _is_alive(process: Any) -> bool:
    """Return whether a child runs, without reaping it."""
    if process.returncode is not None:
        return False
    wait: Callable[..., Any] | None = getattr(os, "waitid", None)
    if wait is None:
        return True
    try:
        return wait(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
