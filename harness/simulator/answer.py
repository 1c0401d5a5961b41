"""What the model answers, before it is bytes: blocks, stop reason and usage of one message."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.simulator.cache import Accounting
from harness.simulator.matching import asks_for_thinking
from harness.simulator.randomness import Draw
from harness.simulator.scenario import Block, Call, Timing, Turn
from harness.simulator.signatures import SeededSignatures
from harness.simulator.tokens import answer_tokens, block_tokens

_THINKING = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True)
class Written:
    """One content block as a plain answer shows it; `partial_json` where its input streams as raw, cut text."""

    block: Mapping[str, Any]
    partial_json: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One assistant's message. `thinking_tokens` is None where the API would not state them."""

    id: str
    model: str
    blocks: tuple[Written, ...]
    stop_reason: str
    stop_sequence: str | None
    input: Accounting
    output_tokens: int
    thinking_tokens: int | None
    timing: Timing

    def head(self) -> dict[str, Any]:
        """The message as `message_start` carries it; keys in the order of 2026."""
        return self._message([], None, None, self._usage(min(1, self.output_tokens), None))

    def message(self) -> dict[str, Any]:
        """The message as a plain answer is."""
        blocks = [written.block for written in self.blocks]
        return self._message(
            blocks, self.stop_reason, self.stop_sequence, self._usage(self.output_tokens, self.thinking_tokens)
        )

    def closing_usage(self) -> dict[str, Any]:
        """The usage of `message_delta`."""
        counts = {
            "input_tokens": self.input.uncached,
            "cache_creation_input_tokens": self.input.written,
            "cache_read_input_tokens": self.input.read,
            "output_tokens": self.output_tokens,
        }
        return {**counts, **_details(self.thinking_tokens)}

    def _message(self, content: list[Any], reason: str | None, sequence: str | None, usage: Any) -> dict[str, Any]:
        return {
            "model": self.model,
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "stop_details": None,
            "usage": usage,
        }

    def _usage(self, output_tokens: int, thinking_tokens: int | None) -> dict[str, Any]:
        return {
            "input_tokens": self.input.uncached,
            "cache_creation_input_tokens": self.input.written,
            "cache_read_input_tokens": self.input.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.input.written_5m,
                "ephemeral_1h_input_tokens": self.input.written_1h,
            },
            "output_tokens": output_tokens,
            **_details(thinking_tokens),
            "service_tier": "standard",
            "inference_geo": "not_available",
        }


def written_blocks(
    turn: Turn, body: Mapping[str, Any], draw: Draw, signatures: SeededSignatures
) -> tuple[Written, ...]:
    """The turn's blocks as the API would send them to this request: thinking only where the body asks for it."""
    thinks = asks_for_thinking(body)
    omitted = (body.get("thinking") or {}).get("display") == "omitted"
    return tuple(
        _written(block, draw, signatures, omitted=omitted)
        for block in turn.content
        if thinks or (block.thinking is None and block.redacted_thinking is None)
    )


def output_tokens(blocks: tuple[Written, ...]) -> int:
    """The estimate for the blocks of an answer."""
    cut = sum(len(written.partial_json or "") // 3 for written in blocks)
    return answer_tokens(written.block for written in blocks) + cut


def thinking_tokens(blocks: tuple[Written, ...]) -> int:
    """The estimate for the part of an answer that went into thinking."""
    return sum(block_tokens(written.block) for written in blocks if written.block["type"] in _THINKING)


def _written(block: Block, draw: Draw, signatures: SeededSignatures, *, omitted: bool) -> Written:
    if block.thinking is not None:
        shown = "" if omitted else block.thinking
        return Written({"type": "thinking", "thinking": shown, "signature": signatures.issue(block.thinking)})
    if block.redacted_thinking is not None:
        return Written({"type": "redacted_thinking", "data": signatures.redact(block.redacted_thinking)})
    if block.call is not None:
        return _called(block.call, draw)
    if block.raw is not None:
        return Written(block.raw)
    return Written({"type": "text", "text": block.text or ""})


def _called(call: Call, draw: Draw) -> Written:
    block = {
        "type": "tool_use",
        "id": draw.identifier("toolu_"),
        "name": call.name,
        "input": msgspec.to_builtins(call.input or {}),
        "caller": {"type": "direct"},
    }
    return Written(block, call.partial_json)


def _details(thinking: int | None) -> dict[str, Any]:
    return {} if thinking is None else {"output_tokens_details": {"thinking_tokens": thinking}}
