"""Clocks: the transport, the agent and the simulator share one."""

import asyncio
import heapq
import importlib
import itertools
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol


class Clock(Protocol):
    """What tells the time and waits. `now` is in seconds since an arbitrary start, and never decreases."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    async def async_sleep(self, seconds: float) -> None: ...

    def has_reached(self, moment: float) -> bool:
        """Return whether the clock has reached `moment`, or can jump there because no task waits for an earlier one."""
        ...


class VirtualClock:
    """A clock that never waits: sleeping moves it forward, earliest sleeper first.

    >>> clock = VirtualClock()
    >>> clock.sleep(100)
    >>> clock.now()
    100.0
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._lock = threading.RLock()  # reentrant: a task that is garbage collected may leave inside a locked block
        self._sleepers: list[tuple[float, int]] = []
        self._wakers: dict[tuple[float, int], Callable[[], object]] = {}
        self._order = itertools.count()

    def now(self) -> float:
        """Return the seconds on this clock."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move the clock forward by `seconds`, unless they are negative."""
        with self._lock:
            self._now += max(seconds, 0.0)

    def has_reached(self, moment: float) -> bool:
        """Move to `moment` and return True, unless a task waits for an earlier one and must wake first."""
        with self._lock:
            if self._sleepers and self._sleepers[0][0] < moment:
                return moment <= self._now
            if moment > self._now:  # called for each chunk; max() takes twice as long
                self._now = moment
            return True

    async def async_sleep(self, seconds: float) -> None:
        """Let other tasks run, then move the clock to the time of this task; tasks wake in order of time."""
        sleeper = (self._now + max(seconds, 0.0), next(self._order))
        with self._lock:
            heapq.heappush(self._sleepers, sleeper)
        try:
            await (asyncio.sleep(0) if _is_asyncio() else _trio().lowlevel.checkpoint())
            while self._sleepers[0] != sleeper:
                await self._wait_for_turn(sleeper)
            with self._lock:
                self._now = max(self._now, sleeper[0])
        finally:
            self._remove_sleeper(sleeper)

    def _wait_for_turn(self, sleeper: tuple[float, int]) -> Awaitable[object]:
        """Return what a sleeper awaits until earlier ones have woken; wake the first sleeper, which may be this one."""
        wait, wake = _make_wakeup()
        with self._lock:
            self._wakers[sleeper] = wake
        self._wake_first()
        return wait()

    def _remove_sleeper(self, sleeper: tuple[float, int]) -> None:
        """Remove a sleeper, and wake the one that is first now."""
        with self._lock:
            self._wakers.pop(sleeper, None)
            if self._sleepers[0] == sleeper:
                heapq.heappop(self._sleepers)
            else:  # it was cancelled
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
        self._wake_first()

    def _wake_first(self) -> None:
        """Wake the first sleeper, if there is one and it waits."""
        with self._lock:
            wake = self._wakers.pop(self._sleepers[0], None) if self._sleepers else None
        if wake:
            wake()


def _is_asyncio() -> bool:
    """Return whether the running task is on an event loop of asyncio, not of trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _make_wakeup() -> tuple[Callable[[], Awaitable[object]], Callable[[], object]]:
    """Return what a task awaits until it is woken, and a function that wakes it from any thread."""
    if not _is_asyncio():
        event, token = _trio().Event(), _trio().lowlevel.current_trio_token()
        return event.wait, partial(token.run_sync_soon, event.set)
    loop = asyncio.get_running_loop()
    turn = asyncio.Event()
    return turn.wait, partial(loop.call_soon_threadsafe, turn.set)


def _trio() -> Any:
    return importlib.import_module("trio")
