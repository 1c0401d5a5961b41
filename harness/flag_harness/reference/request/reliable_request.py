"""Get one answer from the API: retry after failures, and drop features that the API rejects."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from flag_harness.reference.events import (
    BlockDropped,
    Event,
    FeatureDropped,
    RequestUsage,
    TurnDiscarded,
    WaitingForRetry,
)
from flag_harness.reference.logs import log_event
from flag_harness.reference.request.attempt import RequestAttempt, RequestAttemptError
from flag_harness.reference.request.failure import RequestFailure, TurnError
from flag_harness.reference.request.fallback import find_rejected_features
from flag_harness.reference.request.refused_block import drop_refused_block
from flag_harness.reference.request.request import PreparedRequest, prepare_request, usable_tools
from flag_harness.reference.request.retry import RetryState
from flag_harness.reference.request.stream import ModelAnswer
from flag_harness.reference.session import AGENT_LOGGER, AgentSession
from flag_harness.reference.settings import AgentSettings
from flag_harness.reference.tools.tool import Toolbox
from flag_harness.wire.usage import Usage


class ReliableRequest:
    """Requests the next answer to the session's messages. `answer` is set once `events` has yielded everything."""

    def __init__(self, session: AgentSession, settings: AgentSettings, legacy_beta: str) -> None:
        self._session, self._settings, self._legacy_beta = session, settings, legacy_beta
        self.answer: ModelAnswer

    @property
    def toolbox(self) -> Toolbox:
        """The tools that the model may call under the current settings."""
        if not self._settings.tools_enabled:
            return Toolbox((), clock=self._session.clock)
        return usable_tools(self._session.toolbox, self._session.context.dropped_features)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield events until the answer is complete. Raise `TurnError` if no attempt succeeds."""
        clock = self._session.clock
        attempts = RetryState(self._session.retry_policy, clock.now())
        while True:
            prepared = self._prepare_and_log_request()
            attempt = RequestAttempt(self._session.client, prepared, clock, self._session.retry_policy.max_silence)
            try:
                async with aclosing(attempt.events()) as deltas:
                    async for delta in deltas:
                        yield delta
            except RequestAttemptError as error:
                failure, started, usage = error.failure, error.has_partial_answer, error.usage
            else:
                yield self._store_answer(attempt)
                return
            if started:
                yield self._log_discarded_answer(failure, usage)
            if features := find_rejected_features(failure, prepared):
                for feature in features:
                    yield self._drop_feature(feature, failure)
                continue
            if (dropped := self._drop_refused_block(failure)) is not None:
                yield dropped
                continue
            yield (waiting := self._wait_before_retry(attempts, failure))
            await clock.async_sleep(waiting.seconds)

    def _prepare_and_log_request(self) -> PreparedRequest:
        session, settings = self._session, self._settings
        prepared = prepare_request(
            session.request_template,
            settings,
            session.context.messages,
            toolbox=self.toolbox,
            dropped_features=session.context.dropped_features,
            legacy_beta=self._legacy_beta,
        )
        log_event(
            AGENT_LOGGER,
            logging.INFO,
            "request",
            model=session.request_template.model,
            combination=settings.combination,
            max_tokens=prepared.arguments["max_tokens"],
            messages=len(session.context.messages),
            betas=prepared.betas,
        )
        return prepared

    def _store_answer(self, attempt: RequestAttempt) -> RequestUsage:
        """Store the answer in `answer`, log its usage, and return the usage as an event.

        The caller adds the answer to the context.
        """
        self.answer = attempt.answer
        usage, total = attempt.answer.usage, self._session.context.usage + attempt.answer.usage
        log_event(
            AGENT_LOGGER,
            logging.INFO,
            "answer",
            stop_reason=attempt.answer.stop_reason,
            usage=usage.to_json(),
            first_token=attempt.first_token_seconds,
            duration=attempt.total_seconds,
        )
        return RequestUsage(self._session.clock.now(), usage, total, attempt.first_token_seconds, attempt.total_seconds)

    def _log_discarded_answer(self, failure: RequestFailure, usage: Usage) -> TurnDiscarded:
        """Log a discarded answer, and add its tokens to the session's usage."""
        log_event(AGENT_LOGGER, logging.WARNING, "turn_discarded", reason=failure.message, usage=usage.to_json())
        if usage != Usage():
            self._session.update_context(usage=self._session.context.usage + usage)
        return TurnDiscarded(self._session.clock.now(), failure.message, usage)

    def _drop_feature(self, feature: str, failure: RequestFailure) -> FeatureDropped:
        log_event(AGENT_LOGGER, logging.WARNING, "feature_dropped", feature=feature, reason=failure.message)
        self._session.update_context(dropped_features=(*self._session.context.dropped_features, feature))
        return FeatureDropped(self._session.clock.now(), feature, failure.message)

    def _drop_refused_block(self, failure: RequestFailure) -> BlockDropped | None:
        found = drop_refused_block(self._session.context, failure)
        if found is None:
            return None
        context, block = found
        log_event(AGENT_LOGGER, logging.WARNING, "block_dropped", block=block, reason=failure.message)
        self._session.set_context(context)
        return BlockDropped(self._session.clock.now(), block, failure.message)

    def _wait_before_retry(self, state: RetryState, failure: RequestFailure) -> WaitingForRetry:
        now = self._session.clock.now()
        seconds = state.count_failed_attempt(failure, now)
        if seconds is None:
            raise TurnError(state.with_message_for_user(failure, now))
        log_event(
            AGENT_LOGGER,
            logging.WARNING,
            "retry",
            attempt=state.failed_count,
            seconds=seconds,
            reason=failure.message,
        )
        return WaitingForRetry(now, seconds, failure.message)
