"""A turn: the model answers, its tools run, it answers again, until it has no more to ask."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from harness.agent.asking import Asking
from harness.agent.conversation import with_answer, with_results
from harness.agent.events import Event, ToolResult, ToolUse, TurnEnded
from harness.agent.failure import Failure, TurnError
from harness.agent.heal import INTERRUPTED
from harness.agent.session import LOG, Session
from harness.agent.stream import Answer
from harness.agent.tools import Toolbox, ToolCall, ToolOutcome
from harness.flags import Settings
from harness.logs import event as log

MOST_REQUESTS = 200
"""Requests in one turn, after which it is taken for one that goes in circles."""

MOST_CUT = 3
"""Answers in a row whose call `max_tokens` cut: the next would be cut too."""

_PAUSED = "pause_turn"
_RUNS = frozenset({"tool_use", "max_tokens", "model_context_window_exceeded"})
"""Stop reasons after which complete calls are run; after any other the model has not asked for what it wrote."""


class Turn:
    """One turn of a session under the flags of `settings`, from an unanswered user's message to the end."""

    def __init__(self, session: Session, settings: Settings, legacy_beta: str = "") -> None:
        self._session, self._settings, self._legacy_beta = session, settings, legacy_beta

    async def events(self) -> AsyncGenerator[Event, None]:
        """What happens until the turn is complete. Raises `TurnError` where it cannot be completed."""
        cut = 0
        for _ in range(MOST_REQUESTS):
            asking = Asking(self._session, self._settings, self._legacy_beta)
            async with aclosing(asking.events()) as asked:
                async for event in asked:
                    yield event
            answer = asking.answer
            self._keep(answer)
            async with aclosing(self._called(answer, asking.toolbox)) as called:
                async for event in called:
                    yield event
            if not self._goes_on(answer):
                yield TurnEnded(self._session.clock.now(), answer.stop_reason)
                return
            cut = cut + 1 if answer.cut else 0
            if cut == MOST_CUT:
                raise TurnError(Failure("truncated", self._cut_again(answer)))
        raise TurnError(
            Failure("limit", f"the turn took {MOST_REQUESTS} requests without coming to an end; send again")
        )

    def _keep(self, answer: Answer) -> None:
        context = self._session.context
        messages = with_answer(context.messages, answer.content)
        self._session.keep(messages=messages, usage=context.usage + answer.usage)

    @staticmethod
    def _goes_on(answer: Answer) -> bool:
        return answer.stop_reason == _PAUSED or (bool(answer.calls) and answer.stop_reason in _RUNS)

    async def _called(self, answer: Answer, toolbox: Toolbox) -> AsyncGenerator[Event, None]:
        """Run the calls of an answer, one after the other: they may share what they work on."""
        outcomes = []
        for block in answer.calls:
            call = ToolCall(block["id"], block["name"], block["input"])
            yield ToolUse(self._session.clock.now(), call.id, call.name, call.input)
            refusal = self._refusal(answer, call)
            outcome = (
                await self._run(call, toolbox) if refusal is None else ToolOutcome(call.id, refusal, is_error=True)
            )
            outcomes.append(outcome)
            yield ToolResult(self._session.clock.now(), outcome.id, outcome.content, outcome.is_error)
        if outcomes:
            self._session.keep_messages(with_results(self._session.context.messages, outcomes))

    def _refusal(self, answer: Answer, call: ToolCall) -> str | None:
        """Why a call is not run, in words for the model; None: it is run."""
        if call.id == answer.cut:
            return (
                f"{call.name} was not run: {answer.stop_reason} cut the answer off inside this call, so its input is "
                "not complete. Call it again with less input, or in several steps."
            )
        if answer.stop_reason not in _RUNS:
            return f"{call.name} was not run: the answer ended with {answer.stop_reason}."
        return None

    async def _run(self, call: ToolCall, toolbox: Toolbox) -> ToolOutcome:
        """Run one call, once: the ledger, in memory and as saved, knows what was begun and what came of it."""
        entry = self._session.context.ledger.get(call.id)
        if entry is not None:
            return entry.outcome or ToolOutcome(call.id, INTERRUPTED, is_error=True)
        self._begin(call)
        started = self._session.clock.now()
        outcome = await toolbox.run(call)
        fields: Mapping[str, Any] = {"tool": call.name, "id": call.id, "is_error": outcome.is_error}
        log(LOG, logging.INFO, "tool_run", **fields, seconds=self._session.clock.now() - started)
        self._session.adopt(self._session.context.with_finished(outcome))
        return outcome

    def _begin(self, call: ToolCall) -> None:
        """A call that cannot be noted down does not run."""
        before = self._session.context
        try:
            self._session.adopt(before.with_started(call.id))
        except TurnError:
            self._session.context = before
            raise

    def _cut_again(self, answer: Answer) -> str:
        cure = "set ENABLE_EXTENDED_OUTPUT=true" if not self._settings.extended_output else "raise MAX_TOKENS"
        return f"{answer.stop_reason} cut the call of a tool {MOST_CUT} times in a row; {cure}, or ask for less at once"
