"""A turn as a list of pieces. The page draws each piece in a slot of its own.

Pieces can be compared, so that a page which follows a running turn draws only what has changed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from flag_harness.reference.tools.tool import TOOL_DELAY_SECONDS
from flag_harness.reference.ui.chat.approval import is_denial
from flag_harness.reference.ui.chat.transcript import (
    NoticeLevel,
    NoticePart,
    TextPart,
    ToolPart,
    TranscriptPart,
    TurnTranscript,
)
from flag_harness.reference.ui.page.plain_text import make_text_safe_to_show, split_text

MAX_TEXT_CHARACTERS = 4_000
"""The most characters of a piece of text. Pieces are short, since the browser lays out a piece anew with each token."""

MAX_THINKING_CHARACTERS = 40_000
"""The most characters of a piece of thinking, which is collapsed by default."""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A part of a text of the model. It is struck out if the agent has discarded it."""

    text: str
    is_discarded: bool


@dataclass(frozen=True, slots=True)
class CollapsedPiece:
    """A text that is hidden until the user clicks its label: thinking, or a discarded text that was replaced."""

    label: str
    text: str
    is_discarded: bool


@dataclass(frozen=True, slots=True)
class ToolPiece:
    """A tool call. `state` says whether it waits or runs; once there is a `result`, what kind of result it is."""

    name: str
    input: str
    state: str
    result: str | None


@dataclass(frozen=True, slots=True)
class NoticePiece:
    """A sentence about the turn."""

    level: NoticeLevel
    text: str


PagePiece: TypeAlias = TextPiece | CollapsedPiece | ToolPiece | NoticePiece


def list_page_pieces(turn: TurnTranscript, now: float, *, asks_user: bool = False) -> list[PagePiece]:
    """Return what the page shows of a turn (texts, tool cards, waits) at the time `now` on the agent's clock.

    `asks_user` is true while a tool call waits for the user's answer.
    """
    parts = list(turn.parts)
    return [
        piece
        for index, part in enumerate(parts)
        for piece in (
            [_tool_piece(part, _tool_state_text(part, turn, now, asks_user=asks_user))]
            if isinstance(part, ToolPart)
            else _pieces_of_part(part, parts[index + 1 :])
        )
    ]


def _pieces_of_part(part: TextPart | NoticePart, later_parts: list[TranscriptPart]) -> Iterator[PagePiece]:
    if isinstance(part, TextPart):
        yield from _text_pieces(part, is_replaced=any(_is_current_text(one) for one in later_parts))
    else:
        yield NoticePiece(part.level, make_text_safe_to_show(part.text))


def _is_current_text(part: TranscriptPart) -> bool:
    return isinstance(part, TextPart) and not part.discard_reason


def _text_pieces(part: TextPart, *, is_replaced: bool) -> Iterator[PagePiece]:
    """Yield the pieces of a text. A discarded text is struck out; once another text has replaced it, it is
    collapsed.
    """
    reason = make_text_safe_to_show(part.discard_reason)
    is_model_thinking = part.kind == "thinking"
    if is_model_thinking or (reason and is_replaced):
        label = "Discarded answer" if not is_model_thinking else "Thinking (discarded)" if reason else "Thinking"
        for text in split_text(part.text, MAX_THINKING_CHARACTERS):
            yield CollapsedPiece(label, make_text_safe_to_show(text), bool(reason))
    else:
        for text in split_text(part.text, MAX_TEXT_CHARACTERS):
            yield TextPiece(make_text_safe_to_show(text), bool(reason))
    if reason and not is_replaced:
        yield NoticePiece("warning", f"The {part.kind} above was discarded: {reason}")


def _tool_piece(part: ToolPart, state: str) -> ToolPiece:
    shown_input = make_text_safe_to_show(json.dumps(part.input, indent=2, ensure_ascii=False, default=str))
    result = None if part.result is None else make_text_safe_to_show(part.result)
    return ToolPiece(make_text_safe_to_show(part.name), shown_input, state, result)


def _tool_state_text(part: ToolPart, turn: TurnTranscript, now: float, *, asks_user: bool) -> str:
    if part.result is not None:
        return _result_title(part)
    if turn.has_ended or part.called_at is None:
        return "It has no result: the turn ended before."
    if asks_user:
        return "It waits for your permission."
    return (
        f"It starts after {TOOL_DELAY_SECONDS:g} s." if now - part.called_at < TOOL_DELAY_SECONDS else "It is running."
    )


def _result_title(part: ToolPart) -> str:
    if part.is_error and is_denial(part.result or ""):
        return "You did not allow it. The model was told:"
    return "The tool failed:" if part.is_error else "Result:"
