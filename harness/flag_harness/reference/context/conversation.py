"""Add each step of a turn to the messages of a conversation. The functions change none of their arguments."""

from collections.abc import Iterable, Sequence
from typing import Any

from flag_harness.reference.tools.tool import ToolOutcome

MessageDict = dict[str, Any]
Messages = tuple[MessageDict, ...]


def add_user_turn(messages: Messages, text: str | None, transition_prompt: str | None = None) -> Messages:
    """Return the messages with the user's `text` added. If `text` is None, the last turn must have no answer; it is
    kept.

    If the last turn has no answer, the text is added to that turn, unless the turn already ends with the text.
    `transition_prompt` is a note for the model; it goes before the user's text, but after tool results, which the API
    wants first.
    """
    if messages and messages[-1]["role"] == "user":
        earlier, pending = messages[:-1], list_content_blocks(messages[-1]["content"])
    else:
        earlier, pending = messages, []
    said = [] if text is None or (pending and pending[-1] == _make_text_block(text)) else [_make_text_block(text)]
    results = sum(block["type"] == "tool_result" for block in pending)
    note = [_make_text_block(transition_prompt)] if transition_prompt else []
    return (*earlier, {"role": "user", "content": [*pending[:results], *note, *pending[results:], *said]})


def add_model_answer(messages: Messages, content: Sequence[dict[str, Any]]) -> Messages:
    """Return the messages with the model's answer added. Blank texts are left out, since the API does not accept them
    back.

    An empty answer adds no message. An answer that continues a paused one (`pause_turn`) joins the paused answer.
    """
    kept = [block for block in content if block.get("type") != "text" or block["text"].strip()]
    if not kept:
        return messages
    if messages[-1]["role"] == "assistant":
        return (*messages[:-1], {"role": "assistant", "content": [*messages[-1]["content"], *kept]})
    return (*messages, {"role": "assistant", "content": kept})


def add_tool_results(messages: Messages, outcomes: Iterable[ToolOutcome]) -> Messages:
    """Return the messages with the results of tool calls added, as one user turn."""
    return (*messages, {"role": "user", "content": [outcome.result_block for outcome in outcomes]})


def remove_last_turn(messages: Messages) -> Messages:
    """Return the messages without the last text of the user and without all messages after it.

    Tool results in the same message as the text stay, because their calls need them.
    """
    for index in reversed(range(len(messages))):
        if messages[index]["role"] != "user":
            continue
        blocks = list_content_blocks(messages[index]["content"])
        results = [block for block in blocks if block["type"] == "tool_result"]
        if len(results) < len(blocks):
            kept = ({"role": "user", "content": results},) if results else ()
            return (*messages[:index], *kept)
    return ()


def ends_with_user_turn(messages: Messages) -> bool:
    """Return whether the last turn is the user's."""
    return bool(messages) and messages[-1]["role"] == "user"


def list_content_blocks(content: Any) -> list[dict[str, Any]]:
    """Return the content of a message as a list of blocks. A string becomes one text block."""
    return [_make_text_block(content)] if isinstance(content, str) else list(content)


def _make_text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
