"""One attempt at a request: it is sent, and its answer read as it comes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from flag_harness.clock import Clock
from flag_harness.reference.events import TextDelta, ThinkingDelta
from flag_harness.reference.request.failure import Failure, of_asking, of_reading
from flag_harness.reference.request.request import Prepared
from flag_harness.reference.request.stream import Answer, Assembler, shown, whole_answer
from flag_harness.reference.request.watchdog import Watchdog
from flag_harness.wire.usage import Usage

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_FIRST = "content_block_delta"
_LAST_SECONDS = 1.0
"""How long the end of the body may take after `message_stop`, which is the end of the answer."""
_END = object()


class AttemptError(Exception):
    """The attempt came to nothing. `begun`: part of an answer had arrived, and may have been shown; it cost `usage`."""

    def __init__(self, failure: Failure, begun: bool, usage: Usage) -> None:
        super().__init__(failure.message)
        self.failure, self.begun, self.usage = failure, begun, usage


class Attempt:
    """One request and its answer. A stream that brings nothing but pings for `silence` seconds is broken.

    Once `events` is exhausted, `answer` is there, and `first_token` and `duration` are in seconds from the sending.
    """

    def __init__(self, client: "AsyncAnthropic", prepared: Prepared, clock: Clock, silence: float) -> None:
        self._client, self._prepared, self._clock, self._silence = client, prepared, clock, silence
        self._sent = clock.now()
        self._assembler = Assembler()
        self.answer: Answer
        self.first_token: float | None = None
        self.duration = 0.0

    async def events(self) -> AsyncGenerator[TextDelta | ThinkingDelta, None]:
        """Send the request; what there is to read of the answer, as it comes. Raises `AttemptError`."""
        watchdog = Watchdog(self._clock, self._silence)
        sending = self._prepared.send(self._client)
        try:
            reply = await (watchdog.waited_for(sending) if self._prepared.streams else sending)
        except Exception as error:
            raise AttemptError(of_asking(error), begun=False, usage=Usage()) from error
        try:
            if self._prepared.streams:
                async with reply, aclosing(self._streamed(reply, watchdog)) as deltas:
                    async for event in deltas:
                        yield event
            else:
                self.answer = whole_answer(reply)
                for event in shown(self.answer, self._clock.now()):
                    yield event
        except Exception as error:
            failure = of_reading(error)
            raise AttemptError(failure, begun=self._prepared.streams, usage=self._assembler.usage) from error
        self.duration = self._clock.now() - self._sent
        if not self._prepared.streams and self.answer.content:
            self.first_token = self.duration

    async def _streamed(self, stream: Any, watchdog: Watchdog) -> AsyncGenerator[TextDelta | ThinkingDelta, None]:
        assembler, clock = self._assembler, self._clock
        while not assembler.complete:
            raw = await watchdog.waited_for(anext(stream, _END))
            if raw is _END:
                break
            at = clock.now()
            watchdog.progress()  # the SDK keeps pings to itself
            delta = assembler.feed(raw, at)
            if self.first_token is None and getattr(raw, "type", None) == _FIRST:
                self.first_token = at - self._sent
            if delta is not None:
                yield delta
        self.answer = assembler.finish()
        await self._read_to_the_end(stream)

    async def _read_to_the_end(self, stream: Any) -> None:
        """What breaks after `message_stop`, breaks nothing; a body read to its end leaves its connection usable."""
        watchdog = Watchdog(self._clock, _LAST_SECONDS)
        with suppress(Exception):
            while await watchdog.waited_for(anext(stream, _END)) is not _END:
                pass
