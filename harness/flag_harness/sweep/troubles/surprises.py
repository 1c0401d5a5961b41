"""Surprises: valid but unusual answers of the API, for which few tests have a script. Each changes a turn of the
scenario.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from flag_harness.errors import HarnessError
from flag_harness.flag import nearest_name_hint
from flag_harness.simulator import ScenarioTurn, ScriptedBlock, ScriptedToolCall

LONG_TEXT = "All of it, word for word. " * 800
"""About 20,000 characters, which a stream splits into about a thousand deltas."""

TurnEdit: TypeAlias = Callable[[ScenarioTurn, Sequence[ScriptedToolCall]], ScenarioTurn | None]
"""A function that gets the scenario's turn and the tool calls of the run without a trouble. It returns the surprising
turn, or None if it cannot change this turn.
"""


@dataclass(frozen=True, slots=True)
class SurprisingAnswerKind:
    """A kind of valid but unusual answer of the model, such as one that ends in the middle of a tool call.

    `needed_answers` says which answers it can change: `call` for those with a tool call, `text` for those without, or
    `any`. `edit_turn` is None if the answer stays the same but comes as plain JSON although a stream was requested.
    """

    name: str
    description: str
    edit_turn: TurnEdit | None
    needed_answers: str = "any"


@dataclass(frozen=True, slots=True)
class SurprisingAnswer:
    """A surprising answer to the prompt with number `prompt_number` (from 1).

    If it cannot change that prompt's answer, it changes the first later answer that it can.
    """

    kind: SurprisingAnswerKind
    prompt_number: int

    def __str__(self) -> str:
        """Return the surprise as it is written on the command line, such as `cut_call:on=2`."""
        return f"{self.kind.name}:on={self.prompt_number}"


def parse_surprising_answer(text: str) -> SurprisingAnswer:
    """Parse a surprise such as `cut_call:on=2`. Raise `HarnessError` if no surprise has this name."""
    name, _, number = text.partition(":on=")
    if name not in SURPRISES:
        raise HarnessError(f"there is no surprise {name!r}; {nearest_name_hint(name, SURPRISES)}")
    if not (number or "1").isdecimal() or int(number or 1) < 1:
        raise HarnessError(f"{text!r}: on={number} must be 1 or more; type {name}:on=1")
    return SurprisingAnswer(SURPRISES[name], int(number or 1))


def _replace_content(
    turn: ScenarioTurn, blocks: Sequence[ScriptedBlock], stop_reason: str | None, output_tokens: int | None = None
) -> ScenarioTurn:
    """Return a turn with other blocks, stop reason and number of output tokens. Its thinking stays at the beginning."""
    thinking = [block for block in turn.content if block.thinking is not None or block.redacted_thinking is not None]
    return msgspec.structs.replace(
        turn,
        thinking=None,
        text=None,
        calls=(),
        blocks=(*thinking, *blocks),
        stop_reason=stop_reason,
        stop_sequence=None,
        output_tokens=output_tokens,
    )


def _visible_blocks(turn: ScenarioTurn) -> list[ScriptedBlock]:
    return [block for block in turn.content if block.thinking is None and block.redacted_thinking is None]


def _first_text(turn: ScenarioTurn) -> str:
    """Return the first text of a turn, or a made-up text if it has none."""
    return next((block.text for block in turn.content if block.text), "I begin with the answer, which is long.")


def _last_tool_call(turn: ScenarioTurn) -> ScriptedToolCall:
    return next(block.call for block in reversed(turn.content) if block.call is not None)


def _truncate_last_tool_call(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn, cut off by `max_tokens` in the middle of the input of its last tool call."""
    blocks, call = _visible_blocks(turn), _last_tool_call(turn)
    text = call.partial_json or json.dumps(msgspec.to_builtins(call.input or {"text": "long"}), ensure_ascii=False)
    cut = msgspec.structs.replace(call, input=None, partial_json=text[: max(1, len(text) // 2)])
    kept = blocks[: max(index for index, block in enumerate(blocks) if block.call is not None)]
    return _replace_content(turn, [*kept, ScriptedBlock(call=cut)], "max_tokens")


def _truncate_before_call_input(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn, cut off by `max_tokens` before the input of its last tool call."""
    blocks, call = (
        _visible_blocks(turn),
        msgspec.structs.replace(_last_tool_call(turn), input={}, partial_json=None),
    )
    kept = blocks[: max(index for index, block in enumerate(blocks) if block.call is not None)]
    return _replace_content(turn, [*kept, ScriptedBlock(call=call)], "max_tokens")


def _make_text_cut(stop_reason: str) -> TurnEdit:
    """Return a function that cuts a turn's text in half and gives the turn this stop reason."""

    def cut_text(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
        text = _first_text(turn)
        return _replace_content(turn, [ScriptedBlock(text=text[: max(1, len(text) // 2)].rstrip() or "I")], stop_reason)

    return cut_text


def _refuse_after_tool_call(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn with the stop reason `refusal` after its tool call."""
    return _replace_content(turn, _visible_blocks(turn), "refusal")


def _add_parallel_calls(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn | None:
    """Return the turn with the test's other tool calls added, or None if the test has no other tool calls."""
    own = [block.call for block in turn.content if block.call is not None]
    others = [call for call in calls if call not in own]
    return (
        _replace_content(turn, [*_visible_blocks(turn), *(ScriptedBlock(call=call) for call in others)], None)
        if others
        else None
    )


def _repeat_tool_call(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn with its last tool call twice."""
    return _replace_content(turn, [*_visible_blocks(turn), ScriptedBlock(call=_last_tool_call(turn))], None)


def _call_unknown_tool(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn with a call of a tool that does not exist."""
    return _replace_content(turn, [ScriptedBlock(call=ScriptedToolCall(name="no_such_tool", input={"value": 1}))], None)


def _make_input_invalid(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn with an unknown argument in its last tool call."""
    call = msgspec.structs.replace(_last_tool_call(turn), input={"no_such_argument": True}, partial_json=None)
    return _replace_content(turn, [ScriptedBlock(call=call)], None)


def _add_text_after_call(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn with a text after its tool call."""
    return _replace_content(turn, [*_visible_blocks(turn), ScriptedBlock(text="I wait for the result.")], "tool_use")


def _remove_content(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn without any content."""
    return msgspec.structs.replace(
        turn, thinking=None, text=None, calls=(), blocks=(), stop_reason="end_turn", output_tokens=2
    )


def _lengthen_texts(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn with a very long text added to each of its texts."""
    blocks = [
        msgspec.structs.replace(one, text=one.text + LONG_TEXT) if one.text else one for one in _visible_blocks(turn)
    ]
    return _replace_content(turn, blocks, turn.final_stop_reason, output_tokens=6000)


def _redact_thinking(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn | None:
    """Return the turn with a redacted thinking block added, or None if it has no thinking."""
    if not any(block.thinking is not None for block in turn.content):
        return None
    blocks = [ScriptedBlock(redacted_thinking="what nobody may read"), *turn.content]
    return msgspec.structs.replace(turn, thinking=None, text=None, calls=(), blocks=tuple(blocks))


def _set_unknown_stop_reason(turn: ScenarioTurn, calls: Sequence[ScriptedToolCall]) -> ScenarioTurn:
    """Return the turn with a stop reason that does not exist in the API."""
    return msgspec.structs.replace(turn, stop_reason="novelty")


SURPRISES: Mapping[str, SurprisingAnswerKind] = {
    kind.name: kind
    for kind in (
        SurprisingAnswerKind(
            "cut_call", "`max_tokens` cuts the answer off inside a call's input", _truncate_last_tool_call, "call"
        ),
        SurprisingAnswerKind(
            "cut_call_before_input",
            "`max_tokens` cuts the answer off before a call's input, which is then `{}`",
            _truncate_before_call_input,
            "call",
        ),
        SurprisingAnswerKind(
            "cut_text", "`max_tokens` cuts the answer off inside a text", _make_text_cut("max_tokens"), "text"
        ),
        SurprisingAnswerKind("empty_answer", "`end_turn` without any content", _remove_content),
        SurprisingAnswerKind("refusal", "the model refuses in the middle of a text", _make_text_cut("refusal")),
        SurprisingAnswerKind(
            "refused_call", "the model refuses after a call, which must not run", _refuse_after_tool_call, "call"
        ),
        SurprisingAnswerKind(
            "pause_turn", "the answer pauses after a text, to be continued", _make_text_cut("pause_turn")
        ),
        SurprisingAnswerKind(
            "context_window",
            "the context window is full: `model_context_window_exceeded`",
            _make_text_cut("model_context_window_exceeded"),
        ),
        SurprisingAnswerKind(
            "parallel_calls", "several of the test's calls in one answer", _add_parallel_calls, "call"
        ),
        SurprisingAnswerKind(
            "same_call_twice", "one call twice in one answer, with two ids", _repeat_tool_call, "call"
        ),
        SurprisingAnswerKind(
            "unknown_tool", "a call of a tool that the request does not offer", _call_unknown_tool, "call"
        ),
        SurprisingAnswerKind(
            "invalid_input", "a call whose input does not fit the tool's schema", _make_input_invalid, "call"
        ),
        SurprisingAnswerKind("text_after_call", "a text after the last call", _add_text_after_call, "call"),
        SurprisingAnswerKind(
            "long_answer", "20,000 characters more, in about a thousand deltas", _lengthen_texts, "text"
        ),
        SurprisingAnswerKind("redacted_thinking", "a `redacted_thinking` block before the thinking", _redact_thinking),
        SurprisingAnswerKind("unknown_stop_reason", "a stop reason that no SDK knows", _set_unknown_stop_reason),
        SurprisingAnswerKind("plain_answer", "plain JSON in answer to a request for a stream", None),
    )
}
"""All surprises by name."""
