"""Make asyncio's event loops follow a test's clock. Other loops (uvloop, trio, Windows' proactor) keep real time."""

import asyncio
import math
import selectors
from asyncio import futures
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flag_harness.transports.virtual_time.pending_work import real_perf_counter
from flag_harness.transports.virtual_time.shared_clock import SharedClock, ThreadWait, watches_foreign_sockets

_MAX_IDLE_ROUNDS = 1000
"""The most rounds of an event loop, one after the other without a wait, during which virtual time stands still."""
_asyncio_sleep_callback: Any = futures._set_result_unless_cancelled  # type: ignore[attr-defined]
"""The function that the timer of `asyncio.sleep` calls. It identifies such timers."""


def adopt_loop(loop: Any, clock: SharedClock) -> None:
    """Make an event loop follow the clock from now on.

    Do nothing unless the loop is a usual asyncio loop, with a selector and asyncio's own `time`.
    """
    if loop in clock.loops or not isinstance(loop, asyncio.BaseEventLoop):
        return
    selector = getattr(loop, "_selector", None)
    if type(loop).time is not asyncio.BaseEventLoop.time or not isinstance(selector, selectors.BaseSelector):
        return
    loop.time = _VirtualLoopTime(clock, loop.time() - clock.now())  # type: ignore[method-assign]
    selector.select = _VirtualSelect(loop, clock, selector.select)  # type: ignore[method-assign]
    clock.loops.add(loop)


def release_loop(loop: Any, clock: SharedClock) -> None:
    """Let a loop run in real time again. Its time continues from its current value, so its timers stay in order."""
    if not loop.is_closed():
        moment = loop.time()
        del loop.time, loop._selector.select
        loop.time = _VirtualLoopTime(None, moment - real_perf_counter())
    clock.loops.discard(loop)


@dataclass(eq=False, slots=True)
class _VirtualLoopTime:
    """The `time` function of an event loop: `offset` plus the time of `clock`, or real time if `clock` is None."""

    clock: SharedClock | None
    offset: float

    def __call__(self) -> float:
        return self.offset + (real_perf_counter() if self.clock is None else self.clock.now())


class _VirtualSelect:
    """Replaces a selector's `select`: if no other work is left, time jumps to the loop's next timer."""

    def __init__(self, loop: Any, clock: SharedClock, select: Callable[..., Any]) -> None:
        self._loop, self._clock, self._select = loop, clock, select
        self._idle_rounds, self._last_wait = 0, real_perf_counter()

    def __call__(self, timeout: float | None = None) -> Any:
        found = self._select(0)
        if found or (timeout is not None and timeout <= 0):
            self._count_round_without_wait(bool(found))
            return found
        self._idle_rounds = 0
        if not self._clock.is_virtual_in_current_thread():
            return self._call_real_select(timeout)
        if timeout is None:
            with self._clock.register_wait(self._make_wait(math.inf)):
                return self._select(None)
        found = self._clock.wait_until(self._make_wait(timeout), self._select)
        self._last_wait = real_perf_counter()
        return found or []

    def _call_real_select(self, timeout: float | None) -> Any:
        """Wait in real time with the original `select`, and advance the clock by the time that has passed."""
        started = real_perf_counter()
        try:
            return self._select(timeout)
        finally:
            self._clock.count_real_wait(started)
            self._last_wait = real_perf_counter()

    def _make_wait(self, timeout: float) -> ThreadWait:
        """Return a `ThreadWait` for the loop's next timer, which is due in `timeout` seconds.

        The wait counts as a sleep if any task of the loop sleeps, even if the next timer is a deadline.
        """
        loop, clock = self._loop, self._clock
        is_sleep = clock.has_delayed_answers or any(
            timer._callback is _asyncio_sleep_callback and not timer._cancelled for timer in loop._scheduled
        )
        return ThreadWait(
            clock.now() + timeout, is_sleep, lambda: bool(loop._ready), lambda: watches_foreign_sockets(loop)
        )

    def _count_round_without_wait(self, found_ready_descriptor: bool) -> None:
        """Count a round in which the loop did not wait. After `_MAX_IDLE_ROUNDS` of them, advance the clock by their
        real time.

        `found_ready_descriptor` is true if a socket or pipe was ready.
        """
        if found_ready_descriptor:
            self._clock.pending.restart_idle_time()
        self._idle_rounds += 1
        if self._idle_rounds > _MAX_IDLE_ROUNDS:
            self._clock.count_real_wait(self._last_wait)
