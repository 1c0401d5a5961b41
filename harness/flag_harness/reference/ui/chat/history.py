"""Turn the messages of a restored context into transcripts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flag_harness.reference.context.context import ConversationContext
from flag_harness.reference.context.conversation import ends_with_user_turn, list_content_blocks
from flag_harness.reference.ui.chat.advice import INTERRUPTED_NOTICE, transition_notice
from flag_harness.reference.ui.chat.exchanges import is_transition_prompt, user_texts
from flag_harness.reference.ui.chat.transcript import TextPart, ToolPart, TurnTranscript


def transcripts_of_context(
    context: ConversationContext, request_numbers_by_turn: Mapping[int, list[int]]
) -> list[TurnTranscript]:
    """Return one transcript for each turn in the context. If the last turn has no answer, its transcript says so.

    `request_numbers_by_turn` has the numbers of the saved requests by the number of the turn, counted from 1.
    """
    turns: list[TurnTranscript] = []
    for message in context.messages:
        if message["role"] == "user" and (texts := user_texts(message)):
            number = sum(one.prompt is not None for one in turns) + 1
            turns.append(_restored_turn("\n\n".join(texts), request_numbers_by_turn.get(number, [])))
        elif not turns:
            turns.append(_restored_turn(None, []))
        for block in list_content_blocks(message["content"]):
            _add_block(turns, message["role"], block)
    if ends_with_user_turn(context.messages):
        turns[-1].add_notice("warning", INTERRUPTED_NOTICE)
    return turns


def _restored_turn(prompt: str | None, request_numbers: Sequence[int]) -> TurnTranscript:
    return TurnTranscript(prompt, has_ended=True, request_numbers=request_numbers, is_restored=True)


def _add_block(turns: Sequence[TurnTranscript], role: str, block: Mapping[str, Any]) -> None:
    """Add a content block to the last turn. A tool result is added to its call, which may be in an earlier turn."""
    turn = turns[-1]
    match block["type"]:
        case "text" if role == "user" and is_transition_prompt(block["text"]):
            turn.add_notice("info", transition_notice(block["text"]))
        case "text" if role == "assistant":
            turn.parts.append(TextPart("text", [block["text"]]))
        case "thinking" if block["thinking"]:
            turn.parts.append(TextPart("thinking", [block["thinking"]]))
        case "tool_use":
            turn.parts.append(ToolPart(block["id"], block["name"], block["input"]))
        case "tool_result":
            for part in (part for turn in turns for part in turn.parts):
                if isinstance(part, ToolPart) and part.id == block["tool_use_id"]:
                    part.result, part.is_error = _result_text(block.get("content")), bool(block.get("is_error"))


def _result_text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(_block_texts(content or []))


def _block_texts(blocks: list[Any]) -> Iterator[str]:
    for block in blocks:
        yield str(block.get("text", f"[{block.get('type')}]"))
