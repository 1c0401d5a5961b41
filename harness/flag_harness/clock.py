"""Time as the harness sees it: one clock serves the transport, the agent and the simulator."""

import asyncio
import heapq
import importlib
import itertools
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol


class Clock(Protocol):
    """Where waiting happens. `now` is in seconds since an arbitrary start and never goes back."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    async def async_sleep(self, seconds: float) -> None: ...

    def has_reached(self, moment: float) -> bool:
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
        self._lock = threading.RLock()  # a task that is collected as garbage leaves wherever its thread is
        self._sleepers: list[tuple[float, int]] = []
        self._wakers: dict[tuple[float, int], Callable[[], object]] = {}
        self._order = itertools.count()

    def now(self) -> float:
        """Seconds on this clock."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move the clock forward by `seconds` (nothing happens where that is negative)."""
        with self._lock:
            self._now += max(seconds, 0.0)

    def has_reached(self, moment: float) -> bool:
        """Go to `moment` at once, unless a task waits for an earlier one: then that one has to wake first."""
        with self._lock:
            if self._sleepers and self._sleepers[0][0] < moment:
                return moment <= self._now
            if moment > self._now:  # a chunk a call: half the time of max()
                self._now = moment
            return True

    async def async_sleep(self, seconds: float) -> None:
        """Let other tasks run, then move the clock to where this task wakes; tasks wake in order of time."""
        sleeper = (self._now + max(seconds, 0.0), next(self._order))
        with self._lock:
            heapq.heappush(self._sleepers, sleeper)
        try:
            await (asyncio.sleep(0) if _is_asyncio() else _trio().lowlevel.checkpoint())
            while self._sleepers[0] != sleeper:
                await self._turn_of(sleeper)
            with self._lock:
                self._now = max(self._now, sleeper[0])
        finally:
            self._leave(sleeper)

    def _turn_of(self, sleeper: tuple[float, int]) -> Awaitable[object]:
        """What a sleeper awaits because earlier ones go first. Whoever is first by now is woken: that may be itself."""
        wait, wake = _turn()
        with self._lock:
            self._wakers[sleeper] = wake
        self._wake_first()
        return wait()

    def _leave(self, sleeper: tuple[float, int]) -> None:
        """Sleep no more, and wake who is first then."""
        with self._lock:
            self._wakers.pop(sleeper, None)
            if self._sleepers[0] == sleeper:
                heapq.heappop(self._sleepers)
            else:  # it was cancelled
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
        self._wake_first()

    def _wake_first(self) -> None:
        """Wake who is first, unless nobody is, or it is awake."""
        with self._lock:
            wake = self._wakers.pop(self._sleepers[0], None) if self._sleepers else None
        if wake:
            wake()


def _is_asyncio() -> bool:
    """Whether the task that asks runs on an event loop of asyncio, and not on trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _turn() -> tuple[Callable[[], Awaitable[object]], Callable[[], object]]:
    """What a task awaits until it is woken; and what wakes it, called in any thread."""
    if not _is_asyncio():
        event, token = _trio().Event(), _trio().lowlevel.current_trio_token()
        return event.wait, partial(token.run_sync_soon, event.set)
    loop = asyncio.get_running_loop()
    turn = asyncio.Event()
    return turn.wait, partial(loop.call_soon_threadsafe, turn.set)


def _trio() -> Any:
    return importlib.import_module("trio")
