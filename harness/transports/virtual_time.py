"""Time for code that knows no clock of ours: an event loop on which nobody waits, and `time` that follows it."""

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest.mock import patch

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MOST_IDLE_ROUNDS = 100_000
"""Rounds of the loop in which time stands still, after which it is taken for one that goes in circles: a request and
its answer take a few hundred."""


class TimeIsUp(BaseException):
    """The code on the loop did not come to an end: it waits past the deadline, for nothing at all, or in circles.

    It derives from `BaseException` so that no `except Exception` on the way takes it for something else.
    """


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is data: where every task waits for a timer, the loop goes to the next one at once.

    While a thread works or a file descriptor is waited for (a child process, a socket), time is real. Raises
    `TimeIsUp` out of whatever runs on it where time would pass `deadline` (in seconds on the loop).

    >>> with asyncio.Runner(loop_factory=VirtualLoop) as runner:
    ...     runner.run(asyncio.sleep(3600))
    ...     runner.get_loop().time()
    3600.0
    """

    def __init__(self) -> None:
        self._now, self._jobs, self._idle_rounds = 0.0, 0, 0
        self.deadline = math.inf
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Seconds on this loop, from 0."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass, as a call that blocks does. Raises `TimeIsUp` at the deadline."""
        then = self._now + max(seconds, 0.0)
        if then > self.deadline:
            raise TimeIsUp(f"it waits past {self.deadline:g} s")
        if then > self._now:
            self._idle_rounds = 0
        self._now = then

    @property
    def waits_really(self) -> bool:
        """Whether something is waited for that no timer brings: a job in a thread, or the end of a child process."""
        return self._jobs > 0 or any(one.name.startswith(_CHILD_WATCHERS) for one in threading.enumerate())

    def round(self) -> None:
        """Count a round in which no time has passed."""
        self._idle_rounds += 1
        if self._idle_rounds > MOST_IDLE_ROUNDS:
            self._idle_rounds = 0
            raise TimeIsUp("it goes in circles without waiting")

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """Run in a thread, for which real time is waited."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._done)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait, really, for the threads to end."""
        self._jobs += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._jobs -= 1

    def _done(self, future: object) -> None:
        self._jobs -= 1


class _Selector(selectors.DefaultSelector):
    """Where the loop would wait for its next timer, time goes there."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            self._loop.round()
            return found
        if self._loop.waits_really or len(self.get_map()) > 1:  # one is the loop's own, by which threads wake it
            started = _REAL_MONOTONIC()
            found = super().select(_LOOK_AGAIN if timeout is None else min(timeout, _LOOK_AGAIN))
            self._loop.advance(_REAL_MONOTONIC() - started)
            return found
        if timeout is None:
            raise TimeIsUp("it waits for something that nothing will bring")
        self._loop.advance(timeout)
        return []


_REAL_MONOTONIC = time.monotonic
_LOOK_AGAIN = 0.05
"""Real seconds after which it is looked whether anything real is still waited for: it may end without a word."""
_CHILD_WATCHERS = "asyncio-waitpid-"
"""Threads in which asyncio waits for child processes where the system, or Python 3.11, has no descriptor for that."""


class LoopClock:
    """The clock that reads a `VirtualLoop`'s time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """Seconds on the loop."""
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        """Block the loop for `seconds`; nobody waits."""
        self._loop.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait on the loop."""
        await asyncio.sleep(max(seconds, 0.0))

    def reached(self, moment: float) -> bool:
        """Whether it is `moment` already."""
        return self._loop.time() >= moment


@contextmanager
def following(loop: VirtualLoop) -> Iterator[None]:
    """Let `time.sleep`, `time.monotonic` and `time.time` follow the loop: for code that waits without one.

    Names imported from `time` before (`from time import sleep`) stay what they were.
    """
    start, start_monotonic = time.time(), time.monotonic()
    with (
        patch.object(time, "sleep", loop.advance),
        patch.object(time, "monotonic", lambda: start_monotonic + loop.time()),
        patch.object(time, "time", lambda: start + loop.time()),
    ):
        yield
