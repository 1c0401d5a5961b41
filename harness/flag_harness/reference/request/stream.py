"""Build an answer, unchanged, from the raw events of a stream or from a complete message."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from flag_harness.reference.context.context import to_json_value
from flag_harness.reference.events import TextDelta, ThinkingDelta
from flag_harness.reference.request.failure import BrokenAnswerError
from flag_harness.wire.json import join_surrogates, join_surrogates_in_value
from flag_harness.wire.usage import Usage

TRUNCATING_STOP_REASONS = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons after which the last block may be incomplete."""

AnswerDelta: TypeAlias = TextDelta | ThinkingDelta

_BLOCK_TYPE_AND_KEYS_BY_DELTA: Mapping[str, tuple[str, str, str]] = {
    "text_delta": ("text", "text", "text"),
    "thinking_delta": ("thinking", "thinking", "thinking"),
    "signature_delta": ("thinking", "signature", "signature"),
    "compaction_delta": ("compaction", "content", "content"),
}
"""For each type of delta that appends text: the type of its block, the key of the text in the delta, and its key in the
block.
"""


_SHOWN_TEXT_KEYS = ("text", "thinking")
"""The keys of a block whose text is shown as it arrives."""
_FIRST_SURROGATE, _SECOND_SURROGATE = "\ud800", "\udc00"
"""The lowest code points for the first and the second half of a surrogate pair."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A complete answer. `content` must be sent back unchanged."""

    content: tuple[dict[str, Any], ...]
    stop_reason: str
    usage: Usage

    @property
    def tool_use_blocks(self) -> tuple[dict[str, Any], ...]:
        """The tool calls in the answer, as blocks of the type `tool_use`, in order."""
        return tuple(block for block in self.content if block.get("type") == "tool_use")

    @property
    def truncated_call_id(self) -> str | None:
        """The id of the tool call that is incomplete because the answer was cut off in it, or None."""
        if self.stop_reason in TRUNCATING_STOP_REASONS and self.content and self.content[-1].get("type") == "tool_use":
            return str(self.content[-1]["id"])
        return None


def make_answer_from_message(message: Any) -> ModelAnswer:
    """Return the answer in an SDK message object. Raise `BrokenAnswerError` if it is not a message."""
    if not isinstance(getattr(message, "content", None), list) or not isinstance(message.stop_reason, str):
        raise BrokenAnswerError(f"no message came, but {_short_repr(message)}")
    content = tuple(join_surrogates_in_value(_to_json(block)) for block in message.content)
    return ModelAnswer(content, message.stop_reason, Usage.from_mapping(_to_json(message.usage)))


def deltas_of_answer(answer: ModelAnswer, arrived_at: float) -> Iterator[AnswerDelta]:
    """Yield one delta for each text or thinking block of an answer that was not streamed."""
    for block in answer.content:
        if block.get("type") == "text" and block["text"]:
            yield TextDelta(arrived_at, block["text"])
        elif block.get("type") == "thinking" and block["thinking"]:
            yield ThinkingDelta(arrived_at, block["thinking"])


class AnswerAssembler:
    """Builds an answer from the SDK's raw events, and checks that they come in a valid order.

    `usage` has the tokens so far. Unknown events, blocks and deltas are accepted. Events that the grammar forbids raise
    `BrokenAnswerError`, so that a duplicated or reordered event never becomes part of a conversation.
    """

    def __init__(self) -> None:
        self._has_started = self.is_complete = False
        self.usage = Usage()
        self._stop_reason: str | None = None
        self._blocks: list[dict[str, Any]] = []
        self._open_block: dict[str, Any] | None = None
        self._text_parts_by_key: dict[str, list[str]] = {}
        self._input_json_parts: list[str] = []
        self._first_half_of_surrogate = ""
        self._block_with_invalid_input: dict[str, Any] | None = None
        self._handlers: Mapping[str, Callable[[Any, float], AnswerDelta | None]] = {
            "message_start": self._start_message,
            "content_block_start": self._start_block,
            "content_block_delta": self._add_delta,
            "content_block_stop": self._end_block,
            "message_delta": self._add_message_delta,
            "message_stop": self._end_message,
        }

    def add_event(self, event: Any, at: float) -> AnswerDelta | None:
        """Process one raw event that arrived at the time `at`. Return the delta to show, or None."""
        kind = getattr(event, "type", None)
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None or self.is_complete:
            return None
        if self._has_started == (kind == "message_start"):
            raise BrokenAnswerError(f"{kind} came {'twice' if self._has_started else 'before message_start'}")
        return handler(event, at)

    def finish_answer(self) -> ModelAnswer:
        """Return the answer after the last event. Raise `BrokenAnswerError` if `message_stop` is missing."""
        if not self.is_complete or self._stop_reason is None:
            raise BrokenAnswerError("the stream ended before message_stop")
        return ModelAnswer(tuple(self._blocks), self._stop_reason, self.usage)

    def _start_message(self, event: Any, at: float) -> None:
        self._has_started = True
        self.usage = Usage.from_mapping(_to_json(getattr(event.message, "usage", None)))

    def _start_block(self, event: Any, at: float) -> None:
        if self._open_block is not None or event.index != len(self._blocks):
            raise BrokenAnswerError(
                f"content_block_start {event.index} came where block {self._next_block_index} was expected"
            )
        self._open_block = _to_json(event.content_block)
        self._blocks.append(self._open_block)
        self._text_parts_by_key, self._input_json_parts = {}, []

    def _add_delta(self, event: Any, at: float) -> AnswerDelta | None:
        block, delta = self._current_block(event), event.delta
        if delta.type in _BLOCK_TYPE_AND_KEYS_BY_DELTA:
            return self._add_text(block, delta, at)
        if delta.type == "input_json_delta":
            self._require_fitting_delta("input" in block, delta, block)
            self._input_json_parts.append(delta.partial_json)
        elif delta.type == "citations_delta":
            self._require_fitting_delta(block["type"] == "text", delta, block)
            block["citations"] = [*(block.get("citations") or ()), _to_json(delta.citation)]
        return None

    def _add_text(self, block: dict[str, Any], delta: Any, at: float) -> AnswerDelta | None:
        owner, source, target = _BLOCK_TYPE_AND_KEYS_BY_DELTA[delta.type]
        self._require_fitting_delta(block["type"] == owner, delta, block)
        text = getattr(delta, source)
        self._text_parts_by_key.setdefault(target, []).append(text)
        if target not in _SHOWN_TEXT_KEYS:
            return None
        text = self._first_half_of_surrogate + text
        self._first_half_of_surrogate = text[-1:] if _FIRST_SURROGATE <= text[-1:] < _SECOND_SURROGATE else ""
        shown = join_surrogates(text.removesuffix(self._first_half_of_surrogate))
        return self._make_delta(block["type"], shown, at) if shown or not self._first_half_of_surrogate else None

    @staticmethod
    def _make_delta(block_type: str, text: str, at: float) -> AnswerDelta:
        """Return a delta event for a text or thinking block."""
        return TextDelta(at, text) if block_type == "text" else ThinkingDelta(at, text)

    def _end_block(self, event: Any, at: float) -> AnswerDelta | None:
        block = self._current_block(event)
        self._open_block = None
        for key, parts in self._text_parts_by_key.items():
            block[key] = (block.get(key) or "") + "".join(parts)
        if written := join_surrogates("".join(self._input_json_parts)):
            try:
                block["input"] = _parse_tool_input(written)
            except ValueError:
                self._block_with_invalid_input = block
        block.update(join_surrogates_in_value(block))
        rest, self._first_half_of_surrogate = self._first_half_of_surrogate, ""
        return self._make_delta(block["type"], join_surrogates(rest), at) if rest else None

    def _add_message_delta(self, event: Any, at: float) -> None:
        if self._open_block is not None:
            raise BrokenAnswerError(f"message_delta came inside block {self._next_block_index}")
        self._stop_reason = event.delta.stop_reason or self._stop_reason
        self.usage = self.usage.with_delta(_to_json(getattr(event, "usage", None)))

    def _end_message(self, event: Any, at: float) -> None:
        if self._open_block is not None or self._stop_reason is None:
            raise BrokenAnswerError(
                "message_stop came before " + ("content_block_stop" if self._open_block else "a stop_reason")
            )
        broken = self._block_with_invalid_input
        if broken is not None and (self._stop_reason not in TRUNCATING_STOP_REASONS or broken is not self._blocks[-1]):
            raise BrokenAnswerError(f"the input of {broken['type']} {broken['id']} is not a JSON object")
        self.is_complete = True

    @property
    def _next_block_index(self) -> int:
        return len(self._blocks) - (self._open_block is not None)

    def _current_block(self, event: Any) -> dict[str, Any]:
        if self._open_block is None or event.index != self._next_block_index:
            raise BrokenAnswerError(f"{event.type} {event.index} came without its block")
        return self._open_block

    @staticmethod
    def _require_fitting_delta(fits: bool, delta: Any, block: Mapping[str, Any]) -> None:
        if not fits:
            raise BrokenAnswerError(f"{delta.type} came inside a {block['type']} block")


def _parse_tool_input(text: str) -> Any:
    """Parse a tool's input, a JSON object. Raise `ValueError` if it is invalid."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)  # noqa: TRY004 - one kind of error: the caller asks only whether it can be used
    return value


def _to_json(value: Any) -> Any:
    """Return an SDK object as the JSON that the API sent: with the API's names, and without fields that were not
    sent.
    """
    dump = getattr(value, "to_dict", None)
    return to_json_value(value) if dump is None else dump(mode="json", warnings=False)


def _short_repr(value: Any) -> str:
    """Return the type and the beginning of the `repr` of a value, for an error message."""
    return f"{type(value).__name__} {value!r:.100}"
