"""The virtual clock that a test shares with the code under test."""

import asyncio
import bdb
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from flag_harness.clock import VirtualClock
from flag_harness.transports.virtual_time.pending_work import PendingWork, real_perf_counter

_real_sleep = time.sleep
_SECONDS_BETWEEN_CHECKS = 0.005
"""Real seconds between two checks whether time may jump."""


@dataclass(eq=False, slots=True)
class ThreadWait:
    """A wait of one thread until `deadline` on the clock.

    Attributes:
        deadline: seconds on the clock; infinity if only an event ends the wait.
        is_sleep: True for a sleep, False for a wait for an event that the deadline only limits.
        has_event_come: a function that returns True if the event has come, although the thread has not woken yet.
        watches_descriptors: a function that returns True if the thread watches sockets or pipes as well.
    """

    deadline: float
    is_sleep: bool = False
    has_event_come: Callable[[], bool] = bool
    watches_descriptors: Callable[[], bool] = bool
    thread: threading.Thread = field(default_factory=threading.current_thread)


class SharedClock(VirtualClock):
    """A virtual clock that the code under test uses too, inside a `share_clock` context.

    Time jumps to the next deadline of the threads that take part, but only if no real work is pending: a job, a child
    process or a thread. Until then the threads wait in real time, which passes on this clock as well. The thread that
    enters `share_clock` takes part, and so does every thread that calls `add_current_thread`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_shared = False
        self.pending = PendingWork()
        self.loops: WeakSet[Any] = WeakSet()
        self._members = threading.local()
        self._waits: list[ThreadWait] = []
        self._open_answers = 0
        self._really_waited = 0.0
        self._counted_until = 0.0

    @property
    def seconds_skipped(self) -> float:
        """The sum of all jumps of this clock, in seconds."""
        return self._now - self._really_waited

    def add_current_thread(self) -> None:
        """Make time virtual for the current thread."""
        self._members.joined = True

    def is_virtual_in_current_thread(self) -> bool:
        """Return whether time is virtual for the current thread. It is not while a debugger traces the thread."""
        return self.is_shared and getattr(self._members, "joined", False) and not _is_debugged()

    def sleep(self, seconds: float) -> None:
        """Wait until the clock has advanced by `seconds`. If no real work is pending, it advances at once."""
        if not self.is_virtual_in_current_thread():
            super().sleep(seconds)
        elif seconds > 0:
            self.wait_until(ThreadWait(self._now + seconds, is_sleep=True), _real_sleep)

    async def async_sleep(self, seconds: float) -> None:
        """Wait on the running event loop until the clock has advanced by `seconds`."""
        if not self.is_virtual_in_current_thread() or asyncio._get_running_loop() not in self.loops:
            await super().async_sleep(seconds)
            return
        moment = self._now + max(seconds, 0.0)
        self._open_answers += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._open_answers -= 1
        if abs(self._now - moment) < 1e-6:  # the loop's timers are rounded
            self._now = moment

    def reach_without_waiting(self, moment: float) -> bool:
        """Jump to the time `moment` if no real work is pending. Return whether the clock has reached `moment`."""
        if moment <= self._now:
            return True
        if not self.is_virtual_in_current_thread():
            return super().reach_without_waiting(moment)
        loop: Any = asyncio._get_running_loop()
        if loop is not None and (
            loop not in self.loops or loop._scheduled or loop._ready or watches_foreign_sockets(loop)
        ):
            return False
        if self._waits or not self.pending.is_empty():
            return self._jump_to_deadline(ThreadWait(moment, is_sleep=True))
        self._now = moment  # called for each chunk
        return True

    def wait_until(self, wait: ThreadWait, pause: Callable[[float], Any]) -> Any:
        """Wait until the deadline, or until `pause` returns a true value. Return that value, or None at the deadline.

        `pause(seconds)` waits for at most that many real seconds.
        """
        self.pending.restart_idle_time()
        with self.register_wait(wait):
            while not self._jump_to_deadline(wait):
                started = real_perf_counter()
                left = wait.deadline - self._now  # negative if another thread has moved the clock meanwhile
                found = pause(max(0.0, min(_SECONDS_BETWEEN_CHECKS, left)))
                self.count_real_wait(started)
                if found:
                    return found
        return None

    def count_real_wait(self, start_time: float) -> None:
        """Advance the clock by the real time since `start_time`, unless another thread has counted it already."""
        with self._lock:
            now = real_perf_counter()
            seconds = max(now - max(start_time, self._counted_until), 0.0)
            self._now += seconds
            self._really_waited += seconds
            self._counted_until = now

    @property
    def has_delayed_answers(self) -> bool:
        """True if a client waits for an answer that the harness delays."""
        return self._open_answers > 0

    def _running_loop(self) -> Any:
        loop = super()._running_loop()
        return None if loop in self.loops else loop

    @contextmanager
    def register_wait(self, wait: ThreadWait) -> Iterator[None]:
        """Inside the context, let other threads know that this thread waits."""
        with self._lock:
            self._waits.append(wait)
        try:
            yield
        finally:
            with self._lock:
                self._waits.remove(wait)

    def _jump_to_deadline(self, wait: ThreadWait) -> bool:
        """Jump to the deadline of a wait if no other wait ends earlier and no real work is pending.

        Return whether the clock has reached the deadline.
        """
        with self._lock:
            if wait.deadline <= self._now:
                return True
            others = [other for other in self._waits if other is not wait]
            if wait.has_event_come() or any(
                other.deadline < wait.deadline or other.has_event_come() for other in others
            ):
                return False
            if wait.deadline == math.inf or not self.is_virtual_in_current_thread() or not self._can_jump(wait, others):
                return False
            self._now = round(wait.deadline, 9) if round(wait.deadline, 9) > self._now else wait.deadline
            self.pending.restart_idle_time()
            return True

    def _can_jump(self, wait: ThreadWait, other_waits: list[ThreadWait]) -> bool:
        """Return whether no real work is pending, so that the clock may jump.

        If a thread or an open socket may still be working, it must have been idle for a short time, and some thread
        must be in a sleep: a wait for an event is not enough, because that thread or socket may bring the event.
        """
        waiting = [wait.thread, *(other.thread for other in other_waits)]
        if self.pending.is_certainly_working(waiting):
            return False
        has_descriptors = any(one.watches_descriptors() for one in (wait, *other_waits))
        if not has_descriptors and not self.pending.may_be_working(waiting):
            return True
        if not (wait.is_sleep or self._open_answers or any(other.is_sleep for other in other_waits)):
            return False
        return self.pending.has_only_idle_threads(waiting, has_descriptors)


def watches_foreign_sockets(loop: Any) -> bool:
    """Return whether an event loop watches sockets or pipes other than its own."""
    return len(loop._selector.get_map()) > 1


def _is_debugged() -> bool:
    """Return whether a debugger traces the current thread. Time then stays real."""
    trace = sys.gettrace()
    if trace is not None:
        owner = getattr(trace, "__self__", trace)
        return isinstance(owner, bdb.Bdb) or "pydevd" in str(getattr(type(owner), "__module__", ""))
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
