"""Where an answer ends before its turn does: at a stop sequence, or at max_tokens."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flag_harness.simulator.count.tokens import call_tokens, first_tokens, text_tokens
from flag_harness.simulator.scenario.scenario import Block, StopReason, Turn


@dataclass(frozen=True, slots=True)
class Ending:
    """What of a turn is sent, and why it ends there. `tokens` is set where max_tokens cut it."""

    blocks: tuple[Block, ...]
    stop_reason: StopReason
    stop_sequence: str | None = None
    tokens: int | None = None


def ending(turn: Turn, body: Mapping[str, Any], *, thinking: bool) -> Ending:
    """The turn as it is sent to this request.

    Thinking is sent only where the model thinks (`thinking`). The first stop sequence in a text ends the answer before
    it; what does not fit into `max_tokens` by the estimate is cut, unless the turn says how many tokens it has.
    """
    blocks = tuple(
        block for block in turn.content if thinking or (block.thinking is None and block.redacted_thinking is None)
    )
    whole = _stopped(blocks, body.get("stop_sequences") or ()) or Ending(blocks, turn.ends_with, turn.stop_sequence)
    return whole if turn.output_tokens is not None else _fitted(whole, body["max_tokens"])


def _stopped(blocks: Sequence[Block], sequences: Sequence[str]) -> Ending | None:
    """The answer up to the stop sequence that comes first; None where none comes."""
    for index, block in enumerate(blocks):
        found = [(at, one) for one in sequences if one and (at := (block.text or "").find(one)) >= 0]
        if found:
            at, sequence = min(found)
            rest = (Block(text=(block.text or "")[:at]),) if at else ()
            return Ending((*blocks[:index], *rest), "stop_sequence", sequence)
    return None


def _fitted(whole: Ending, most: int) -> Ending:
    kept: list[Block] = []
    left = most
    for block in whole.blocks:
        cost = _cost(block)
        if cost > left:
            part = _part(block, left)
            return Ending((*kept, *(() if part is None else (part,))), "max_tokens", tokens=most)
        kept.append(block)
        left -= cost
    return whole


def _cost(block: Block) -> int:
    if block.call is not None:
        return call_tokens(block.call.name, _input(block))
    return text_tokens(_words(block))


def _part(block: Block, tokens: int) -> Block | None:
    """What of a block fits into so many tokens; a call keeps the beginning of its input, which is no JSON any more."""
    if block.call is not None:
        left = tokens - call_tokens(block.call.name, "")
        if left <= 0:
            return None
        written = first_tokens(_input(block), left)
        return Block(call=msgspec.structs.replace(block.call, input=None, partial_json=written))
    if block.text is not None or block.thinking is not None:
        words = first_tokens(_words(block), tokens)
        return None if not words else Block(text=words) if block.text is not None else Block(thinking=words)
    return None


def _words(block: Block) -> str:
    """What of a block counts, as text."""
    if block.raw is not None:
        return msgspec.json.encode(block.raw).decode()
    return block.text or block.thinking or block.redacted_thinking or ""


def _input(block: Block) -> str:
    call = block.call
    assert call is not None
    return call.partial_json or json.dumps(msgspec.to_builtins(call.input or {}), ensure_ascii=False)
