"""Watches that an answer makes progress: a connection that is alive may still bring nothing."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from flag_harness.clock import Clock
from flag_harness.reference.request.failure import SilentAnswerError

T = TypeVar("T")


class TimeIsUpError(Exception):
    """What was waited for took too long."""


async def within(clock: Clock, seconds: float, waiting: Awaitable[T]) -> T:
    """What `waiting` brings. Raises `TimeIsUpError` where that takes `seconds` or more.

    Where time is data nobody waits, so that shows when it is over.
    """
    started = clock.now()
    try:
        async with asyncio.timeout(seconds) as limit:
            found = await waiting
    except TimeoutError:
        if limit.expired():
            raise TimeIsUpError from None
        raise
    if clock.now() - started >= seconds:
        raise TimeIsUpError
    return found


class Watchdog:
    """Counts the seconds that were waited for an answer since it last made progress; the reader's own time is none.

    The HTTP client's read timeout watches bytes, and pings are bytes.
    """

    def __init__(self, clock: Clock, silence: float) -> None:
        self._clock, self._silence = clock, silence
        self._waited = 0.0

    async def waited_for(self, waiting: Awaitable[T]) -> T:
        """What `waiting` brings. Raises `SilentAnswerError` where that has taken, with waits before it, too long."""
        started = self._clock.now()
        try:
            found = await within(self._clock, self._silence - self._waited, waiting)
        except TimeIsUpError:
            raise SilentAnswerError(f"nothing but pings came for {self._silence:g} s") from None
        self._waited += self._clock.now() - started
        return found

    def progress(self) -> None:
        """Something came that is no ping."""
        self._waited = 0.0
