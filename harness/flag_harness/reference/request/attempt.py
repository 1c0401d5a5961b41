"""One attempt at a request: send it, and read its answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from flag_harness.clock import Clock
from flag_harness.reference.events import TextDelta, ThinkingDelta
from flag_harness.reference.request.failure import RequestFailure, failure_before_answer, failure_during_answer
from flag_harness.reference.request.request import PreparedRequest
from flag_harness.reference.request.stream import (
    AnswerAssembler,
    ModelAnswer,
    deltas_of_answer,
    make_answer_from_message,
)
from flag_harness.reference.request.watchdog import SilenceWatchdog
from flag_harness.wire.usage import Usage

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_FIRST_DELTA_EVENT = "content_block_delta"
_SECONDS_AFTER_MESSAGE_STOP = 1.0
"""Seconds that the connection may stay open after `message_stop`, which ends the answer."""
_END_OF_STREAM = object()


class RequestAttemptError(Exception):
    """A request attempt failed. `has_partial_answer` is True if part of an answer had arrived, which may have been
    shown. `usage` has the tokens of that part.
    """

    def __init__(self, failure: RequestFailure, has_partial_answer: bool, usage: Usage) -> None:
        super().__init__(failure.message)
        self.failure, self.has_partial_answer, self.usage = failure, has_partial_answer, usage


class RequestAttempt:
    """One request and its answer. A stream counts as broken if it sends only pings for `max_silence` seconds.

    `answer` is set once `events` has yielded everything. `first_token_seconds` and `total_seconds` are the times of the
    first delta and of the end, in seconds since the request was sent.
    """

    def __init__(self, client: "AsyncAnthropic", prepared: PreparedRequest, clock: Clock, max_silence: float) -> None:
        self._client, self._prepared, self._clock, self._max_silence = client, prepared, clock, max_silence
        self._sent_at = clock.now()
        self._assembler = AnswerAssembler()
        self.answer: ModelAnswer
        self.first_token_seconds: float | None = None
        self.total_seconds = 0.0

    async def events(self) -> AsyncGenerator[TextDelta | ThinkingDelta, None]:
        """Send the request, and yield the deltas of its answer on arrival. Raise `RequestAttemptError` if it fails."""
        watchdog = SilenceWatchdog(self._clock, self._max_silence)
        sending = self._prepared.send(self._client)
        try:
            reply = await (watchdog.wait_for(sending) if self._prepared.is_streaming else sending)
        except Exception as error:
            raise RequestAttemptError(failure_before_answer(error), has_partial_answer=False, usage=Usage()) from error
        try:
            if self._prepared.is_streaming:
                async with reply, aclosing(self._read_stream(reply, watchdog)) as deltas:
                    async for event in deltas:
                        yield event
            else:
                self.answer = make_answer_from_message(reply)
                for event in deltas_of_answer(self.answer, self._clock.now()):
                    yield event
        except Exception as error:
            failure = failure_during_answer(error)
            raise RequestAttemptError(
                failure, has_partial_answer=self._prepared.is_streaming, usage=self._assembler.usage
            ) from error
        self.total_seconds = self._clock.now() - self._sent_at
        if not self._prepared.is_streaming and self.answer.content:
            self.first_token_seconds = self.total_seconds

    async def _read_stream(
        self, stream: Any, watchdog: SilenceWatchdog
    ) -> AsyncGenerator[TextDelta | ThinkingDelta, None]:
        assembler, clock = self._assembler, self._clock
        while not assembler.is_complete:
            event = await watchdog.wait_for(anext(stream, _END_OF_STREAM))
            if event is _END_OF_STREAM:
                break
            at = clock.now()
            watchdog.reset()  # the SDK does not pass pings on
            delta = assembler.add_event(event, at)
            if self.first_token_seconds is None and getattr(event, "type", None) == _FIRST_DELTA_EVENT:
                self.first_token_seconds = at - self._sent_at
            if delta is not None:
                yield delta
        self.answer = assembler.finish_answer()
        await self._read_to_end(stream)

    async def _read_to_end(self, stream: Any) -> None:
        """Read the body to its end, so that its connection can be reused; ignore errors after `message_stop`."""
        watchdog = SilenceWatchdog(self._clock, _SECONDS_AFTER_MESSAGE_STOP)
        with suppress(Exception):
            while await watchdog.wait_for(anext(stream, _END_OF_STREAM)) is not _END_OF_STREAM:
                pass
