"""Clocks. The transport, the agent and the simulator share one."""

import asyncio
import heapq
import importlib
import itertools
import math
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol


class Clock(Protocol):
    """The interface of a clock that can also wait. `now()` is in seconds since an arbitrary start."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    async def async_sleep(self, seconds: float) -> None: ...

    def reach_without_waiting(self, moment: float) -> bool:
        """Return True if the clock is at `moment` or later, after moving it there if nobody has to wait for this.

        A virtual clock moves unless a task waits for an earlier moment. A real clock never moves.
        """
        ...


class VirtualClock:
    """A clock that does not wait in real time: sleeping moves it forward.

    Of several sleepers, the earliest wakes first. The time of the asyncio loop moves with the clock, so that deadlines
    such as `asyncio.timeout` expire. Pass `moves_loop=False` for a server, whose loop has real connections. The loops
    of uvloop and trio keep real time.

    >>> clock = VirtualClock()
    >>> clock.sleep(100)
    >>> clock.now()
    100.0
    """

    def __init__(self, start: float = 0.0, *, moves_loop: bool = True) -> None:
        self._now, self._moves_loop = start, moves_loop
        self._lock = threading.RLock()  # reentrant: a task that is garbage collected may leave inside a locked block
        self._sleepers: list[tuple[float, int]] = []
        self._wake_functions: dict[tuple[float, int], Callable[[], object]] = {}
        self._sleeper_numbers = itertools.count()

    def now(self) -> float:
        """Return the time of this clock in seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move the clock forward by `seconds`; a negative number does nothing."""
        with self._lock:
            self._move_clock_to(self._now + seconds, self._running_loop())

    def reach_without_waiting(self, moment: float) -> bool:
        """Move to `moment` and return True, or return False if a task or timer still waits for an earlier moment."""
        with self._lock:
            if self._sleepers and self._sleepers[0][0] < moment:
                return moment <= self._now
            if moment > self._now:
                loop = self._running_loop()
                if loop is not None and self._time_of_next_timer(loop) < moment:
                    return False
                self._move_clock_to(moment, loop)
            return True

    async def async_sleep(self, seconds: float) -> None:
        """Sleep for `seconds` on this clock: let tasks that wake earlier run first, then move the clock."""
        sleeper = (self._now + max(seconds, 0.0), next(self._sleeper_numbers))
        with self._lock:
            heapq.heappush(self._sleepers, sleeper)
        try:
            await (asyncio.sleep(0) if _is_running_in_asyncio() else _import_trio().lowlevel.checkpoint())
            while self._sleepers[0] != sleeper or await self._fire_timer_before(sleeper[0]):
                if self._sleepers[0] != sleeper:
                    await self._make_turn_awaitable(sleeper)
            with self._lock:
                self._move_clock_to(sleeper[0], self._running_loop())
        finally:
            self._remove_sleeper(sleeper)

    def _running_loop(self) -> Any:
        """Return the running asyncio loop if this clock moves its time, else None."""
        loop = _get_running_loop() if self._moves_loop else None
        return loop if hasattr(loop, "_scheduled") else None

    def _time_of_next_timer(self, loop: Any) -> float:
        """Return the time on this clock at which the loop's next timer is due, or infinity if there is none."""
        timers = loop._scheduled
        if not timers:
            return math.inf
        due = timers[0]._when
        if timers[0]._cancelled:
            due = min((timer._when for timer in timers if not timer._cancelled), default=math.inf)
        return float(self._now + due - loop.time())

    def _move_clock_to(self, moment: float, loop: Any) -> None:
        """Move the clock to `moment`, and advance the time of the loop equally. A moment in the past changes
        nothing.
        """
        if moment > self._now:
            if loop is not None:
                _advance_loop(loop, moment - self._now)
            self._now = moment

    async def _fire_timer_before(self, moment: float) -> bool:
        """Move to the loop's next timer that is due before `moment`, and let its callback run.

        Return False if no timer is due before then.
        """
        with self._lock:
            loop = self._running_loop()
            due = math.inf if loop is None else self._time_of_next_timer(loop)
            if due >= moment:
                return False
            self._move_clock_to(due, loop)
        for _ in range(_MAX_LOOP_ROUNDS_AFTER_TIMER):
            await asyncio.sleep(0)
            if not loop._ready:
                break
        return True

    def _make_turn_awaitable(self, sleeper: tuple[float, int]) -> Awaitable[object]:
        """Return an awaitable that ends when this sleeper is the next to wake.

        The first sleeper, which may be this one, is woken at once.
        """
        wait, wake = _make_wakeup_event()
        with self._lock:
            self._wake_functions[sleeper] = wake
        self._wake_first_sleeper()
        return wait()

    def _remove_sleeper(self, sleeper: tuple[float, int]) -> None:
        """Remove a sleeper, and wake the sleeper that is now the first."""
        with self._lock:
            self._wake_functions.pop(sleeper, None)
            if self._sleepers[0] == sleeper:
                heapq.heappop(self._sleepers)
            else:  # it was cancelled
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
        self._wake_first_sleeper()

    def _wake_first_sleeper(self) -> None:
        """Wake the first sleeper if its task is waiting."""
        with self._lock:
            wake = self._wake_functions.pop(self._sleepers[0], None) if self._sleepers else None
        if wake:
            wake()


_get_running_loop = asyncio._get_running_loop
_MAX_LOOP_ROUNDS_AFTER_TIMER = 100
"""After a timer has fired, its callbacks may run for this many rounds of the loop before the clock moves on."""


class _ShiftedLoopTime:
    """A replacement for `loop.time`: the real time plus the seconds by which a virtual clock was moved."""

    __slots__ = ("_loop_time", "offset_seconds")

    def __init__(self, loop_time: Callable[[], float]) -> None:
        self._loop_time, self.offset_seconds = loop_time, 0.0

    def __call__(self) -> float:
        return self._loop_time() + self.offset_seconds


def _advance_loop(loop: Any, seconds: float) -> None:
    """Advance the time of a loop. Timers that are due by then fire in its next round."""
    if not isinstance(loop.time, _ShiftedLoopTime):
        loop.time = _ShiftedLoopTime(loop.time)
    loop.time.offset_seconds += seconds


def _is_running_in_asyncio() -> bool:
    """Return whether the current task runs on asyncio, not on trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _make_wakeup_event() -> tuple[Callable[[], Awaitable[object]], Callable[[], object]]:
    """Return two functions for a task that waits: one makes the awaitable, the other wakes the task.

    The second function may be called from any thread.
    """
    if not _is_running_in_asyncio():
        event, token = _import_trio().Event(), _import_trio().lowlevel.current_trio_token()
        return event.wait, partial(token.run_sync_soon, event.set)
    loop = asyncio.get_running_loop()
    turn = asyncio.Event()
    return turn.wait, partial(loop.call_soon_threadsafe, turn.set)


def _import_trio() -> Any:
    return importlib.import_module("trio")
