"""The shipped agent: it talks to the Messages API, runs tools, and loses no turn whatever happens."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from flag_harness.clock import Clock
from flag_harness.errors import FlagError
from flag_harness.files import remove_abandoned_parts
from flag_harness.models import DEFAULT_MODEL, find
from flag_harness.reference.context import store
from flag_harness.reference.context.context import Context
from flag_harness.reference.context.conversation import awaits_answer, with_user
from flag_harness.reference.context.heal import healed, transition_prompt
from flag_harness.reference.events import AgentError, Event, Transition
from flag_harness.reference.logs import event as log
from flag_harness.reference.request.failure import Failure, TurnError
from flag_harness.reference.request.limits import broken_limit
from flag_harness.reference.request.request import Brief
from flag_harness.reference.request.retry import RetryPolicy
from flag_harness.reference.session import LOG, Session
from flag_harness.reference.settings import PROMPT_CACHE_BETA, Settings, read_settings
from flag_harness.reference.tools.tool import DELAY, OUTPUT_LIMIT, TIMEOUT, Tool, Toolbox
from flag_harness.reference.turn import Turn

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_CLOSING_PASSES = 100
"""Passes of the event loop that a generator gets to close: more than that takes, and no time to speak of."""


class Agent:
    """A session with a model and its tools.

    `environ` is asked for the flags at each `send`. `model` is, where not given, that of `context`, else the default.
    `parameters` are further request parameters. Where `context_path` is given, the context is saved there after each
    step. `tool_delay`, `tool_timeout` (both in seconds on `clock`) and `tool_output_limit` (in characters) are those of
    `Toolbox`. The client's own retries are switched off: the agent waits on `clock`. One `send` at a time: a second one
    ends at once, with an `AgentError`. Raises `ValueError` for a parameter that the agent sets itself, and what
    `Toolbox` raises.
    """

    def __init__(
        self,
        client: "AsyncAnthropic",
        *,
        clock: Clock,
        environ: Mapping[str, str],
        model: str = "",
        system: str = "",
        tools: Sequence[Tool] = (),
        context: Context | None = None,
        context_path: Path | None = None,
        retry: RetryPolicy | None = None,
        tool_delay: float = DELAY,
        tool_timeout: float = TIMEOUT,
        tool_output_limit: int = OUTPUT_LIMIT,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self._environ = environ
        self._sending = False
        self._restored_from = context
        sound, self._healed = healed(context or Context())
        model = model or sound.model or DEFAULT_MODEL
        self._session = Session(
            client=client.with_options(max_retries=0),
            clock=clock,
            policy=retry or RetryPolicy(),
            brief=Brief(model, system, parameters or {}),
            toolbox=Toolbox(tools, clock=clock, delay=tool_delay, timeout=tool_timeout, output_limit=tool_output_limit),
            context=replace(sound, model=model).settled(),
            path=context_path,
        )

    @property
    def context(self) -> Context:
        """The session as it stands: sound at any moment, and never changed in place."""
        return self._session.context

    def save(self, path: Path) -> None:
        """Write the context to `path`, whole or not at all. Raises `ContextError`."""
        store.save(self.context, path)

    @classmethod
    def restore(cls, path: Path, client: "AsyncAnthropic", **options: Any) -> Self:
        """An agent that goes on with a saved session, mended where it was interrupted; `options` are the constructor's.

        Where something was mended or the flags have changed since, the model is told so in front of the next user's
        text. What savers that were killed have left beside the file is removed. Raises `ContextError`.
        """
        remove_abandoned_parts(path)
        return cls(client, context=store.load(path), **options)

    async def send(self, text: str | None) -> AsyncGenerator[Event, None]:
        """Say `text` and go through the turn to its end; with None, go on with a user's turn that has no answer yet.

        An unanswered turn is kept, and the text joins it. The last event is `TurnEnded` or `AgentError`. Nothing is
        raised but what is no `Exception`: refusals of the harness, and cancellation, after which `send` goes on.
        """
        if await self._is_sending():
            yield self._told(Failure("busy", "another send of this agent is under way; wait for its end, or close it"))
            return
        self._sending = True
        try:
            self._mend()
            self._accept(text)
            async with aclosing(self._turn(text)) as events:
                async for event in events:
                    yield event
        except TurnError as error:
            yield self._told(error.failure)
        except Exception as error:
            LOG.exception("unexpected")
            yield self._told(Failure("unexpected", f"{type(error).__name__}: {error}"))
        finally:
            self._sending = False

    async def _is_sending(self) -> bool:
        """Whether another `send` is under way; one that nobody listens to any more is given the time to close."""
        for _ in range(_CLOSING_PASSES):
            if not self._sending:
                break
            await asyncio.sleep(0)
        return self._sending

    def _accept(self, text: str | None) -> None:
        if text is None and not awaits_answer(self.context.messages):
            raise TurnError(Failure("request", "there is no unanswered turn to go on with; send a text"))
        if text is not None and not text.strip():
            raise TurnError(Failure("request", "the text is empty, which the API does not take; send some words"))
        if text is not None and not _is_sendable(text):
            raise TurnError(Failure("request", "the text holds half a surrogate pair, which is no character; mend it"))

    async def _turn(self, text: str | None) -> AsyncGenerator[Event, None]:
        settings = self._settings(text)
        transition = self._transition(settings.combination)
        self._keep_user(text, settings.combination, transition)
        if transition is not None:
            yield Transition(self._session.clock.now(), transition)
        legacy_beta = self._environ.get(PROMPT_CACHE_BETA, "").strip()
        async with aclosing(Turn(self._session, settings, legacy_beta).events()) as events:
            async for event in events:
                yield event

    def _mend(self) -> None:
        """What a cancellation has left in this session; the results of the calls tell the model."""
        sound, notes = healed(self.context)
        if notes:
            log(LOG, logging.WARNING, "healed", notes=notes)
            self._session.context = sound.settled()

    def _settings(self, text: str | None) -> Settings:
        """The flags as they are now. Raises `TurnError` where they ask for too much; the user's turn is kept."""
        try:
            settings = read_settings(self._environ)
            problem = broken_limit(settings, find(self._session.brief.model))
        except FlagError as error:
            problem = str(error)
        if problem is not None:
            self._keep_user(text, self.context.combination, None)
            raise TurnError(Failure("limit", problem))
        return settings

    def _transition(self, combination: str) -> str | None:
        if self._restored_from is None:
            return None
        before, self._restored_from = self._restored_from, None
        return transition_prompt(before, combination, self._healed)

    def _keep_user(self, text: str | None, combination: str | None, transition: str | None) -> None:
        self._session.keep(messages=with_user(self.context.messages, text, transition), combination=combination)

    def _told(self, failure: Failure) -> AgentError:
        log(LOG, logging.ERROR, "error", kind=failure.kind, status=failure.status, reason=failure.message)
        return AgentError(self._session.clock.now(), failure.kind, failure.message, failure.status, failure.request_id)


def _is_sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
