"""Ways of getting tools wrong."""

import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from flag_harness.reference import Event, turn
from flag_harness.reference.context import conversation
from flag_harness.reference.request import stream
from flag_harness.reference.tools import tool as tools
from flag_harness.reference.tools.bash import BashTool
from flag_harness.reference.tools.schema import CompiledSchema
from flag_harness.reference.tools.tool import Toolbox, ToolCall, ToolOutcome

Patch = pytest.MonkeyPatch
Block = dict[str, Any]


def only_the_last_delta(patch: Patch) -> None:
    """Of a split input the last part is parsed, and nothing said if it cannot be."""
    stop = stream.AnswerAssembler._end_block

    def last(self: stream.AnswerAssembler, *given: Any) -> None:
        block, parts, self._input_json_parts = self._open_block, self._input_json_parts, []
        stop(self, *given)
        with contextlib.suppress(ValueError):
            if parts and block is not None:
                block["input"] = json.loads(parts[-1])

    patch.setattr(stream.AnswerAssembler, "_end_block", last)


def no_delay(patch: Patch) -> None:
    """A tool runs at once."""
    make = Toolbox.__init__
    patch.setattr(Toolbox, "__init__", lambda self, *given, **named: make(self, *given, **{**named, "delay": 0}))


def the_tool_before_its_event(patch: Patch) -> None:
    """Calls are shown once they are done."""
    called = turn.AgentTurn._run_tool_calls

    async def afterwards(self: turn.AgentTurn, *given: Any) -> AsyncGenerator[Event, None]:
        for event in [event async for event in called(self, *given)]:
            yield event

    patch.setattr(turn.AgentTurn, "_run_tool_calls", afterwards)


def defaults_left_out(patch: Patch) -> None:
    """Input reaches a tool as the model wrote it, unchecked."""
    patch.setattr(CompiledSchema, "validate", lambda self, value, path="": value)


def a_command_invented(patch: Patch) -> None:
    """Where the model names no command, one is run all the same."""
    run = BashTool.run

    async def invented(self: BashTool, arguments: Mapping[str, Any]) -> str:
        return await run(self, {"command": "printf one", **arguments})

    patch.setattr(BashTool, "run", invented)
    patch.setattr(BashTool, "input_schema", {"type": "object"})


def a_problem_without_its_name(patch: Patch) -> None:
    """What does not fit is not said."""
    _outcomes(patch, lambda outcome: replace(outcome, content="invalid input") if outcome.is_error else outcome)


def what_a_tool_raises_ends_the_turn(patch: Patch) -> None:
    """Nothing is caught."""

    async def bare(self: Toolbox, call: ToolCall) -> ToolOutcome:
        return ToolOutcome(call.id, await self._check_input_and_run(call))

    patch.setattr(Toolbox, "run", bare)


def an_error_passed_off_as_a_result(patch: Patch) -> None:
    """`is_error` is forgotten."""
    _outcomes(patch, lambda outcome: replace(outcome, is_error=False))


def an_error_without_its_words(patch: Patch) -> None:
    """The model learns that something went wrong."""
    _outcomes(patch, lambda outcome: replace(outcome, content="error") if outcome.is_error else outcome)


def results_in_turns_of_their_own(patch: Patch) -> None:
    """One user turn a result."""
    patch.setattr(
        turn,
        "add_tool_results",
        lambda messages, outcomes: (
            *messages,
            *({"role": "user", "content": [outcome.result_block]} for outcome in outcomes),
        ),
    )


def results_under_each_others_ids(patch: Patch) -> None:
    """The last result comes first."""

    def swapped(messages: Any, outcomes: list[ToolOutcome]) -> Any:
        ids = [outcome.id for outcome in outcomes][::-1]
        crossed = [replace(outcome, id=id) for outcome, id in zip(outcomes, ids, strict=True)]
        return conversation.add_tool_results(messages, crossed)

    patch.setattr(turn, "add_tool_results", swapped)


def no_signature(patch: Patch) -> None:
    """What is sent back of thinking is what can be read."""
    _sent_back(
        patch, lambda blocks: [{key: value for key, value in one.items() if key != "signature"} for one in blocks]
    )


def half_a_signature(patch: Patch) -> None:
    """A signature that came in parts is not put together."""
    _sent_back(
        patch,
        lambda blocks: [
            {**one, "signature": one["signature"][: len(one["signature"]) // 2]} if "signature" in one else one
            for one in blocks
        ],
    )


def no_thinking(patch: Patch) -> None:
    """Thinking is for the reader."""
    _sent_back(patch, lambda blocks: [one for one in blocks if one["type"] != "thinking"])


def thinking_after_the_call(patch: Patch) -> None:
    """The blocks come back in another order."""
    _sent_back(patch, lambda blocks: sorted(blocks, key=lambda one: one["type"] == "thinking"))


def thinking_in_other_words(patch: Patch) -> None:
    """Thinking is cut short before it is sent back."""
    _sent_back(
        patch, lambda blocks: [{**one, "thinking": one["thinking"][:8]} if "thinking" in one else one for one in blocks]
    )


def cut_calls_run(patch: Patch) -> None:
    """Nobody asks why the answer ended."""
    patch.setattr(stream.ModelAnswer, "truncated_call_id", None)


def a_cut_call_refused_without_a_reason(patch: Patch) -> None:
    """The model is not told why its call was not run."""
    refusal = turn.AgentTurn._reason_not_to_run
    patch.setattr(
        turn.AgentTurn, "_reason_not_to_run", lambda self, *given: refusal(self, *given) and "It was not run."
    )


def _outcomes(patch: Patch, change: Callable[[ToolOutcome], ToolOutcome]) -> None:
    """Change what calls come to."""
    run = tools.Toolbox.run

    async def changed(self: Toolbox, call: ToolCall) -> ToolOutcome:
        return change(await run(self, call))

    patch.setattr(tools.Toolbox, "run", changed)


def _sent_back(patch: Patch, change: Callable[[list[Block]], list[Block]]) -> None:
    """Change what is kept of an answer."""
    keep = turn.add_model_answer
    patch.setattr(turn, "add_model_answer", lambda messages, content: keep(messages, change(list(content))))
