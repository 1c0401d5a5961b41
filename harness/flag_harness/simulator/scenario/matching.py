"""Decides whether the conditions of a turn match a request."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flag_harness.models import Model
from flag_harness.simulator.scenario.scenario import TurnConditions


@dataclass(frozen=True, slots=True)
class ToolResultView:
    """A tool_result in the last user message: its text, whether it is an error, and the name of the called tool."""

    text: str
    is_error: bool
    tool_name: str


@dataclass(frozen=True, slots=True)
class RequestView:
    """The parts of a request that the conditions of turns check."""

    last_message_text: str
    newest_user_text: str
    tool_results: tuple[ToolResultView, ...]
    system_text: str
    asks_for_stream: bool
    asks_for_thinking: bool
    tool_names: Collection[str]
    betas: Collection[str]
    model: str
    body_keys: Collection[str]


def make_request_view(body: Mapping[str, Any], betas: Collection[str] = ()) -> RequestView:
    """Return the parts of a valid request that the conditions of turns check."""
    users = [message for message in body["messages"] if message["role"] == "user"]
    names = _tool_names(body["messages"])
    texts = [text_content(message.get("content")) for message in users]
    return RequestView(
        last_message_text=texts[-1] if texts else "",
        newest_user_text=next((text for text in reversed(texts) if text), ""),
        tool_results=tuple(
            ToolResultView(
                text_content(block.get("content")), bool(block.get("is_error")), names.get(block["tool_use_id"], "")
            )
            for block in (message_blocks(users[-1]) if users else ())
            if block["type"] == "tool_result"
        ),
        system_text=text_content(body.get("system")),
        asks_for_stream=bool(body.get("stream")),
        asks_for_thinking=is_thinking_requested(body),
        tool_names=frozenset(tool.get("name", "") for tool in body.get("tools") or ()),
        betas=frozenset(betas),
        model=body["model"],
        body_keys=frozenset(body),
    )


def is_thinking_requested(body: Mapping[str, Any]) -> bool:
    """Return whether a request asks for thinking, either adaptive or with a budget."""
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def is_model_thinking(body: Mapping[str, Any], model: Model) -> bool:
    """Return whether the model thinks before it answers: because the request asks for it, or by default."""
    return is_thinking_requested(body) or (model.thinks_by_default and not body.get("thinking"))


def content_blocks(content: Any) -> Sequence[Mapping[str, Any]]:
    """Return a content as a list of blocks. A string becomes one text block."""
    if content is None:
        return ()
    return ({"type": "text", "text": content},) if isinstance(content, str) else content


def message_blocks(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the content blocks of a message, or an empty sequence if it has no content. A string is one text block."""
    return content_blocks(message.get("content"))


def blocks_of_prefilled_answer(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the blocks of the final message if it is an assistant message, which the answer continues, or an empty
    sequence.
    """
    last = body["messages"][-1]
    return message_blocks(last) if last["role"] == "assistant" else ()


def text_content(content: Any) -> str:
    """Return the texts in the content of a message, joined by newlines."""
    return "\n".join(block["text"] for block in content_blocks(content) if block.get("type") == "text")


def request_meets_conditions(when: TurnConditions, view: RequestView) -> bool:
    """Return whether a request meets all conditions of a turn, except `nth`."""
    return all(
        condition(expected, view)
        for name, condition in _CHECK_BY_CONDITION.items()
        if (expected := getattr(when, name)) is not None and expected != ()
    )


def _tool_names(messages: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of the called tools, by the id of the tool call."""
    return {
        block["id"]: block["name"]
        for message in messages
        if message["role"] == "assistant"
        for block in message_blocks(message)
        if block["type"] == "tool_use"
    }


def _make_result_check(is_match: Callable[[Any, ToolResultView], bool]) -> Callable[[Any, RequestView], bool]:
    """Return a function that checks a condition: `is_match(expected, result)` must be true for any tool result of the
    request.
    """
    return lambda expected, view: any(is_match(expected, result) for result in view.tool_results)


def _is_tool_result_error(expected: bool, view: RequestView) -> bool:
    """Return whether the last message has tool results, and one is an error (if `expected`) or none is (if not)."""
    return bool(view.tool_results) and any(result.is_error for result in view.tool_results) == expected


_CHECK_BY_CONDITION: Mapping[str, Callable[[Any, RequestView], bool]] = {
    "user": lambda expected, view: bool(view.last_message_text == expected),
    "user_contains": lambda expected, view: expected in view.last_message_text,
    "user_matches": lambda expected, view: re.search(expected, view.last_message_text) is not None,
    "prompt_contains": lambda expected, view: expected in view.newest_user_text,
    "result": _make_result_check(lambda expected, result: bool(result.text == expected)),
    "result_contains": _make_result_check(lambda expected, result: expected in result.text),
    "result_matches": _make_result_check(lambda expected, result: re.search(expected, result.text) is not None),
    "result_is_error": _is_tool_result_error,
    "result_of": _make_result_check(lambda expected, result: bool(result.tool_name == expected)),
    "results": lambda expected, view: len(view.tool_results) == expected,
    "system_contains": lambda expected, view: expected in view.system_text,
    "streaming": lambda expected, view: view.asks_for_stream is expected,
    "thinking": lambda expected, view: view.asks_for_thinking is expected,
    "tool": lambda expected, view: expected in view.tool_names,
    "beta": lambda expected, view: expected in view.betas,
    "model": lambda expected, view: bool(view.model == expected),
    "has": lambda expected, view: all(key in view.body_keys for key in expected),
    "lacks": lambda expected, view: not any(key in view.body_keys for key in expected),
}
