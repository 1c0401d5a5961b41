"""End a request attempt that makes no progress, for example if an open connection sends nothing but pings."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from flag_harness.clock import Clock
from flag_harness.reference.request.failure import SilentAnswerError

T = TypeVar("T")


class WaitTimeoutError(Exception):
    """A wait took too long."""


async def await_with_timeout(clock: Clock, seconds: float, awaitable: Awaitable[T]) -> T:
    """Await `awaitable` and return its result. Raise `WaitTimeoutError` if it takes `seconds` or more.

    On a virtual clock no real time passes, so the clock is checked at the end too.
    """
    started = clock.now()
    try:
        async with asyncio.timeout(seconds) as limit:
            result = await awaitable
    except TimeoutError:
        if limit.expired():
            raise WaitTimeoutError from None
        raise
    if clock.now() - started >= seconds:
        raise WaitTimeoutError
    return result


class SilenceWatchdog:
    """Raises an error if an answer makes no progress for `max_silence` seconds. Only the time in `wait_for` counts.

    The HTTP client's read timeout does not help, since pings are bytes, too, and each byte restarts it.
    """

    def __init__(self, clock: Clock, max_silence: float) -> None:
        self._clock, self._silence = clock, max_silence
        self._waited_seconds = 0.0

    async def wait_for(self, awaitable: Awaitable[T]) -> T:
        """Await `awaitable` and return its result.

        Raise `SilentAnswerError` if the waits since `reset` take too long.
        """
        started = self._clock.now()
        try:
            result = await await_with_timeout(self._clock, self._silence - self._waited_seconds, awaitable)
        except WaitTimeoutError:
            raise SilentAnswerError(f"nothing but pings came for {self._silence:g} s") from None
        self._waited_seconds += self._clock.now() - started
        return result

    def reset(self) -> None:
        """Start measuring the time without progress from 0 again, after an event that is not a ping."""
        self._waited_seconds = 0.0
