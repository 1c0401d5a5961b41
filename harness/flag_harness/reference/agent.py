"""The reference agent: it calls the Messages API, runs tools, and keeps every turn even after errors."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from flag_harness.clock import Clock
from flag_harness.errors import FlagError
from flag_harness.files import remove_abandoned_temporary_files
from flag_harness.models import DEFAULT_MODEL, find_model
from flag_harness.reference.context import store
from flag_harness.reference.context.context import ConversationContext
from flag_harness.reference.context.conversation import add_user_turn, ends_with_user_turn
from flag_harness.reference.context.repair import make_transition_prompt, repair_context
from flag_harness.reference.events import AgentError, Event, RestoreNote
from flag_harness.reference.logs import log_event
from flag_harness.reference.request.failure import RequestFailure, TurnError
from flag_harness.reference.request.limits import broken_limit_message
from flag_harness.reference.request.request import RequestTemplate
from flag_harness.reference.request.retry import RetryPolicy
from flag_harness.reference.session import AGENT_LOGGER, AgentSession
from flag_harness.reference.settings import PROMPT_CACHE_BETA, AgentSettings, read_settings
from flag_harness.reference.tools.tool import TOOL_DELAY_SECONDS, TOOL_OUTPUT_LIMIT, TOOL_TIMEOUT_SECONDS, Tool, Toolbox
from flag_harness.reference.turn import AgentTurn

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_LOOP_CYCLES_TO_CLOSE_ABANDONED_SEND = 100
"""Cycles of the event loop that an abandoned `send` gets to close itself. It needs fewer."""


class Agent:
    """A session with a model and its tools.

    Each `send` reads the flags from `environ`. `model` defaults to the model of `context`, then to the default model.
    `parameters` are further request parameters. If `context_path` is given, the context is saved there after each step.
    `tool_delay`, `tool_timeout` (both in seconds on `clock`) and `tool_output_limit` (in characters) are those of
    `Toolbox`. The client's own retries are switched off, since the agent waits on `clock`. Only one `send` can run at a
    time; a second one ends at once with an `AgentError`. Raise `ValueError` for a parameter that the agent sets itself;
    errors of `Toolbox` are passed on.
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
        context: ConversationContext | None = None,
        context_path: Path | None = None,
        retry: RetryPolicy | None = None,
        tool_delay: float = TOOL_DELAY_SECONDS,
        tool_timeout: float = TOOL_TIMEOUT_SECONDS,
        tool_output_limit: int = TOOL_OUTPUT_LIMIT,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self._environ = environ
        self._is_send_running = False
        self._restored_context = context
        sound, self._repairs = repair_context(context or ConversationContext())
        model = model or sound.model or DEFAULT_MODEL
        self._session = AgentSession(
            client=client if getattr(client, "max_retries", None) == 0 else client.with_options(max_retries=0),
            clock=clock,
            retry_policy=retry or RetryPolicy(),
            request_template=RequestTemplate(model, system, parameters or {}),
            toolbox=Toolbox(tools, clock=clock, delay=tool_delay, timeout=tool_timeout, output_limit=tool_output_limit),
            context=replace(sound, model=model).without_answered_calls(),
            context_path=context_path,
        )

    @property
    def context(self) -> ConversationContext:
        """The current state of the session: always valid, and never changed in place."""
        return self._session.context

    def save(self, path: Path) -> None:
        """Write the context to `path` atomically. Raise `ContextError` if that fails."""
        store.save_context(self.context, path)

    @classmethod
    def restore(cls, path: Path, client: "AsyncAnthropic", **options: Any) -> Self:
        """Return an agent that continues a saved session, repaired if it was interrupted.

        `options` are those of the constructor. If something was repaired, or if the flags have changed, the next user
        text is preceded by a note for the model. Partial files that killed processes have left beside the file are
        removed. Raise `ContextError` if the file cannot be restored.
        """
        remove_abandoned_temporary_files(path)
        return cls(client, context=store.load_context(path), **options)

    async def send(self, text: str | None) -> AsyncGenerator[Event, None]:
        """Send `text` and run the turn to its end; with None, continue a user turn that has no answer yet.

        An unanswered turn is kept, and the text joins it. A turn that the model refused (`TurnEnded` says `refusal`) is
        removed from the conversation, with any part of an answer; `send(None)` sends it again. The last event is
        `TurnEnded` or `AgentError`. No `Exception` is raised. A refused command and a cancellation are raised, since
        they derive from `BaseException` alone; the next `send` continues after them.
        """
        if await self._is_sending():
            yield self._log_failure(
                RequestFailure("busy", "another send of this agent is under way; wait for its end, or close it")
            )
            return
        self._is_send_running = True
        try:
            self._repair_context()
            self._check_text(text)
            async with aclosing(self._run_turn(text)) as events:
                async for event in events:
                    yield event
        except TurnError as error:
            yield self._log_failure(error.failure)
        except Exception as error:
            AGENT_LOGGER.exception("unexpected")
            yield self._log_failure(RequestFailure("unexpected", f"{type(error).__name__}: {error}"))
        finally:
            self._is_send_running = False

    async def _is_sending(self) -> bool:
        """Return whether another `send` is running. If its generator was abandoned, first give it some time to
        close.
        """
        for _ in range(_LOOP_CYCLES_TO_CLOSE_ABANDONED_SEND):
            if not self._is_send_running:
                break
            await asyncio.sleep(0)
        return self._is_send_running

    def _check_text(self, text: str | None) -> None:
        if text is None and self._session.refused_messages is None and not ends_with_user_turn(self.context.messages):
            raise TurnError(RequestFailure("request", "there is no unanswered turn to continue; send a text"))
        if text is not None and not text.strip():
            raise TurnError(
                RequestFailure("request", "the text is empty, which the API does not accept; send some words")
            )
        if text is not None and not _is_sendable(text):
            raise TurnError(
                RequestFailure("request", "the text holds half a surrogate pair, which is not a character; remove it")
            )

    async def _run_turn(self, text: str | None) -> AsyncGenerator[Event, None]:
        settings = self._read_settings(text)
        prompt = self._take_transition_prompt(settings.combination)
        if text is None and self._session.refused_messages is not None:
            self._session.update_context(messages=self._session.refused_messages)
        self._session.refused_messages = None
        self._add_user_turn(text, settings.combination, prompt)
        if prompt is not None:
            yield RestoreNote(self._session.clock.now(), prompt)
        legacy_beta = self._environ.get(PROMPT_CACHE_BETA, "").strip()
        async with aclosing(AgentTurn(self._session, settings, legacy_beta).events()) as events:
            async for event in events:
                yield event

    def _repair_context(self) -> None:
        """Repair a conversation that a cancellation interrupted. Tool calls without a result get error results."""
        sound, notes = repair_context(self.context)
        if notes:
            log_event(AGENT_LOGGER, logging.WARNING, "healed", notes=notes)
            self._session.context = sound.without_answered_calls()

    def _read_settings(self, text: str | None) -> AgentSettings:
        """Read the settings. If they are invalid or break a limit, keep the user's turn and raise `TurnError`."""
        try:
            settings = read_settings(self._environ)
            problem = broken_limit_message(settings, find_model(self._session.request_template.model))
        except FlagError as error:
            problem = str(error)
        if problem is not None:
            self._add_user_turn(text, self.context.combination, None)
            raise TurnError(RequestFailure("limit", problem))
        return settings

    def _take_transition_prompt(self, combination: str) -> str | None:
        """Return the transition prompt of a restored session the first time; later, or if there is none, return None.

        `combination` is the id of the flags now.
        """
        if self._restored_context is None:
            return None
        before, self._restored_context = self._restored_context, None
        return make_transition_prompt(before, combination, self._repairs)

    def _add_user_turn(self, text: str | None, combination: str | None, transition_prompt: str | None) -> None:
        self._session.update_context(
            messages=add_user_turn(self.context.messages, text, transition_prompt), combination=combination
        )

    def _log_failure(self, failure: RequestFailure) -> AgentError:
        """Log a failure, and return it as an `AgentError` event."""
        log_event(
            AGENT_LOGGER, logging.ERROR, "error", kind=failure.kind, status=failure.status, reason=failure.message
        )
        return AgentError(self._session.clock.now(), failure.kind, failure.message, failure.status, failure.request_id)


def _is_sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
