"""What the model answers, before it is bytes: blocks, stop reason and usage of one message."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from flag_harness.models import Model
from flag_harness.simulator.answer.profiles import LATEST, dated, dated_closing, dated_message
from flag_harness.simulator.answer.randomness import Draw
from flag_harness.simulator.answer.signatures import SeededSignatures
from flag_harness.simulator.count.cache import Accounting
from flag_harness.simulator.count.tokens import answer_tokens, text_tokens
from flag_harness.simulator.scenario.scenario import Block, Call, Timing

_SERVER_TOOLS = ("web_search", "web_fetch")
"""The tools whose uses are counted in `usage.server_tool_use`."""


@dataclass(frozen=True, slots=True)
class Written:
    """One content block as a plain answer shows it; `partial_json` where its input streams as raw, cut text.

    `thought` is what the model thought, also where the block does not show it.
    """

    block: Mapping[str, Any]
    partial_json: str | None = None
    thought: str | None = None


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
    profile: str = LATEST

    def head(self) -> dict[str, Any]:
        """The message as `message_start` carries it; keys in the order of 2026."""
        return self._message([], None, None, self._usage(min(1, self.output_tokens), {}))

    def message(self) -> dict[str, Any]:
        """The message as a plain answer is."""
        blocks = [written.block for written in self.blocks]
        usage = self._usage(self.output_tokens, self._details(self.thinking_tokens))
        return self._message(blocks, self.stop_reason, self.stop_sequence, usage)

    def closing_usage(self) -> dict[str, Any]:
        """The usage of `message_delta`."""
        counts = {
            "input_tokens": self.input.uncached,
            "cache_creation_input_tokens": self.input.written,
            "cache_read_input_tokens": self.input.read,
            "output_tokens": self.output_tokens,
        }
        return dated_closing({**counts, **self._details(self.thinking_tokens)}, self.profile)

    def closing_delta(self) -> dict[str, Any]:
        """The delta of `message_delta`."""
        delta = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence, "stop_details": None}
        return dated(delta, self.profile)

    def _message(self, content: list[Any], reason: str | None, sequence: str | None, usage: Any) -> dict[str, Any]:
        message = {
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
        return dated_message(message, self.profile)

    def _usage(self, output_tokens: int, details: Mapping[str, Any]) -> dict[str, Any]:
        usage = {
            "input_tokens": self.input.uncached,
            "cache_creation_input_tokens": self.input.written,
            "cache_read_input_tokens": self.input.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.input.written_5m,
                "ephemeral_1h_input_tokens": self.input.written_1h,
            },
            "output_tokens": output_tokens,
            **details,
            "service_tier": "standard",
            "inference_geo": "not_available",
        }
        return dated(usage, self.profile)

    def _details(self, thinking: int | None) -> dict[str, Any]:
        """What only closed answers state: thinking, and how often the servers' own tools were used."""
        names = [written.block["name"] for written in self.blocks if written.block["type"] == "server_tool_use"]
        used = {f"{name}_requests": names.count(name) for name in _SERVER_TOOLS}
        told = {} if thinking is None else {"output_tokens_details": {"thinking_tokens": thinking}}
        return told | ({"server_tool_use": used} if any(used.values()) else {})


def omits_thinking(body: Mapping[str, Any], model: Model) -> bool:
    """Whether thinking is sent as its signature alone: as `display` says, else on models that only think adaptively.

    All recorded thinking of such models (Opus 4.7 and 4.8, Sonnet 5; 2026) came without its text.
    """
    display = (body.get("thinking") or {}).get("display")
    return model.only_adaptive if display is None else display == "omitted"


def written_blocks(
    blocks: Iterable[Block], draw: Draw, signatures: SeededSignatures, profile: str = LATEST, *, omitted: bool = False
) -> tuple[Written, ...]:
    """The blocks as the API would send them; thinking without its text where that is `omitted`."""
    return tuple(_written(block, draw, signatures, profile, omitted=omitted) for block in blocks)


def output_tokens(blocks: tuple[Written, ...]) -> int:
    """The estimate for the blocks of an answer, with what was thought."""
    cut = sum(len(written.partial_json or "") // 3 for written in blocks)
    shown = answer_tokens(written.block for written in blocks if written.thought is None)
    return shown + cut + thinking_tokens(blocks)


def thinking_tokens(blocks: tuple[Written, ...]) -> int:
    """The estimate for the part of an answer that went into thinking."""
    return sum(text_tokens(written.thought) for written in blocks if written.thought is not None)


def _written(block: Block, draw: Draw, signatures: SeededSignatures, profile: str, *, omitted: bool) -> Written:
    thought = block.thinking
    if thought is not None:
        shown = {"type": "thinking", "thinking": "" if omitted else thought, "signature": signatures.sign(thought)}
        return Written(shown, thought=thought)
    thought = block.redacted_thinking
    if thought is not None:
        return Written({"type": "redacted_thinking", "data": signatures.encrypt(thought)}, thought=thought)
    if block.call is not None:
        return _called(block.call, draw, profile)
    if block.raw is not None:
        raw = msgspec.to_builtins(block.raw)  # dates, which TOML has and JSON has not
        return Written(raw, thought=raw["thinking"] if raw["type"] == "thinking" else None)
    return Written({"type": "text", "text": block.text or ""})


def _called(call: Call, draw: Draw, profile: str) -> Written:
    block = {
        "type": "tool_use",
        "id": draw.identifier("toolu_"),
        "name": call.name,
        "input": msgspec.to_builtins(call.input or {}),
        "caller": {"type": "direct"},
    }
    return Written(dated(block, profile), call.partial_json)
