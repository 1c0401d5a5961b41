"""Cuts an answer off at a stop sequence or at `max_tokens`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flag_harness.simulator.count.tokens import text_tokens, tool_call_tokens, truncate_text
from flag_harness.simulator.scenario.scenario import ScenarioTurn, ScriptedBlock


@dataclass(frozen=True, slots=True)
class AnswerContent:
    """The part of a turn that is sent, with its stop reason and, if a stop sequence ended it, that sequence.

    `output_tokens` is `max_tokens` if that limit cut the answer off, and otherwise None: the tokens are then estimated.
    """

    blocks: tuple[ScriptedBlock, ...]
    stop_reason: str
    stop_sequence: str | None = None
    output_tokens: int | None = None


def answer_content(turn: ScenarioTurn, body: Mapping[str, Any], *, with_thinking: bool) -> AnswerContent:
    """Return the part of a turn that is sent in answer to a request with this body.

    Thinking blocks are sent only if `with_thinking` is true. Empty texts are never sent, as in the API. If a text
    contains a stop sequence, the answer ends before that sequence. Content with more than `max_tokens` estimated tokens
    is cut off, unless the turn states its number of tokens.
    """
    blocks = tuple(
        block
        for block in turn.content
        if block.text != "" and (with_thinking or (block.thinking is None and block.redacted_thinking is None))
    )
    whole = _cut_at_stop_sequence(blocks, body.get("stop_sequences") or ()) or AnswerContent(
        blocks, turn.final_stop_reason, turn.stop_sequence
    )
    return whole if turn.output_tokens is not None else _cut_at_max_tokens(whole, body["max_tokens"])


def _cut_at_stop_sequence(blocks: Sequence[ScriptedBlock], sequences: Sequence[str]) -> AnswerContent | None:
    """Return the blocks up to the first stop sequence, or None if no text contains one."""
    for index, block in enumerate(blocks):
        found = [(at, one) for one in sequences if one and (at := (block.text or "").find(one)) >= 0]
        if found:
            at, sequence = min(found)
            rest = (ScriptedBlock(text=(block.text or "")[:at]),) if at else ()
            return AnswerContent((*blocks[:index], *rest), "stop_sequence", sequence)
    return None


def _cut_at_max_tokens(content: AnswerContent, max_tokens: int) -> AnswerContent:
    """Return the beginning of the content that has at most `max_tokens`. The last block may be cut in two."""
    kept: list[ScriptedBlock] = []
    left = max_tokens
    for block in content.blocks:
        cost = _block_tokens(block)
        if cost > left:
            part = _truncate_block(block, left)
            return AnswerContent((*kept, *(() if part is None else (part,))), "max_tokens", output_tokens=max_tokens)
        kept.append(block)
        left -= cost
    return content


def _block_tokens(block: ScriptedBlock) -> int:
    if block.call is not None:
        return tool_call_tokens(block.call.name, _input_json(block))
    return text_tokens(_text_of_block(block))


def _truncate_block(block: ScriptedBlock, max_tokens: int) -> ScriptedBlock | None:
    """Return the beginning of a block with at most `max_tokens` tokens, or None if not even one fits.

    A tool call then has the beginning of its input, as invalid JSON.
    """
    if block.call is not None:
        left = max_tokens - tool_call_tokens(block.call.name, "")
        if left <= 0:
            return None
        written = truncate_text(_input_json(block), left)
        return ScriptedBlock(call=msgspec.structs.replace(block.call, input=None, partial_json=written))
    if block.text is not None or block.thinking is not None:
        words = truncate_text(_text_of_block(block), max_tokens)
        return (
            None
            if not words
            else ScriptedBlock(text=words)
            if block.text is not None
            else ScriptedBlock(thinking=words)
        )
    return None


def _text_of_block(block: ScriptedBlock) -> str:
    """Return the text of a text or thinking block, or a raw block as JSON."""
    if block.raw is not None:
        return msgspec.json.encode(block.raw).decode()
    return block.text or block.thinking or block.redacted_thinking or ""


def _input_json(block: ScriptedBlock) -> str:
    """Return the input of a tool call as JSON text, which is incomplete if the call is cut off."""
    call = block.call
    assert call is not None
    return call.partial_json or json.dumps(msgspec.to_builtins(call.input or {}), ensure_ascii=False)
