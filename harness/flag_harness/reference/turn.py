"""One turn: the model answers, its tools run, and it answers again, until it calls no more tools."""

import logging
from collections.abc import AsyncGenerator, Container, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from flag_harness.reference.context.conversation import Messages, add_model_answer, add_tool_results, remove_last_turn
from flag_harness.reference.context.repair import INTERRUPTED_CALL_MESSAGE
from flag_harness.reference.events import Event, ToolResult, ToolUse, TurnEnded
from flag_harness.reference.logs import log_event
from flag_harness.reference.request.failure import RequestFailure, TurnError
from flag_harness.reference.request.reliable_request import ReliableRequest
from flag_harness.reference.request.stream import ModelAnswer
from flag_harness.reference.session import AGENT_LOGGER, AgentSession
from flag_harness.reference.settings import AgentSettings
from flag_harness.reference.tools.tool import Toolbox, ToolCall, ToolOutcome

MAX_REQUESTS_PER_TURN = 200
"""A turn ends with an error after this many requests, since it is probably in a loop."""

MAX_TRUNCATED_CALLS_IN_A_ROW = 3
"""A turn ends with an error after this many answers in a row that were cut off inside a tool call."""

MAX_EMPTY_PAUSES_IN_A_ROW = 3
"""A turn ends with an error after this many empty answers with `pause_turn` in a row: the next request would be the
same.
"""

_PAUSE_STOP_REASON, _REFUSAL_STOP_REASON = "pause_turn", "refusal"
_STOP_REASONS_THAT_RUN_TOOLS = frozenset({"tool_use", "max_tokens", "model_context_window_exceeded"})
"""Stop reasons after which complete tool calls are run. After any other, the model did not intend its calls to run."""


class AgentTurn:
    """One turn of a session: requests and tool calls from a user message to the final answer."""

    def __init__(self, session: AgentSession, settings: AgentSettings, legacy_beta: str = "") -> None:
        self._session, self._settings, self._legacy_beta = session, settings, legacy_beta
        self._truncated_calls = self._empty_pauses = 0

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield events until the turn is complete. Raise `TurnError` if it cannot be completed."""
        for _ in range(MAX_REQUESTS_PER_TURN):
            request = ReliableRequest(self._session, self._settings, self._legacy_beta)
            async with aclosing(request.events()) as request_events:
                async for event in request_events:
                    yield event
            answer, before = request.answer, self._session.context.messages
            if answer.stop_reason == _REFUSAL_STOP_REASON:
                self._remove_refused_turn(answer)
                yield TurnEnded(self._session.clock.now(), answer.stop_reason)
                return
            self._add_answer(answer)
            async with aclosing(self._run_tool_calls(answer, request.toolbox)) as tool_events:
                async for event in tool_events:
                    yield event
            if not self._must_continue(answer):
                yield TurnEnded(self._session.clock.now(), answer.stop_reason)
                return
            self._check_progress(answer, empty=before == self._session.context.messages)
        raise TurnError(
            RequestFailure(
                "limit", f"the turn took {MAX_REQUESTS_PER_TURN} requests without coming to an end; send again"
            )
        )

    def _add_answer(self, answer: ModelAnswer) -> None:
        context = self._session.context
        messages = add_model_answer(context.messages, answer.content)
        self._session.update_context(messages=messages, usage=context.usage + answer.usage)

    def _remove_refused_turn(self, answer: ModelAnswer) -> None:
        """Remove the turn that the model refused from the conversation, since the API would refuse it again
        (documented).
        """
        context = self._session.context
        self._session.refused_messages = context.messages
        self._session.update_context(messages=remove_last_turn(context.messages), usage=context.usage + answer.usage)

    @staticmethod
    def _must_continue(answer: ModelAnswer) -> bool:
        return answer.stop_reason == _PAUSE_STOP_REASON or (
            bool(answer.tool_use_blocks) and answer.stop_reason in _STOP_REASONS_THAT_RUN_TOOLS
        )

    def _check_progress(self, answer: ModelAnswer, *, empty: bool) -> None:
        """Raise `TurnError` after too many answers in a row that were cut off inside a call, or that are an empty
        pause.
        """
        self._truncated_calls = self._truncated_calls + 1 if answer.truncated_call_id else 0
        self._empty_pauses = self._empty_pauses + 1 if empty else 0
        if self._truncated_calls == MAX_TRUNCATED_CALLS_IN_A_ROW:
            raise TurnError(RequestFailure("truncated", self._truncation_message(answer)))
        if self._empty_pauses == MAX_EMPTY_PAUSES_IN_A_ROW:
            message = f"the API paused the turn {MAX_EMPTY_PAUSES_IN_A_ROW} times in a row without a word; send again"
            raise TurnError(RequestFailure("broken_answer", message))

    async def _run_tool_calls(self, answer: ModelAnswer, toolbox: Toolbox) -> AsyncGenerator[Event, None]:
        """Run the tool calls of an answer one after another, since they may share state."""
        outcomes: list[ToolOutcome] = []
        earlier = _tool_call_ids(self._session.context.messages[:-1])
        for block in answer.tool_use_blocks:
            call = ToolCall(block["id"], block["name"], block["input"])
            yield ToolUse(self._session.clock.now(), call.id, call.name, call.input)
            refusal = self._reason_not_to_run(answer, call, earlier)
            earlier.add(call.id)
            outcome = (
                await self._run_tool_call(call, toolbox)
                if refusal is None
                else ToolOutcome(call.id, refusal, is_error=True)
            )
            outcomes.append(outcome)
            yield ToolResult(self._session.clock.now(), outcome.id, outcome.content, outcome.is_error)
        if outcomes:
            context = self._session.context
            self._session.set_context(
                replace(context, messages=add_tool_results(context.messages, outcomes)).without_answered_calls()
            )

    def _reason_not_to_run(self, answer: ModelAnswer, call: ToolCall, earlier_ids: Container[str]) -> str | None:
        """Return the message that tells the model why a call is not run, or None if it may run.

        `earlier_ids` has the ids of earlier calls.
        """
        if call.id in earlier_ids:
            log_event(AGENT_LOGGER, logging.WARNING, "repeated_id", tool=call.name, id=call.id)
            return f"{call.name} was not run: an earlier call has the id {call.id} too. Call it again."
        if call.id == answer.truncated_call_id:
            return (
                f"{call.name} was not run: {answer.stop_reason} cut the answer off inside this call, so its input is "
                "not complete. Call it again with less input, or in several steps."
            )
        if answer.stop_reason not in _STOP_REASONS_THAT_RUN_TOOLS:
            return f"{call.name} was not run: the answer ended with {answer.stop_reason}."
        return None

    async def _run_tool_call(self, call: ToolCall, toolbox: Toolbox) -> ToolOutcome:
        """Run a tool call, unless the context says that the call has started before, and return its outcome.

        The start and the outcome are recorded in the context, which is saved each time.
        """
        entry = self._session.context.call_states_by_id.get(call.id)
        if entry is not None:
            return entry.outcome or ToolOutcome(call.id, INTERRUPTED_CALL_MESSAGE, is_error=True)
        self._record_call_start(call)
        started = self._session.clock.now()
        outcome = await toolbox.run(call)
        fields: Mapping[str, Any] = {"tool": call.name, "id": call.id, "is_error": outcome.is_error}
        log_event(AGENT_LOGGER, logging.INFO, "tool_run", **fields, seconds=self._session.clock.now() - started)
        self._session.set_context(self._session.context.with_call_outcome(outcome))
        return outcome

    def _record_call_start(self, call: ToolCall) -> None:
        """Record that a call starts. Raise `TurnError` if that cannot be saved, so that the call does not run."""
        before = self._session.context
        try:
            self._session.set_context(before.with_started_call(call.id))
        except TurnError:
            self._session.context = before
            raise

    def _truncation_message(self, answer: ModelAnswer) -> str:
        advice = "set ENABLE_EXTENDED_OUTPUT=true" if not self._settings.extended_output else "raise MAX_TOKENS"
        cut = f"{answer.stop_reason} cut the call of a tool {MAX_TRUNCATED_CALLS_IN_A_ROW} times in a row"
        return f"{cut}; {advice}, or ask for less at once"


def _tool_call_ids(messages: Messages) -> set[str]:
    """Return the ids of the calls in the agent's messages."""
    blocks = (block for message in messages if message["role"] == "assistant" for block in message["content"])
    return {block["id"] for block in blocks if isinstance(block, dict) and block["type"] == "tool_use"}
