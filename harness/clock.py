"""Time as the harness sees it: one clock serves the transport, the agent and the simulator."""

import asyncio
import heapq
import itertools
import threading
from typing import Protocol


class Clock(Protocol):
    """Where waiting happens. `now` is in seconds since an arbitrary start and never goes back."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    async def asleep(self, seconds: float) -> None: ...

    def reached(self, moment: float) -> bool:
        """Whether it is `moment` already, or can be at once because nobody waits for an earlier one."""
        ...


class VirtualClock:
    """A clock on which nobody waits: sleeping moves it, earliest sleeper first, and latencies are read off it.

    >>> clock = VirtualClock()
    >>> clock.sleep(100)
    >>> clock.now()
    100.0
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._lock = threading.Lock()
        self._sleepers: list[tuple[float, int]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Seconds on this clock."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move the clock forward by `seconds` (nothing happens where that is negative)."""
        with self._lock:
            self._now += max(seconds, 0.0)

    def reached(self, moment: float) -> bool:
        """Go to `moment` at once, unless a task waits for an earlier one: then that one has to wake first."""
        with self._lock:
            if self._sleepers and self._sleepers[0][0] < moment:
                return moment <= self._now
            if moment > self._now:  # a chunk a call: half the time of max()
                self._now = moment
            return True

    async def asleep(self, seconds: float) -> None:
        """Let other tasks run, then move the clock to where this task wakes; tasks wake in order of time."""
        sleeper = (self._now + max(seconds, 0.0), next(self._order))
        heapq.heappush(self._sleepers, sleeper)
        try:
            await asyncio.sleep(0)
            while self._sleepers[0] != sleeper:  # noqa: ASYNC110 - earlier sleepers go first; there is no event to wait for
                await asyncio.sleep(0)
            with self._lock:
                self._now = max(self._now, sleeper[0])
        finally:
            self._sleepers.remove(sleeper)
            heapq.heapify(self._sleepers)
