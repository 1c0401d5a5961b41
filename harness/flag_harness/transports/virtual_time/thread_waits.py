"""Make the timed waits of `threading` virtual. `queue.Queue` and futures use them too."""

import threading
from collections.abc import Callable, Container
from typing import Any

from flag_harness.transports.virtual_time.pending_work import real_perf_counter
from flag_harness.transports.virtual_time.shared_clock import SharedClock, ThreadWait

_MIN_SECONDS_OF_REAL_WAIT = 0.02
"""The least real seconds that a wait lasts, because a thread that runs no Python code may end the wait."""


def make_virtual_condition_wait(clock: SharedClock) -> Callable[..., bool]:
    """Return a replacement for `Condition.wait` whose timeout is in virtual time."""
    real_function = threading.Condition.wait

    def wait(self: Any, timeout: float | None = None) -> bool:
        """Wait until notified or until a timeout occurs, in virtual time; see flag_harness's docs/time.md."""
        if timeout is None or timeout <= _MIN_SECONDS_OF_REAL_WAIT or not clock.is_virtual_in_current_thread():
            return real_function(self, timeout)
        if not self._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter = threading.Lock()
        waiter.acquire()
        self._waiters.append(waiter)
        saved = self._release_save()
        try:
            _wait_for_lock(waiter, self._waiters, timeout, clock)
        finally:
            self._acquire_restore(saved)
            is_notified = waiter not in self._waiters
            if not is_notified:
                self._waiters.remove(waiter)
        return is_notified

    return wait


def _wait_for_lock(
    waiter: threading.Lock, waiters: Container[threading.Lock], timeout: float, clock: SharedClock
) -> None:
    """Wait until another thread releases the lock `waiter`, or the timeout passes on the clock."""
    started, deadline = real_perf_counter(), clock.now() + timeout
    acquired = waiter.acquire(True, _MIN_SECONDS_OF_REAL_WAIT)
    clock.count_real_wait(started)
    if not acquired:
        wait = ThreadWait(deadline, has_event_come=lambda: waiter not in waiters)
        clock.wait_until(wait, lambda seconds: waiter.acquire(True, seconds))


def make_virtual_thread_join(clock: SharedClock) -> Callable[..., None]:
    """Return a replacement for `Thread.join` whose timeout is in virtual time."""
    real_function = threading.Thread.join

    def join(self: threading.Thread, timeout: float | None = None) -> None:
        """Wait until the thread has ended or a timeout occurs, in virtual time; see flag_harness's docs/time.md."""
        if (
            timeout is None
            or timeout <= 0
            or not clock.is_virtual_in_current_thread()
            or self is threading.current_thread()
        ):
            real_function(self, timeout)
        elif self.is_alive():
            deadline = ThreadWait(clock.now() + timeout, has_event_come=lambda: not self.is_alive())
            clock.wait_until(deadline, lambda seconds: real_function(self, seconds) or not self.is_alive())

    return join
