"""Turn the messages of a restored context into transcripts."""

from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.reference.context.context import Context
from flag_harness.reference.context.conversation import block_list
from flag_harness.reference.ui.chat.transcript import TextPart, ToolPart, TurnTranscript


def transcripts_of(context: Context, exchanges: Mapping[int, list[int]]) -> list[TurnTranscript]:
    """Return one transcript for each turn in the context. Their usage is unknown, so it is empty.

    `exchanges` are the numbers of the saved requests by turn, counted from 1.
    """
    turns: list[TurnTranscript] = []
    for message in context.messages:
        blocks = block_list(message["content"])
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        if message["role"] == "user" and texts:
            number = sum(one.prompt is not None for one in turns) + 1
            turns.append(TurnTranscript("\n\n".join(texts), has_ended=True, exchanges=exchanges.get(number, [])))
        turn = turns[-1] if turns else TurnTranscript(None, has_ended=True)
        if not turns:
            turns.append(turn)
        for block in blocks:
            _add_block(turn, message["role"], block)
    return turns


def _add_block(turn: TurnTranscript, role: str, block: Mapping[str, Any]) -> None:
    match block["type"]:
        case "text" if role == "assistant":
            turn.parts.append(TextPart("text", [block["text"]]))
        case "thinking" if block["thinking"]:
            turn.parts.append(TextPart("thinking", [block["thinking"]]))
        case "tool_use":
            turn.parts.append(ToolPart(block["id"], block["name"], block["input"]))
        case "tool_result":
            for part in turn.parts:
                if isinstance(part, ToolPart) and part.id == block["tool_use_id"]:
                    part.result, part.is_error = _result_text(block.get("content")), bool(block.get("is_error"))


def _result_text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(_block_texts(content or []))


def _block_texts(blocks: list[Any]) -> Iterator[str]:
    for block in blocks:
        yield str(block.get("text", f"[{block.get('type')}]"))
