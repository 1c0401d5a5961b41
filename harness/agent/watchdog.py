"""Watches that an answer makes progress: a connection that is alive may still bring nothing."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from harness.agent.failure import SilentAnswerError
from harness.clock import Clock

T = TypeVar("T")


class Watchdog:
    """Counts the seconds that were waited for an answer since it last made progress; the reader's own time is none.

    The HTTP client's read timeout watches bytes, and pings are bytes. Where time is data nobody waits, so the silence
    shows when it is over.
    """

    def __init__(self, clock: Clock, silence: float) -> None:
        self._clock, self._silence = clock, silence
        self._waited = 0.0

    async def waited_for(self, waiting: Awaitable[T]) -> T:
        """What `waiting` brings. Raises `SilentAnswerError` where that has taken, with waits before it, too long."""
        started = self._clock.now()
        try:
            async with asyncio.timeout(self._silence - self._waited) as limit:
                found = await waiting
        except TimeoutError:
            if limit.expired():
                raise self._silent() from None
            raise
        self._waited += self._clock.now() - started
        if self._waited >= self._silence:
            raise self._silent()
        return found

    def progress(self) -> None:
        """Something came that is no ping."""
        self._waited = 0.0

    def _silent(self) -> SilentAnswerError:
        return SilentAnswerError(f"nothing but pings came for {self._silence:g} s")
