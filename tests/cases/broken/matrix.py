"""Ways of getting the flags wrong."""

import itertools
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import pytest

from flag_harness.reference import Agent, Event, TextDelta, turn
from flag_harness.reference import agent as agents
from flag_harness.reference.request import attempt, limits, reliable_request, request, stream
from flag_harness.reference.request.request import PreparedRequest, RequestTemplate
from flag_harness.reference.settings import AgentSettings
from flag_harness.reference.tools.tool import ToolCall, ToolOutcome

Patch = pytest.MonkeyPatch


def _prepared(patch: Patch, change: Callable[[PreparedRequest], PreparedRequest]) -> None:
    """Change every request once it is ready to be sent."""
    prepare = request.prepare_request
    patch.setattr(reliable_request, "prepare_request", lambda *given, **named: change(prepare(*given, **named)))


def _asked(
    patch: Patch, change: Callable[[RequestTemplate, AgentSettings], tuple[RequestTemplate, AgentSettings]]
) -> None:
    """Change what every request is made from."""
    prepare = request.prepare_request
    patch.setattr(
        reliable_request,
        "prepare_request",
        lambda brief, settings, *given, **named: prepare(*change(brief, settings), *given, **named),
    )


def _adding(patch: Patch, **arguments: Any) -> None:
    _prepared(patch, lambda prepared: replace(prepared, arguments={**prepared.arguments, **arguments}))


def flags_read_when_the_agent_is_made(patch: Patch) -> None:
    """The environment is copied once."""
    make = Agent.__init__
    patch.setattr(
        Agent, "__init__", lambda self, *given, environ, **named: make(self, *given, environ={**environ}, **named)
    )


def flags_read_at_import(patch: Patch) -> None:
    """The environment as it was before any flag was set."""
    make = Agent.__init__
    patch.setattr(Agent, "__init__", lambda self, *given, environ, **named: make(self, *given, environ={}, **named))


def marks_whatever_the_flag(patch: Patch) -> None:
    """Prompt caching is always on."""
    _asked(patch, lambda brief, settings: (brief, replace(settings, prompt_cache=True)))


def more_tokens_than_plain(patch: Patch) -> None:
    """Twice as long an answer is asked for without extended output."""
    patch.setattr(request, "MAX_TOKENS_WITHOUT_EXTENDED_OUTPUT", 2 * limits.MAX_TOKENS_WITHOUT_EXTENDED_OUTPUT)


def a_body_key_named_beta(patch: Patch) -> None:
    """A beta is asked for in the body."""
    _adding(patch, extra_body={"beta": "prompt-caching-2024-07-31"})


def a_parameter_nobody_asked_for(patch: Patch) -> None:
    """Each request names the user."""
    _adding(patch, metadata={"user_id": "someone"})


def a_beta_nobody_asked_for(patch: Patch) -> None:
    """Each request names a beta, in the header where betas belong."""
    _prepared(patch, lambda prepared: replace(prepared, betas=("context-1m-2025-08-07",)))


def a_word_before_each_answer(patch: Patch) -> None:
    """What is kept of an answer is more than the model said."""
    keep = turn.add_model_answer
    word = {"type": "text", "text": "Well."}
    patch.setattr(turn, "add_model_answer", lambda messages, content: keep(messages, [word, *content]))


def deltas_kept_back(patch: Patch) -> None:
    """A stream is read to its end before anything of it is shown."""
    events = attempt.RequestAttempt.events

    async def at_once(self: attempt.RequestAttempt) -> AsyncGenerator[Event, None]:
        shown = [event async for event in events(self)]
        if text := "".join(event.text for event in shown if isinstance(event, TextDelta)):
            yield TextDelta(shown[-1].at, text)

    patch.setattr(attempt.RequestAttempt, "events", at_once)


def first_token_at_the_end(patch: Patch) -> None:
    """The first token is timed when the answer is complete."""
    answered = reliable_request.ReliableRequest._store_answer

    def late(self: reliable_request.ReliableRequest, one: attempt.RequestAttempt) -> Any:
        one.first_token_seconds = one.total_seconds
        return answered(self, one)

    patch.setattr(reliable_request.ReliableRequest, "_store_answer", late)


def spaces_lost_between_deltas(patch: Patch) -> None:
    """What is kept of each delta is stripped."""
    add = stream.AnswerAssembler._add_text

    def stripped(self: stream.AnswerAssembler, *given: Any) -> Any:
        shown = add(self, *given)
        self._text_parts_by_key = {
            key: [part.strip() for part in parts] for key, parts in self._text_parts_by_key.items()
        }
        return shown

    patch.setattr(stream.AnswerAssembler, "_add_text", stripped)


def marks_in_string_form(patch: Patch) -> None:
    """`"cache_control": "ephemeral"`"""
    mark = request.add_cache_mark_to_last_block
    patch.setattr(
        request, "add_cache_mark_to_last_block", lambda blocks: [_in_string_form(block) for block in mark(blocks)]
    )


def _in_string_form(block: dict[str, Any]) -> dict[str, Any]:
    return {key: "ephemeral" if key == "cache_control" else value for key, value in block.items()}


def a_prompt_that_changes(patch: Patch) -> None:
    """The system prompt ends with the time of day."""
    moments = itertools.count()
    _asked(patch, lambda brief, settings: (replace(brief, system=f"It is {next(moments)} h. {brief.system}"), settings))


def only_the_prompt_is_marked(patch: Patch) -> None:
    """No turn of the user carries a mark."""
    patch.setattr(request, "_TURNS_WITH_CACHE_MARK", 0)


def a_budget_for_every_model(patch: Patch) -> None:
    """Thinking always takes a budget."""
    patch.setattr(
        request,
        "thinking_parameters",
        lambda model, budget: {"thinking": {"type": "enabled", "budget_tokens": budget}},
    )


def no_thinking(patch: Patch) -> None:
    """Extended output is more tokens, and nothing else."""
    patch.setattr(request, "thinking_parameters", lambda model, budget: {})


def max_tokens_not_read(patch: Patch) -> None:
    """MAX_TOKENS is taken for something else."""
    _asked(patch, lambda brief, settings: (brief, replace(settings, max_tokens=settings.max_tokens // 2)))


def a_stream_for_long_answers(patch: Patch) -> None:
    """Extended output switches streaming on."""
    _asked(patch, lambda brief, settings: (brief, replace(settings, streaming=settings.extended_output)))


def usage_counted_twice(patch: Patch) -> None:
    """What message_delta states is added to what message_start stated."""
    message_delta = stream.AnswerAssembler._add_message_delta

    def twice(self: stream.AnswerAssembler, *given: Any) -> None:
        before = self.usage
        message_delta(self, *given)
        self.usage = before + self.usage

    patch.setattr(stream.AnswerAssembler, "_add_message_delta", twice)


def cache_tokens_lost(patch: Patch) -> None:
    """message_delta takes the place of message_start, less what it does not repeat."""
    message_delta = stream.AnswerAssembler._add_message_delta

    def lossy(self: stream.AnswerAssembler, *given: Any) -> None:
        message_delta(self, *given)
        self.usage = replace(self.usage, cache_read_input_tokens=0, cache_creation_input_tokens=0)

    patch.setattr(stream.AnswerAssembler, "_add_message_delta", lossy)


def no_long_answers_at_all(patch: Patch) -> None:
    """The guard against long answers forgets that they may be streamed."""
    patch.setattr(
        agents,
        "broken_limit_message",
        lambda settings, model: limits.broken_limit_message(replace(settings, streaming=False), model),
    )


def fewer_marks_where_it_thinks(patch: Patch) -> None:
    """With extended output, only the latest turn is marked."""
    prepare = request.prepare_request

    def fewer(brief: RequestTemplate, settings: AgentSettings, *given: Any, **named: Any) -> PreparedRequest:
        with patch.context() as inside:
            inside.setattr(request, "_TURNS_WITH_CACHE_MARK", 1 if settings.extended_output else 2)
            return prepare(brief, settings, *given, **named)

    patch.setattr(reliable_request, "prepare_request", fewer)


def results_remembered_by_tool(patch: Patch) -> None:
    """A tool that has run gives its result again."""
    run, known = turn.AgentTurn._run_tool_call, dict[str, ToolOutcome]()

    async def once(self: turn.AgentTurn, call: ToolCall, *given: Any) -> ToolOutcome:
        if call.name not in known:
            known[call.name] = await run(self, call, *given)
        return replace(known[call.name], id=call.id)

    patch.setattr(turn.AgentTurn, "_run_tool_call", once)
