"""An event loop that never really waits, and a patch that makes `time` follow that loop."""

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

from flag_harness.transports.patch import replace_attribute

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

IDLE_ROUNDS_LIMIT = 100_000
"""The most rounds of the loop in which time may stand still. A request and its answer take a few hundred; with more
rounds than this, the code runs in circles.
"""


class VirtualTimeout(BaseException):
    """Raised if the code on the loop does not end: it waits past the deadline or forever, or runs in circles without
    waiting.

    It derives from `BaseException` so that no `except Exception` catches it.
    """


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time: if every task waits for a timer, the loop jumps to the next timer at once.

    Time is real while a thread works or a file descriptor is waited for (a child process, a socket). Code that runs on
    the loop gets `VirtualTimeout` if time would pass `deadline` (seconds on the loop), or if it has waited more real
    seconds than `max_real_wait_seconds`; `end_reason` then says why. The loop's own threads do not keep the process
    alive.

    >>> with asyncio.Runner(loop_factory=VirtualLoop) as runner:
    ...     runner.run(asyncio.sleep(3600))
    ...     runner.get_loop().time()
    3600.0
    """

    def __init__(self) -> None:
        self._now, self._jobs, self._idle_rounds = 0.0, 0, 0
        self._has_started_children = False
        self.deadline = self.max_real_wait_seconds = math.inf
        self.end_reason = ""
        self.on_swallowed_timeout: Callable[[], object] = lambda: None
        """Called if code swallowed a `VirtualTimeout` and blocks the loop again."""
        self._threads = _ThreadPerJobExecutor()
        super().__init__(_VirtualTimeSelector(self))

    def time(self) -> float:
        """Return the seconds on this loop, from 0."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Advance the time by `seconds`. Raise `VirtualTimeout` if that is past the deadline."""
        moment = self._now + max(seconds, 0.0)
        if moment > self.deadline:
            raise self.make_timeout(f"it waits past {self.deadline:g} s")
        if moment > self._now:
            self._idle_rounds = 0
        self._now = moment

    def advance_if_idle(self, moment: float) -> bool:
        """Advance the time to `moment` and return True. If the loop has something to do before, return False instead.

        If the result is True, the running code can go on at once, which saves a round of the loop.
        """
        timers = self._scheduled  # type: ignore[attr-defined]
        is_idle = not self._ready and not (timers and timers[0].when() <= moment)  # type: ignore[attr-defined]
        if not is_idle or self.end_reason or moment > self.deadline or self.has_real_waits:
            return False
        self.advance(moment - self._now)
        return True

    def advance_for_blocking_call(self, seconds: float) -> None:
        """Advance the time by `seconds` for a call that blocks the loop, such as `time.sleep`.

        If `VirtualTimeout` was raised before, call `on_swallowed_timeout` first.
        """
        if self.end_reason:
            self.on_swallowed_timeout()
        self.advance(seconds)

    def count_real_wait(self, seconds: float) -> None:
        """Advance the time by `seconds` of real waiting. Raise `VirtualTimeout` if the loop has waited too long."""
        self.max_real_wait_seconds -= seconds
        if self.max_real_wait_seconds < 0:
            raise self.make_timeout("it waits too long for what is real: a thread, a child process, a socket")
        self.advance(seconds)

    def make_timeout(self, reason: str) -> VirtualTimeout:
        """Return the error to raise. Store its reason in `end_reason` too, since the code may swallow the error."""
        self.end_reason = self.end_reason or reason
        return VirtualTimeout(reason)

    def abandon(self) -> None:
        """Close the loop. If it still runs in an abandoned thread, only release its file descriptors.

        Unfinished tasks are kept from garbage collection, since some code would run forever if its task were collected.
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
        """True if the loop waits in real time for a job in a thread, for a child process to end, or for a socket."""
        if len(self._selector.get_map()) > 1:  # type: ignore[attr-defined] # one is its own, which threads write to
            return True
        return self._jobs > 0 or (self._has_started_children and _is_watching_children())

    def count_idle_round(self) -> None:
        """Count a round in which no time has passed. Raise `VirtualTimeout` after too many."""
        self._idle_rounds += 1
        if self._idle_rounds > IDLE_ROUNDS_LIMIT:
            self._idle_rounds = 0
            raise self.make_timeout("it goes in circles without waiting")

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """Run a function in a thread; the loop waits for it in real time."""
        future = super().run_in_executor(self._threads if executor is None else executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._finish_job)
        return future

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        """Start a child process; the loop waits for it in real time."""
        self._has_started_children = True
        return await super().subprocess_exec(*args, **kwargs)

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        """Start a child process with a shell; the loop waits for it in real time."""
        self._has_started_children = True
        return await super().subprocess_shell(*args, **kwargs)

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait in real time for the loop's own threads to end."""
        self._jobs += 1
        try:
            while any(thread.is_alive() for thread in self._threads.started):  # noqa: ASYNC110 - a thread's end sends no event
                await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)
        finally:
            self._jobs -= 1

    def _finish_job(self, future: object) -> None:
        self._jobs -= 1


def _is_watching_children() -> bool:
    """Return whether a thread of asyncio waits for a child process to end."""
    return any(thread.name.startswith(_CHILD_WATCHER_PREFIX) for thread in threading.enumerate())


class _ThreadPerJobExecutor(Executor):
    """Runs each job in a thread of its own. The process does not wait for these threads, as a job may never end."""

    def __init__(self) -> None:
        self.started: list[threading.Thread] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a job in a new thread."""
        future: Future[T] = Future()

        def run_job() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # the code that awaits the future gets it
                future.set_exception(error)

        future.set_running_or_notify_cancel()
        self.started.append(threading.Thread(target=run_job, daemon=True))
        self.started[-1].start()
        return future


class _VirtualTimeSelector(selectors.DefaultSelector):
    """A selector that moves the loop's time to its next timer instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            self._loop.count_idle_round()
            return found
        if self._loop.has_real_waits:
            started = _REAL_MONOTONIC()
            found = super().select(
                _SECONDS_BETWEEN_CHECKS if timeout is None else min(timeout, _SECONDS_BETWEEN_CHECKS)
            )
            self._loop.count_real_wait(_REAL_MONOTONIC() - started)
            return found
        if timeout is None:
            raise self._loop.make_timeout("it waits for something that nothing will bring")
        self._loop.advance(timeout)
        return []


_REAL_MONOTONIC = time.monotonic
_SECONDS_BETWEEN_CHECKS = 0.05
"""Real seconds between checks for the end of real work, which may come without an event."""
_CHILD_WATCHER_PREFIX = "asyncio-waitpid-"
"""The prefix of the names of threads in which asyncio waits for child processes."""


class LoopClock:
    """A clock (in the form of `Clock`) that follows the time of a `VirtualLoop`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """Return the seconds on the loop."""
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        """Block the loop for `seconds` of virtual time."""
        self._loop.advance_for_blocking_call(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """Wait on the loop for `seconds` of virtual time."""
        await asyncio.sleep(max(seconds, 0.0))

    def reach_without_waiting(self, moment: float) -> bool:
        """Advance the loop to `moment` if it has nothing to do before. Return whether it has reached `moment`."""
        return self._loop.time() >= moment or self._loop.advance_if_idle(moment)


_UNITS_PER_SECOND_BY_CLOCK = {
    **dict.fromkeys(("time", "monotonic", "perf_counter"), 1),
    **dict.fromkeys(("time_ns", "monotonic_ns", "perf_counter_ns"), 10**9),
}
"""The clocks of `time` that follow the loop, each with its units per second."""


@contextmanager
def patch_time(loop: VirtualLoop) -> Iterator[None]:
    """Make `time.sleep` and the clocks of `time` follow the loop inside the context.

    The clocks are `time`, `monotonic` and `perf_counter`, in seconds and nanoseconds. Names that were imported before
    (`from time import sleep`), `datetime.now`, and waits of `threading` and `queue` keep real time.
    """
    with ExitStack() as patches:
        patches.enter_context(replace_attribute(time, "sleep", loop.advance_for_blocking_call))
        for name, units in _UNITS_PER_SECOND_BY_CLOCK.items():
            clock = _make_virtual_clock_function(loop, getattr(time, name)(), units)
            patches.enter_context(replace_attribute(time, name, clock))
        yield


def _make_virtual_clock_function(loop: VirtualLoop, start: Any, units_per_second: int) -> Callable[[], Any]:
    """Return a function like `time.time` that starts at the real time `start`, and then follows the loop's time."""
    return lambda: start + type(start)(loop.time() * units_per_second)
