"""Which turn of a scenario answers a request: what the request says, and whether a turn's conditions hold for it."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flag_harness.models import Model
from flag_harness.simulator.scenario.scenario import When


@dataclass(frozen=True, slots=True)
class Result:
    """One tool_result of the last user message; `tool` is the name of the tool whose call it answers."""

    text: str
    is_error: bool
    tool: str


@dataclass(frozen=True, slots=True)
class View:
    """What conditions look at, read off a request's body and beta header."""

    user: str
    asked: str
    results: tuple[Result, ...]
    system: str
    streaming: bool
    thinking: bool
    tools: Collection[str]
    betas: Collection[str]
    model: str
    parameters: Collection[str]


def view(body: Mapping[str, Any], betas: Collection[str] = ()) -> View:
    """The view of a request that is legal."""
    users = [message for message in body["messages"] if message["role"] == "user"]
    names = _called_tools(body["messages"])
    texts = [text_of(message.get("content")) for message in users]
    return View(
        user=texts[-1] if texts else "",
        asked=next((text for text in reversed(texts) if text), ""),
        results=tuple(
            Result(text_of(block.get("content")), bool(block.get("is_error")), names.get(block["tool_use_id"], ""))
            for block in (message_blocks(users[-1]) if users else ())
            if block["type"] == "tool_result"
        ),
        system=text_of(body.get("system")),
        streaming=bool(body.get("stream")),
        thinking=asks_for_thinking(body),
        tools=frozenset(tool.get("name", "") for tool in body.get("tools") or ()),
        betas=frozenset(betas),
        model=body["model"],
        parameters=frozenset(body),
    )


def asks_for_thinking(body: Mapping[str, Any]) -> bool:
    """Whether the body asks for thinking, with a budget or adaptive."""
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def thinks(body: Mapping[str, Any], model: Model) -> bool:
    """Whether the model thinks before it answers: where it is asked to, and where it does so unasked."""
    return asks_for_thinking(body) or (model.thinks_unasked and not body.get("thinking"))


def blocks_of(content: Any) -> Sequence[Mapping[str, Any]]:
    """A message's, a tool result's or the system prompt's content as blocks; a string is one text block."""
    if content is None:
        return ()
    return ({"type": "text", "text": content},) if isinstance(content, str) else content


def message_blocks(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """A message's blocks; a system message that only changes settings has none."""
    return blocks_of(message.get("content"))


def text_of(content: Any) -> str:
    """The text blocks of a content, joined by newlines."""
    return "\n".join(block["text"] for block in blocks_of(content) if block.get("type") == "text")


def holds(when: When, seen: View) -> bool:
    """Whether all conditions but `nth` hold for the request."""
    return all(
        condition(wanted, seen)
        for name, condition in _CONDITIONS.items()
        if (wanted := getattr(when, name)) is not None and wanted != ()
    )


def _called_tools(messages: list[Mapping[str, Any]]) -> dict[str, str]:
    return {
        block["id"]: block["name"]
        for message in messages
        if message["role"] == "assistant"
        for block in message_blocks(message)
        if block["type"] == "tool_use"
    }


def _some_result(test: Callable[[Any, Result], bool]) -> Callable[[Any, View], bool]:
    return lambda wanted, seen: any(test(wanted, result) for result in seen.results)


def _result_is_error(wanted: bool, seen: View) -> bool:
    return bool(seen.results) and any(result.is_error for result in seen.results) == wanted


_CONDITIONS: Mapping[str, Callable[[Any, View], bool]] = {
    "user": lambda wanted, seen: bool(seen.user == wanted),
    "user_contains": lambda wanted, seen: wanted in seen.user,
    "user_matches": lambda wanted, seen: re.search(wanted, seen.user) is not None,
    "asked_contains": lambda wanted, seen: wanted in seen.asked,
    "result": _some_result(lambda wanted, result: bool(result.text == wanted)),
    "result_contains": _some_result(lambda wanted, result: wanted in result.text),
    "result_matches": _some_result(lambda wanted, result: re.search(wanted, result.text) is not None),
    "result_is_error": _result_is_error,
    "result_of": _some_result(lambda wanted, result: bool(result.tool == wanted)),
    "results": lambda wanted, seen: len(seen.results) == wanted,
    "system_contains": lambda wanted, seen: wanted in seen.system,
    "streaming": lambda wanted, seen: seen.streaming is wanted,
    "thinking": lambda wanted, seen: seen.thinking is wanted,
    "tool": lambda wanted, seen: wanted in seen.tools,
    "beta": lambda wanted, seen: wanted in seen.betas,
    "model": lambda wanted, seen: bool(seen.model == wanted),
    "has": lambda wanted, seen: all(key in seen.parameters for key in wanted),
    "lacks": lambda wanted, seen: not any(key in seen.parameters for key in wanted),
}
