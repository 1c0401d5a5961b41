"""The messages of a conversation: how each step of a turn adds to them. Nothing that is passed in is changed."""

from collections.abc import Iterable, Sequence
from typing import Any

from flag_harness.reference.tools.tool import ToolOutcome

Message = dict[str, Any]
Messages = tuple[Message, ...]


def with_user(messages: Messages, text: str | None, transition: str | None = None) -> Messages:
    """The messages once the user has said `text`; None: once more what they said last.

    Where their last turn is unanswered, the text joins it, unless it is what that turn ends with. `transition` stands
    in front of what the user says, but after results of tools, which the API wants first.
    """
    if messages and messages[-1]["role"] == "user":
        earlier, pending = messages[:-1], _blocks(messages[-1]["content"])
    else:
        earlier, pending = messages, []
    said = [] if text is None or (pending and pending[-1] == _text(text)) else [_text(text)]
    results = sum(block["type"] == "tool_result" for block in pending)
    told = [_text(transition)] if transition else []
    return (*earlier, {"role": "user", "content": [*pending[:results], *told, *pending[results:], *said]})


def with_answer(messages: Messages, content: Sequence[dict[str, Any]]) -> Messages:
    """The messages once the model has answered: exactly as it did, less blank texts, which the API writes and refuses.

    An empty answer adds nothing; one that goes on after a pause joins what came before it.
    """
    kept = [block for block in content if block.get("type") != "text" or block["text"].strip()]
    if not kept:
        return messages
    if messages[-1]["role"] == "assistant":
        return (*messages[:-1], {"role": "assistant", "content": [*messages[-1]["content"], *kept]})
    return (*messages, {"role": "assistant", "content": kept})


def with_results(messages: Messages, outcomes: Iterable[ToolOutcome]) -> Messages:
    """The messages once all calls of the last answer have come to something: one user turn, in the order of calls."""
    return (*messages, {"role": "user", "content": [outcome.block for outcome in outcomes]})


def awaits_answer(messages: Messages) -> bool:
    """Whether the last turn is the user's."""
    return bool(messages) and messages[-1]["role"] == "user"


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [_text(content)] if isinstance(content, str) else list(content)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
