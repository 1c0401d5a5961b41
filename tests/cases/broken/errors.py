"""Ways of making an error worse."""

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from flag_harness.clock import Clock
from flag_harness.reference import Agent, AgentError, Event, TurnDiscarded, settings
from flag_harness.reference import agent as agents
from flag_harness.reference.request import cache_marks, limits, reliable_request, request, retry, stream
from flag_harness.reference.request.failure import RequestFailure
from flag_harness.reference.request.request import PreparedRequest
from flag_harness.reference.request.retry import RetryPolicy

Patch = pytest.MonkeyPatch


def everything_dropped(patch: Patch) -> None:
    """A request that is refused is sent again as plainly as it can be."""

    def everything(failure: RequestFailure, prepared: PreparedRequest) -> tuple[str, ...]:
        return prepared.droppable_features if failure.is_rejection else ()

    patch.setattr(reliable_request, "find_rejected_features", everything)


def the_tool_without_its_beta(patch: Patch) -> None:
    """A refused beta is not sent again, but the tool that needs it is."""
    prepare = request.prepare_request
    patch.setattr(reliable_request, "usable_tools", lambda toolbox, dropped: toolbox)

    def bare(*given: Any, dropped: Sequence[str], **named: Any) -> PreparedRequest:
        prepared = prepare(*given, dropped_features=dropped, **named)
        return replace(prepared, betas=tuple(beta for beta in prepared.betas if beta not in dropped))

    patch.setattr(reliable_request, "prepare_request", bare)


def dropped_in_silence(patch: Patch) -> None:
    """Nothing is logged."""
    patch.setattr(reliable_request, "log_event", lambda *given, **named: None)


def no_fallback(patch: Patch) -> None:
    """A refusal ends the turn."""
    patch.setattr(reliable_request, "find_rejected_features", lambda *given: ())


def retry_after_ignored(patch: Patch) -> None:
    """The agent knows better how long to wait."""
    patch.setattr(retry, "retry_after_seconds", lambda headers: None)


def no_cap(patch: Patch) -> None:
    """The agent waits as long as it is asked to."""
    patch.setattr(agents, "RetryPolicy", partial(RetryPolicy, retry_after_cap=math.inf, max_total_wait=math.inf))


def nobody_waits(patch: Patch) -> None:
    """A wait is announced, and not made."""
    make = Agent.__init__
    patch.setattr(
        Agent, "__init__", lambda self, *given, clock, **named: make(self, *given, clock=_Impatient(clock), **named)
    )


class _Impatient:
    def __init__(self, clock: Clock) -> None:
        self.now = clock.now
        self.sleep = clock.sleep

    async def async_sleep(self, seconds: float) -> None:
        """Return at once."""


def the_users_turn_lost(patch: Patch) -> None:
    """After an error the conversation is put back to before it."""
    told = Agent._log_failure

    def forgetful(self: Agent, failure: RequestFailure) -> AgentError:
        self._session.update_context(messages=self.context.messages[:-1])
        return told(self, failure)

    patch.setattr(Agent, "_log_failure", forgetful)


def said_twice(patch: Patch) -> None:
    """A turn that was kept is added to by the same words."""
    keep = agents.add_user_turn

    def twice(messages: Any, text: str | None, *given: Any) -> Any:
        kept = keep(messages, text, *given)
        content = kept[-1]["content"]
        return (*kept[:-1], {"role": "user", "content": [*content, content[-1]]}) if messages else kept

    patch.setattr(agents, "add_user_turn", twice)


def an_error_without_its_status(patch: Patch) -> None:
    """Every error is the same to a caller."""
    told = Agent._log_failure
    patch.setattr(Agent, "_log_failure", lambda self, failure: told(self, replace(failure, status=None)))


def discarded_in_silence(patch: Patch) -> None:
    """A screen is not told that what it shows is void."""
    events = reliable_request.ReliableRequest.events

    async def silent(self: reliable_request.ReliableRequest) -> AsyncGenerator[Event, None]:
        async for event in events(self):
            if not isinstance(event, TurnDiscarded):
                yield event

    patch.setattr(reliable_request.ReliableRequest, "events", silent)


def the_broken_half_kept(patch: Patch) -> None:
    """What a broken attempt had said is put in front of what the next one says."""
    finish, add, said = stream.AnswerAssembler.finish_answer, stream.AnswerAssembler._add_text, list[str]()

    def noting(self: stream.AnswerAssembler, block: Mapping[str, Any], delta: Any, at: float) -> Any:
        said.extend([delta.text] if delta.type == "text_delta" else [])
        return add(self, block, delta, at)

    def both(self: stream.AnswerAssembler) -> stream.ModelAnswer:
        answer = finish(self)
        return replace(answer, content=({"type": "text", "text": "".join(said)},))

    patch.setattr(stream.AnswerAssembler, "_add_text", noting)
    patch.setattr(stream.AnswerAssembler, "finish_answer", both)


def half_an_answer_taken_for_one(patch: Patch) -> None:
    """Where a stream ends is where the answer ends."""

    def whatever(self: stream.AnswerAssembler) -> stream.ModelAnswer:
        for key, parts in self._text_parts_by_key.items() if self._open_block else ():
            self._open_block[key] = "".join(parts)
        return stream.ModelAnswer(tuple(self._blocks), self._stop_reason or "end_turn", self.usage)

    patch.setattr(stream.AnswerAssembler, "finish_answer", whatever)


def cuts_retried_like_any_error(patch: Patch) -> None:
    """An answer that broke is asked for as often as one that was refused."""
    patch.setattr(agents, "RetryPolicy", partial(RetryPolicy, max_broken_answers=3))


def a_cut_told_in_general_words(patch: Patch) -> None:
    """The user does not learn what happened."""
    told = Agent._log_failure
    patch.setattr(
        Agent, "_log_failure", lambda self, failure: told(self, replace(failure, message="Something went wrong."))
    )


def no_guard(patch: Patch) -> None:
    """Let the API refuse it."""
    patch.setattr(agents, "broken_limit_message", lambda *given: None)


def no_guard_for_the_budget(patch: Patch) -> None:
    """Let the API refuse a budget that leaves nothing to answer with."""
    for module in (settings, limits):
        patch.setattr(module, "thinking_budget_message", lambda *given: None)


def a_budget_refused_without_the_number_to_use(patch: Patch) -> None:
    """The user is left to find out which budget would do."""
    patch.setattr(settings, "thinking_budget_message", lambda *given: "the thinking budget is too large")


def a_guard_that_is_off_by_one(patch: Patch) -> None:
    """One token more is let through."""
    patch.setattr(limits, "MAX_TOKENS_WITHOUT_STREAMING", limits.MAX_TOKENS_WITHOUT_STREAMING + 1)


def a_guard_after_the_fact(patch: Patch) -> None:
    """The API is asked how long the question is before the limits are looked at."""
    turn = Agent._run_turn

    async def counted(self: Agent, text: str) -> AsyncGenerator[Event, None]:
        messages: Any = [{"role": "user", "content": text}]
        await self._session.client.messages.count_tokens(model=self.context.model, messages=messages)
        async for event in turn(self, text):
            yield event

    patch.setattr(Agent, "_run_turn", counted)


def five_marks(patch: Patch) -> None:
    """One turn more is marked than there is room for."""
    patch.setattr(request, "_TURNS_WITH_CACHE_MARK", 3)
    patch.setattr(request, "MAX_CACHE_MARKS", 5)


def marks_in_the_callers_messages(patch: Patch) -> None:
    """Marks are set where the messages are."""
    mark = cache_marks.add_cache_marks_to_latest_turns

    def in_place(messages: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
        for message, marked in zip(messages, mark(messages, most), strict=True):
            message.update(marked)
        return list(messages)

    patch.setattr(request, "add_cache_marks_to_latest_turns", in_place)
