"""What the page shows of one turn, built from the events of the agent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from flag_harness.models import find_model
from flag_harness.reference.events import (
    AgentError,
    BlockDropped,
    Event,
    FeatureDropped,
    RequestUsage,
    RestoreNote,
    TextDelta,
    ThinkingDelta,
    ToolResult,
    ToolUse,
    TurnDiscarded,
    TurnEnded,
    WaitingForRetry,
)
from flag_harness.reference.ui.chat.advice import (
    advice_on_dropped_block,
    advice_on_dropped_feature,
    advice_on_ending,
    advice_on_error,
    transition_notice,
)
from flag_harness.wire.usage import Usage

NoticeLevel: TypeAlias = Literal["info", "warning", "error"]


@dataclass(slots=True)
class TextPart:
    """A text of the model, or its thinking, which grows while it arrives.

    `discard_reason` is the reason why the agent discarded it, or an empty string.
    """

    kind: Literal["text", "thinking"]
    pieces: list[str] = field(default_factory=list)
    discard_reason: str = ""

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.pieces)


@dataclass(slots=True)
class ToolPart:
    """A tool call. `called_at` and `ended_at` are seconds on the agent's clock.

    `result` is None until the tool ends. The times are None in a restored conversation.
    """

    id: str
    name: str
    input: Any
    called_at: float | None = None
    ended_at: float | None = None
    result: str | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class NoticePart:
    """A sentence of the harness about the turn: about an error, a wait, or a feature that was dropped."""

    level: NoticeLevel
    text: str


TranscriptPart: TypeAlias = TextPart | ToolPart | NoticePart


@dataclass(slots=True)
class TurnTranscript:
    """One turn: the user's prompt (None continues an unanswered one), and what followed.

    `first_token_seconds` is the seconds to the first token of the turn's first answer. `cost` is in US dollars, or None
    if a price is unknown. `request_numbers` are the numbers of its saved requests. If `is_restored`, the turn was sent
    before the server started, so its usage and cost are unknown.
    """

    prompt: str | None
    parts: list[TranscriptPart] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0
    request_count: int = 0
    first_token_seconds: float | None = None
    has_ended: bool = False
    request_numbers: Sequence[int] = ()
    is_restored: bool = False
    _index_of_current_request: int = 0
    """The index of the first part that belongs to the request which is being answered."""

    @property
    def characters_of_request(self) -> int:
        """The number of characters received so far for the request that is being answered, to estimate its tokens."""
        parts = self.parts[self._index_of_current_request :]
        return sum(
            sum(map(len, part.pieces)) for part in parts if isinstance(part, TextPart) and not part.discard_reason
        )

    def add_event(self, event: Event, model: str) -> None:
        """Add one event of the agent. `model` is the id of the model, for the cost."""
        match event:
            case TextDelta(text=text):
                self._add_text("text", text)
            case ThinkingDelta(text=text):
                self._add_text("thinking", text)
            case ToolUse():
                self.parts.append(ToolPart(event.id, event.name, event.input, event.at))
            case ToolResult():
                self._add_result(event)
            case RequestUsage():
                self._add_usage(event.usage, model)
                self.first_token_seconds = (
                    event.first_token_seconds if self.request_count == 1 else self.first_token_seconds
                )
                self._index_of_current_request = len(self.parts)
            case TurnDiscarded():
                self._discard_answer(event.reason)
                self._add_cost(event.usage, model)
            case TurnEnded():
                self.add_notices(advice_on_ending(event.stop_reason))
                self.has_ended = True
            case AgentError():
                self.add_notice("error", advice_on_error(event))
                self.has_ended = True
            case _:
                self._add_notice_of_event(event)

    def resume(self) -> None:
        """Continue after the turn ended without an answer. Tool calls that have no result yet will not get one."""
        for part in self.parts:
            if isinstance(part, ToolPart) and part.result is None:
                part.called_at = None
        self.has_ended, self.is_restored, self._index_of_current_request = False, False, len(self.parts)

    def add_notice(self, level: NoticeLevel, text: str) -> None:
        """Add a notice with one sentence."""
        self.parts.append(NoticePart(level, text))

    def add_notices(self, texts: Sequence[str]) -> None:
        """Add a warning for each text."""
        for text in texts:
            self.add_notice("warning", text)

    def _add_notice_of_event(self, event: WaitingForRetry | FeatureDropped | BlockDropped | RestoreNote) -> None:
        match event:
            case WaitingForRetry():
                self.add_notice("info", f"{event.reason}; trying again in {event.seconds:g} s.")
            case FeatureDropped():
                self.add_notice("warning", advice_on_dropped_feature(event))
            case BlockDropped():
                self.add_notice("warning", advice_on_dropped_block(event))
            case _:
                self.add_notice("info", transition_notice(event.text))

    def _add_text(self, kind: Literal["text", "thinking"], text: str) -> None:
        last = self.parts[-1] if len(self.parts) > self._index_of_current_request else None
        if not isinstance(last, TextPart) or last.kind != kind or last.discard_reason:
            last = TextPart(kind)
            self.parts.append(last)
        last.pieces.append(text)

    def _add_result(self, event: ToolResult) -> None:
        for part in self.parts:
            if isinstance(part, ToolPart) and part.id == event.id and part.result is None:
                part.result, part.is_error, part.ended_at = event.content, event.is_error, event.at
                return

    def _add_usage(self, usage: Usage, model: str) -> None:
        self.request_count += 1
        self._add_cost(usage, model)

    def _add_cost(self, usage: Usage, model: str) -> None:
        self.usage += usage
        cost = find_model(model).cost(usage)
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    def _discard_answer(self, reason: str) -> None:
        for part in self.parts[self._index_of_current_request :]:
            if isinstance(part, TextPart) and not part.discard_reason:
                part.discard_reason = reason
