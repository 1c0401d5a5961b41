"""Time for code that knows no clock of ours: an event loop on which nobody waits, and `time` that follows it."""

import asyncio
import ctypes
import math
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest.mock import patch

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

IDLE_ROUNDS_LIMIT = 100_000
"""Rounds of the loop in which time stands still, after which it is taken for one that goes in circles: a request and
its answer take a few hundred."""


class VirtualTimeout(BaseException):
    """The code on the loop did not come to an end: it waits past the deadline, for nothing at all, or in circles.

    It derives from `BaseException` so that no `except Exception` on the way takes it for something else.
    """


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is data: where every task waits for a timer, the loop goes to the next one at once.

    Time is real while a thread works or a file descriptor is waited for (a child process, a socket). Code that runs on
    the loop gets `VirtualTimeout` if time would pass `deadline` (seconds on the loop), or if it has waited more real
    seconds than `patience`; `end_reason` then says why. The loop's own threads do not keep the process alive.

    >>> with asyncio.Runner(loop_factory=VirtualLoop) as runner:
    ...     runner.run(asyncio.sleep(3600))
    ...     runner.get_loop().time()
    3600.0
    """

    def __init__(self) -> None:
        self._now, self._jobs, self._idle_rounds = 0.0, 0, 0
        self.deadline = self.patience = math.inf
        self.end_reason = ""
        self.on_swallowed_timeout: Callable[[], object] = lambda: None
        """What is called where a call blocks past the deadline, though it was told already that time is up."""
        self._threads = _Threads()
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Seconds on this loop, from 0."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass. Raises `VirtualTimeout` at the deadline."""
        then = self._now + max(seconds, 0.0)
        if then > self.deadline:
            raise self.end(f"it waits past {self.deadline:g} s")
        if then > self._now:
            self._idle_rounds = 0
        self._now = then

    def block(self, seconds: float) -> None:
        """`advance`, by a call that blocks the loop."""
        if self.end_reason:
            self.on_swallowed_timeout()
        self.advance(seconds)

    def count_real_wait(self, seconds: float) -> None:
        """`advance`, by `seconds` that have passed really."""
        self.patience -= seconds
        if self.patience < 0:
            raise self.end("it waits too long for what is real: a thread, a child process, a socket")
        self.advance(seconds)

    def end(self, why: str) -> VirtualTimeout:
        """What is to be raised, for a reason that is remembered: it may be swallowed."""
        self.end_reason = self.end_reason or why
        return VirtualTimeout(why)

    def abandon(self) -> None:
        """Close the loop, or, where it runs in a thread that was left, give back what the system has lent to it.

        What has not ended is never collected: code that swallows every exception would go on for ever at that moment.
        """
        if self.is_running():
            self._close_self_pipe()  # type: ignore[attr-defined]
            self._selector.close()  # type: ignore[attr-defined]
        else:
            self.close()
        for task in asyncio.all_tasks(self):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))

    @property
    def has_real_waits(self) -> bool:
        """Whether something is waited for that no timer brings: a job in a thread, or the end of a child process."""
        return self._jobs > 0 or any(one.name.startswith(_CHILD_WATCHERS) for one in threading.enumerate())

    def round(self) -> None:
        """Count a round in which no time has passed."""
        self._idle_rounds += 1
        if self._idle_rounds > IDLE_ROUNDS_LIMIT:
            self._idle_rounds = 0
            raise self.end("it goes in circles without waiting")

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """Run in a thread, for which real time is waited."""
        future = super().run_in_executor(self._threads if executor is None else executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._done)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait, really, for the loop's own threads to end."""
        self._jobs += 1
        try:
            while any(thread.is_alive() for thread in self._threads.started):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(_LOOK_AGAIN)
        finally:
            self._jobs -= 1

    def _done(self, future: object) -> None:
        self._jobs -= 1


class _Threads(Executor):
    """A thread for each job. None of them is waited for when the process ends: a job may never come to its own."""

    def __init__(self) -> None:
        self.started: list[threading.Thread] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a job."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # whoever awaits the future gets it
                future.set_exception(error)

        future.set_running_or_notify_cancel()
        self.started.append(threading.Thread(target=work, daemon=True))
        self.started[-1].start()
        return future


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
        if self._loop.has_real_waits or len(self.get_map()) > 1:  # one is the loop's own, by which threads wake it
            started = _REAL_MONOTONIC()
            found = super().select(_LOOK_AGAIN if timeout is None else min(timeout, _LOOK_AGAIN))
            self._loop.count_real_wait(_REAL_MONOTONIC() - started)
            return found
        if timeout is None:
            raise self._loop.end("it waits for something that nothing will bring")
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
        self._loop.block(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """Wait on the loop."""
        await asyncio.sleep(max(seconds, 0.0))

    def has_reached(self, moment: float) -> bool:
        """Whether it is `moment` already."""
        return self._loop.time() >= moment


_CLOCKS = ("time", "monotonic", "perf_counter")


@contextmanager
def patch_time(loop: VirtualLoop) -> Iterator[None]:
    """Let `time.sleep` and the clocks of `time` follow the loop: for code that waits without one.

    The clocks are `time`, `monotonic` and `perf_counter`, in seconds and nanoseconds. Names imported from `time` before
    (`from time import sleep`) stay what they were, and so do `datetime.now` and the waiting of `threading` and `queue`.
    """
    with ExitStack() as patches:
        patches.enter_context(patch.object(time, "sleep", loop.block))
        for name in _CLOCKS:
            patches.enter_context(patch.object(time, name, _clock(loop, getattr(time, name)(), 1)))
            patches.enter_context(patch.object(time, f"{name}_ns", _clock(loop, getattr(time, f"{name}_ns")(), 10**9)))
        yield


def _clock(loop: VirtualLoop, start: Any, unit: int) -> Callable[[], Any]:
    """A clock that starts where the real one stands, in units a second."""
    return lambda: start + type(start)(loop.time() * unit)
