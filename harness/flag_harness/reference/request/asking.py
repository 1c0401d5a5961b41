"""One question to the API until it has its answer: retries, and features that are dropped on the way."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from flag_harness.reference.events import BlockDropped, Event, FeatureDropped, RequestUsage, TurnDiscarded, Waiting
from flag_harness.reference.logs import event as log
from flag_harness.reference.request.attempt import Attempt, AttemptError
from flag_harness.reference.request.failure import Failure, TurnError
from flag_harness.reference.request.fallback import named_features
from flag_harness.reference.request.refused_block import without_refused_block
from flag_harness.reference.request.request import Prepared, prepare, usable_tools
from flag_harness.reference.request.retry import Attempts
from flag_harness.reference.request.stream import Answer
from flag_harness.reference.session import LOG, Session
from flag_harness.reference.settings import Settings
from flag_harness.reference.tools.tool import Toolbox
from flag_harness.wire.usage import Usage


class Asking:
    """Asks for the next answer to the session's messages. Once `events` is exhausted, `answer` is there."""

    def __init__(self, session: Session, settings: Settings, legacy_beta: str) -> None:
        self._session, self._settings, self._legacy_beta = session, settings, legacy_beta
        self.answer: Answer

    @property
    def toolbox(self) -> Toolbox:
        """The tools that may be offered and run as things stand."""
        if not self._settings.tools:
            return Toolbox((), clock=self._session.clock)
        return usable_tools(self._session.toolbox, self._session.context.dropped)

    async def events(self) -> AsyncGenerator[Event, None]:
        """What happens until the answer is there. Raises `TurnError` where there will be none."""
        clock = self._session.clock
        attempts = Attempts(self._session.policy, clock.now())
        while True:
            prepared = self._prepared()
            attempt = Attempt(self._session.client, prepared, clock, self._session.policy.silence)
            try:
                async with aclosing(attempt.events()) as deltas:
                    async for delta in deltas:
                        yield delta
            except AttemptError as error:
                failure, begun, usage = error.failure, error.begun, error.usage
            else:
                yield self._answered(attempt)
                return
            if begun:
                yield self._discarded(failure, usage)
            if features := named_features(failure, prepared):
                for feature in features:
                    yield self._drop(feature, failure)
                continue
            if (dropped := self._without_refused_block(failure)) is not None:
                yield dropped
                continue
            yield (waiting := self._waiting(attempts, failure))
            await clock.asleep(waiting.seconds)

    def _prepared(self) -> Prepared:
        session, settings = self._session, self._settings
        prepared = prepare(
            session.brief,
            settings,
            session.context.messages,
            toolbox=self.toolbox,
            dropped=session.context.dropped,
            legacy_beta=self._legacy_beta,
        )
        log(
            LOG,
            logging.INFO,
            "request",
            model=session.brief.model,
            combination=settings.combination,
            max_tokens=prepared.arguments["max_tokens"],
            messages=len(session.context.messages),
            betas=prepared.betas,
        )
        return prepared

    def _answered(self, attempt: Attempt) -> RequestUsage:
        """Note the answer and its price. The context is kept by whoever adds the answer to it."""
        self.answer = attempt.answer
        usage, total = attempt.answer.usage, self._session.context.usage + attempt.answer.usage
        log(
            LOG,
            logging.INFO,
            "answer",
            stop_reason=attempt.answer.stop_reason,
            usage=usage.to_json(),
            first_token=attempt.first_token,
            duration=attempt.duration,
        )
        return RequestUsage(self._session.clock.now(), usage, total, attempt.first_token, attempt.duration)

    def _discarded(self, failure: Failure, usage: Usage) -> TurnDiscarded:
        """What an answer has cost is spent, whether it could be used or not."""
        log(LOG, logging.WARNING, "turn_discarded", reason=failure.message, usage=usage.to_json())
        if usage != Usage():
            self._session.keep(usage=self._session.context.usage + usage)
        return TurnDiscarded(self._session.clock.now(), failure.message, usage)

    def _drop(self, feature: str, failure: Failure) -> FeatureDropped:
        log(LOG, logging.WARNING, "feature_dropped", feature=feature, reason=failure.message)
        self._session.keep(dropped=(*self._session.context.dropped, feature))
        return FeatureDropped(self._session.clock.now(), feature, failure.message)

    def _without_refused_block(self, failure: Failure) -> BlockDropped | None:
        found = without_refused_block(self._session.context, failure)
        if found is None:
            return None
        context, block = found
        log(LOG, logging.WARNING, "block_dropped", block=block, reason=failure.message)
        self._session.adopt(context)
        return BlockDropped(self._session.clock.now(), block, failure.message)

    def _waiting(self, attempts: Attempts, failure: Failure) -> Waiting:
        now = self._session.clock.now()
        seconds = attempts.wait_after(failure, now)
        if seconds is None:
            raise TurnError(attempts.told(failure, now))
        log(LOG, logging.WARNING, "retry", attempt=attempts.failed, seconds=seconds, reason=failure.message)
        return Waiting(now, seconds, failure.message)
