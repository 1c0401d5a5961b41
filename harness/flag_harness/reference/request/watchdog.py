"""End a request attempt that makes no progress, for example if an open connection sends nothing but pings."""

import asyncio
from collections.abc import Awaitable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flag_harness.clock import Clock
from flag_harness.reference.request.failure import SilentAnswerError

T = TypeVar("T")


class WaitTimeoutError(Exception):
    """A wait took too long."""


async def await_with_timeout(clock: Clock, seconds: float, waiting: Awaitable[T]) -> T:
    """Await `waiting` and return its result. Raise `WaitTimeoutError` if that takes `seconds` or more on `clock`.

    On a virtual clock no real time passes, so the clock is checked at the end, too. A timer is only set once `waiting`
    really waits, because most events of a stream arrive together with the event before.
    """
    started, steps = clock.now(), waiting.__await__()
    try:
        waits_for = next(steps)
    except StopIteration as end:
        result: T = end.value
    else:
        result = await _continue_with_timeout(seconds, _StartedAwaitable(steps, waits_for))
    if clock.now() - started >= seconds:
        raise WaitTimeoutError
    return result


async def _continue_with_timeout(seconds: float, waiting: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await waiting
    except TimeoutError:
        if limit.expired():
            raise WaitTimeoutError from None
        raise


@dataclass(frozen=True, slots=True)
class _StartedAwaitable(Generic[T]):
    """Awaits the rest of an awaitable whose first step was made already.

    `steps` is the iterator of its `__await__`, and `waits_for` is what the first step waits for.
    """

    steps: Generator[Any, Any, T]
    waits_for: Any

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for what each step waits for, and pass the result or the exception to the next step."""
        waits_for = self.waits_for
        try:
            while True:
                try:
                    received = yield waits_for
                except BaseException as error:  # a cancellation, or the error of what it waits for
                    waits_for = self.steps.throw(error)
                else:
                    waits_for = self.steps.send(received)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class SilenceWatchdog:
    """Limits the time spent waiting for an answer since its last progress. The reader's own time does not count.

    The HTTP client's read timeout does not help, since it counts bytes, and pings are bytes.
    """

    def __init__(self, clock: Clock, silence: float) -> None:
        self._clock, self._silence = clock, silence
        self._waited_seconds = 0.0

    async def wait_for(self, waiting: Awaitable[T]) -> T:
        """Await `waiting` and return its result. Raise `SilentAnswerError` if the waits since `reset` take too long."""
        started = self._clock.now()
        try:
            result = await await_with_timeout(self._clock, self._silence - self._waited_seconds, waiting)
        except WaitTimeoutError:
            raise SilentAnswerError(f"nothing but pings came for {self._silence:g} s") from None
        self._waited_seconds += self._clock.now() - started
        return result

    def reset(self) -> None:
        """Start measuring the silence from 0 again, after an event that is not a ping."""
        self._waited_seconds = 0.0
