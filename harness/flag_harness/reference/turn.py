"""A turn: the model answers, its tools run, it answers again, until it has no more to ask."""

import logging
from collections.abc import AsyncGenerator, Container, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from flag_harness.reference.context.conversation import Messages, with_answer, with_results
from flag_harness.reference.context.heal import INTERRUPTED
from flag_harness.reference.events import Event, ToolResult, ToolUse, TurnEnded
from flag_harness.reference.logs import event as log
from flag_harness.reference.request.asking import Asking
from flag_harness.reference.request.failure import Failure, TurnError
from flag_harness.reference.request.stream import Answer
from flag_harness.reference.session import LOG, Session
from flag_harness.reference.settings import Settings
from flag_harness.reference.tools.tool import Toolbox, ToolCall, ToolOutcome

MOST_REQUESTS = 200
"""Requests in one turn, after which it is taken for one that goes in circles."""

MOST_CUT = 3
"""Answers in a row whose call `max_tokens` cut: the next would be cut too."""

MOST_EMPTY = 3
"""Pauses in a row without a word: the next request would be the same once more."""

_PAUSED = "pause_turn"
_RUNS = frozenset({"tool_use", "max_tokens", "model_context_window_exceeded"})
"""Stop reasons after which complete calls are run; after any other the model has not asked for what it wrote."""


class Turn:
    """One turn of a session under the flags of `settings`, from an unanswered user's message to the end."""

    def __init__(self, session: Session, settings: Settings, legacy_beta: str = "") -> None:
        self._session, self._settings, self._legacy_beta = session, settings, legacy_beta
        self._cut = self._empty = 0

    async def events(self) -> AsyncGenerator[Event, None]:
        """What happens until the turn is complete. Raises `TurnError` where it cannot be completed."""
        for _ in range(MOST_REQUESTS):
            asking = Asking(self._session, self._settings, self._legacy_beta)
            async with aclosing(asking.events()) as asked:
                async for event in asked:
                    yield event
            answer, before = asking.answer, self._session.context.messages
            self._keep(answer)
            async with aclosing(self._called(answer, asking.toolbox)) as called:
                async for event in called:
                    yield event
            if not self._goes_on(answer):
                yield TurnEnded(self._session.clock.now(), answer.stop_reason)
                return
            self._check_progress(answer, empty=before == self._session.context.messages)
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

    def _check_progress(self, answer: Answer, *, empty: bool) -> None:
        """Raise `TurnError` where the next answer can only be what the last ones were."""
        self._cut = self._cut + 1 if answer.cut else 0
        self._empty = self._empty + 1 if empty else 0
        if self._cut == MOST_CUT:
            raise TurnError(Failure("truncated", self._cut_again(answer)))
        if self._empty == MOST_EMPTY:
            words = f"the API paused the turn {MOST_EMPTY} times in a row without a word; send again"
            raise TurnError(Failure("broken_answer", words))

    async def _called(self, answer: Answer, toolbox: Toolbox) -> AsyncGenerator[Event, None]:
        """Run the calls of an answer, one after the other: they may share what they work on."""
        outcomes: list[ToolOutcome] = []
        earlier = _calls(self._session.context.messages[:-1])
        for block in answer.calls:
            call = ToolCall(block["id"], block["name"], block["input"])
            yield ToolUse(self._session.clock.now(), call.id, call.name, call.input)
            refusal = self._refusal(answer, call, earlier)
            earlier.add(call.id)
            outcome = (
                await self._run(call, toolbox) if refusal is None else ToolOutcome(call.id, refusal, is_error=True)
            )
            outcomes.append(outcome)
            yield ToolResult(self._session.clock.now(), outcome.id, outcome.content, outcome.is_error)
        if outcomes:
            context = self._session.context
            self._session.adopt(replace(context, messages=with_results(context.messages, outcomes)).settled())

    def _refusal(self, answer: Answer, call: ToolCall, earlier: Container[str]) -> str | None:
        """Why a call is not run, in words for the model; None: it is run."""
        if call.id in earlier:
            log(LOG, logging.WARNING, "repeated_id", tool=call.name, id=call.id)
            return f"{call.name} was not run: an earlier call has the id {call.id} too. Call it again."
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


def _calls(messages: Messages) -> set[str]:
    """The ids of the calls in messages as the agent keeps them."""
    blocks = (block for message in messages if message["role"] == "assistant" for block in message["content"])
    return {block["id"] for block in blocks if isinstance(block, dict) and block["type"] == "tool_use"}
