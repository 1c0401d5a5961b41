"""Answers as messages: content blocks, stop reason and usage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flag_harness.models import Model
from flag_harness.simulator.answer.profiles import (
    LATEST_MONTH,
    convert_delta_usage_to_month,
    convert_message_to_month,
    remove_keys_newer_than_month,
)
from flag_harness.simulator.answer.randomness import SeededRandom
from flag_harness.simulator.answer.signatures import (
    CONTINUATION_MARK,
    LAST_BLOCK_MARK,
    SeededSignatures,
    position_after_blocks,
)
from flag_harness.simulator.count.cache import InputUsage
from flag_harness.simulator.count.tokens import answer_tokens, text_tokens
from flag_harness.simulator.scenario.scenario import AnswerTiming, ScriptedBlock, ScriptedToolCall

_SERVER_TOOLS_WITH_COUNTS = ("web_search", "web_fetch")
"""The server tools whose uses are counted in `usage.server_tool_use`."""


@dataclass(frozen=True, slots=True)
class AnswerBlock:
    """One content block of an answer, in the form that it has without streaming (`json_block`).

    `partial_json` is the incomplete JSON of a tool input that is cut off, or None. `thinking_text` is the thinking of
    the block, even if `json_block` leaves it out, or None.
    """

    json_block: Mapping[str, Any]
    partial_json: str | None = None
    thinking_text: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerMessage:
    """One assistant message that the simulator sends.

    `thinking_tokens` is None if the API would not report them. `api_month` is the month whose format the message has.
    """

    id: str
    model: str
    blocks: tuple[AnswerBlock, ...]
    stop_reason: str
    stop_sequence: str | None
    input_usage: InputUsage
    output_tokens: int
    thinking_tokens: int | None
    timing: AnswerTiming
    api_month: str = LATEST_MONTH

    def message_at_start(self) -> dict[str, Any]:
        """Return the message in the event `message_start`, which has no content and no stop reason yet."""
        return self._message_object([], None, None, self._usage_object(min(1, self.output_tokens), {}))

    def message_without_stream(self) -> dict[str, Any]:
        """Return the complete message, as in an answer without a stream."""
        blocks = [written.json_block for written in self.blocks]
        usage = self._usage_object(self.output_tokens, self._final_usage_details(self.thinking_tokens))
        return self._message_object(blocks, self.stop_reason, self.stop_sequence, usage)

    def usage_in_message_delta(self) -> dict[str, Any]:
        """Return the `usage` of the event `message_delta`."""
        counts = {
            "input_tokens": self.input_usage.uncached_tokens,
            "cache_creation_input_tokens": self.input_usage.tokens_written,
            "cache_read_input_tokens": self.input_usage.cache_read_tokens,
            "output_tokens": self.output_tokens,
        }
        return convert_delta_usage_to_month(
            {**counts, **self._final_usage_details(self.thinking_tokens)}, self.api_month
        )

    def stop_reason_delta(self) -> dict[str, Any]:
        """Return the `delta` of the event `message_delta`: stop reason and stop sequence."""
        delta = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence, "stop_details": None}
        return remove_keys_newer_than_month(delta, self.api_month)

    def _message_object(
        self, content: list[Any], stop_reason: str | None, stop_sequence: str | None, usage: Any
    ) -> dict[str, Any]:
        """Return the message as a JSON object with this content, stop reason, stop sequence and usage.

        It has only the keys that messages had in `api_month`.
        """
        complete_message = {
            "model": self.model,
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": stop_sequence,
            "stop_details": None,
            "usage": usage,
        }
        return convert_message_to_month(complete_message, self.api_month)

    def _usage_object(self, output_tokens: int, further_counts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `usage` of the message as a JSON object, with only the keys that it had in `api_month`.

        `further_counts` are further counts to include.
        """
        usage = {
            "input_tokens": self.input_usage.uncached_tokens,
            "cache_creation_input_tokens": self.input_usage.tokens_written,
            "cache_read_input_tokens": self.input_usage.cache_read_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.input_usage.tokens_written_for_5m,
                "ephemeral_1h_input_tokens": self.input_usage.tokens_written_for_1h,
            },
            "output_tokens": output_tokens,
            **further_counts,
            "service_tier": "standard",
            "inference_geo": "not_available",
        }
        return remove_keys_newer_than_month(usage, self.api_month)

    def _final_usage_details(self, thinking_tokens: int | None) -> dict[str, Any]:
        """Return the part of `usage` that is known only at the end of an answer: thinking tokens and uses of server
        tools.
        """
        names = [
            written.json_block["name"] for written in self.blocks if written.json_block["type"] == "server_tool_use"
        ]
        used = {f"{name}_requests": names.count(name) for name in _SERVER_TOOLS_WITH_COUNTS}
        details = {} if thinking_tokens is None else {"output_tokens_details": {"thinking_tokens": thinking_tokens}}
        return details | ({"server_tool_use": used} if any(used.values()) else {})


def is_thinking_text_omitted(body: Mapping[str, Any], model: Model) -> bool:
    """Return whether thinking blocks are sent without their text.

    The request decides with `display`. By default it depends on the model: all recorded thinking of models that only
    think adaptively (Opus 4.7 and 4.8, Sonnet 5; 2026) has no text.
    """
    display = (body.get("thinking") or {}).get("display")
    return model.has_only_adaptive_thinking if display is None else display == "omitted"


@dataclass(frozen=True, slots=True)
class BlockBuilder:
    """Builds the content blocks of an answer as the API would send them.

    Attributes:
        omits_thinking_text: True if thinking blocks are sent without their text.
        must_think: True if the answer must begin with thinking, as the API would otherwise refuse the results of its
            tool calls.
        start_position: if the answer continues an assistant message, the position after it (see
            `position_after_blocks`).
    """

    random: SeededRandom
    signatures: SeededSignatures
    api_month: str = LATEST_MONTH
    omits_thinking_text: bool = False
    must_think: bool = False
    start_position: str = ""

    def build_blocks(self, blocks: Sequence[ScriptedBlock]) -> tuple[AnswerBlock, ...]:
        """Return the blocks of an answer, built from the blocks of a scenario's turn."""
        built: list[AnswerBlock] = []
        for index, block in enumerate(blocks):
            position = position_after_blocks([written.json_block for written in built])
            position = f"{self.start_position}{CONTINUATION_MARK}{position}" if self.start_position else position
            last = index == len(blocks) - 1
            built.append(self._build_block(block, f"{position}{LAST_BLOCK_MARK}" if last else position, blocks[0]))
        return tuple(built)

    def _build_block(self, block: ScriptedBlock, position: str, first_block: ScriptedBlock) -> AnswerBlock:
        """Return the content block that the API would send for a block of a scenario's turn.

        `position` is the position of the block in the answer (see `position_after_blocks`). `first_block` is the turn's
        first block.
        """
        thought = block.thinking
        if thought is not None:
            signature = self.signatures.sign(thought, position)
            shown = {
                "type": "thinking",
                "thinking": "" if self.omits_thinking_text else thought,
                "signature": signature,
            }
            return AnswerBlock(shown, thinking_text=thought)
        thought = block.redacted_thinking
        if thought is not None:
            data = self.signatures.encrypt_thinking(thought, position)
            return AnswerBlock({"type": "redacted_thinking", "data": data}, thinking_text=thought)
        if block.call is not None:
            return self._build_tool_call(block.call, marked=self.must_think and not _is_thinking_block(first_block))
        if block.raw is not None:
            self.signatures.trust_raw_block(block.raw)
            raw = msgspec.to_builtins(block.raw)  # dates, which TOML has and JSON has not
            return AnswerBlock(raw, thinking_text=raw["thinking"] if raw["type"] == "thinking" else None)
        return AnswerBlock({"type": "text", "text": block.text or ""})

    def _build_tool_call(self, call: ScriptedToolCall, *, marked: bool) -> AnswerBlock:
        """Return a tool call. If `marked` is true, its id tells the simulator that the answer does not begin with
        thinking.
        """
        identifier = self.random.make_api_id("toolu_")
        block = {
            "type": "tool_use",
            "id": self.signatures.add_no_thinking_mark_to_call_id(identifier) if marked else identifier,
            "name": call.name,
            "input": msgspec.to_builtins(call.input or {}),
            "caller": {"type": "direct"},
        }
        return AnswerBlock(remove_keys_newer_than_month(block, self.api_month), call.partial_json)


def _is_thinking_block(block: ScriptedBlock) -> bool:
    return block.thinking is not None or block.redacted_thinking is not None


def estimate_output_tokens(blocks: tuple[AnswerBlock, ...]) -> int:
    """Return the estimated number of output tokens of an answer, including its thinking."""
    cut = sum(len(written.partial_json or "") // 3 for written in blocks)
    shown = answer_tokens(written.json_block for written in blocks if written.thinking_text is None)
    return shown + cut + estimate_thinking_tokens(blocks)


def estimate_thinking_tokens(blocks: tuple[AnswerBlock, ...]) -> int:
    """Return the estimated number of thinking tokens of an answer."""
    return sum(text_tokens(written.thinking_text) for written in blocks if written.thinking_text is not None)
