"""One attempt at a request: it is sent, and its answer read as it comes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from harness.agent.events import TextDelta, ThinkingDelta
from harness.agent.failure import Failure, of_asking, of_reading
from harness.agent.request import Prepared
from harness.agent.stream import Answer, Assembler, shown, whole_answer
from harness.clock import Clock

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_FIRST = "content_block_delta"


class AttemptError(Exception):
    """The attempt came to nothing. `begun`: part of an answer had arrived, and may have been shown."""

    def __init__(self, failure: Failure, begun: bool) -> None:
        super().__init__(failure.message)
        self.failure, self.begun = failure, begun


class Attempt:
    """One request and its answer.

    Once `events` is exhausted, `answer` is there, and `first_token` and `duration` are in seconds from the sending.
    """

    def __init__(self, client: "AsyncAnthropic", prepared: Prepared, clock: Clock) -> None:
        self._client, self._prepared, self._clock = client, prepared, clock
        self._sent = clock.now()
        self.answer: Answer
        self.first_token: float | None = None
        self.duration = 0.0

    async def events(self) -> AsyncGenerator[TextDelta | ThinkingDelta, None]:
        """Send the request; what there is to read of the answer, as it comes. Raises `AttemptError`."""
        try:
            reply = await self._prepared.send(self._client)
        except Exception as error:
            raise AttemptError(of_asking(error), begun=False) from error
        try:
            if self._prepared.streams:
                async with reply, aclosing(self._streamed(reply)) as deltas:
                    async for event in deltas:
                        yield event
            else:
                self.answer = whole_answer(reply)
                for event in shown(self.answer, self._clock.now()):
                    yield event
        except Exception as error:
            raise AttemptError(of_reading(error), begun=self._prepared.streams) from error
        self.duration = self._clock.now() - self._sent
        if not self._prepared.streams and self.answer.content:
            self.first_token = self.duration

    async def _streamed(self, stream: Any) -> AsyncGenerator[TextDelta | ThinkingDelta, None]:
        """The end of the answer is `message_stop`: what breaks after it, breaks nothing."""
        assembler, clock = Assembler(), self._clock
        try:
            async for raw in stream:
                at = clock.now()
                delta = assembler.feed(raw, at)
                if self.first_token is None and getattr(raw, "type", None) == _FIRST:
                    self.first_token = at - self._sent
                if delta is not None:
                    yield delta
        except Exception:
            if not assembler.complete:
                raise
        self.answer = assembler.finish()
