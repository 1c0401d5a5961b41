"""Ways to damage a saved conversation, so that the API would refuse it unless the agent repairs it."""

from collections.abc import Callable, Mapping
from typing import Any

Messages = list[dict[str, Any]]
"""The messages of a conversation: a question; an answer with thinking, a text and a call; the result; the
last answer.
"""


def _without_result(messages: Messages) -> Messages:
    return [*messages[:2], messages[3]]


def _result_twice(messages: Messages) -> Messages:
    return [*messages[:2], {"role": "user", "content": 2 * messages[2]["content"]}, messages[3]]


def _result_of_nothing(messages: Messages) -> Messages:
    result = {"type": "tool_result", "tool_use_id": "toolu_unknown", "content": "made up"}
    return [*messages[:2], {"role": "user", "content": [*messages[2]["content"], result]}, messages[3]]


def _result_after_words(messages: Messages) -> Messages:
    words = {"type": "text", "text": "Wait."}
    return [*messages[:2], {"role": "user", "content": [words, *messages[2]["content"]]}, messages[3]]


def _call_twice(messages: Messages) -> Messages:
    return [*messages, messages[0], *messages[1:]]


def _blank_text(messages: Messages) -> Messages:
    return [*messages[:3], {"role": "assistant", "content": [*messages[3]["content"], {"type": "text", "text": " "}]}]


def _unsigned_thinking(messages: Messages) -> Messages:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    return [messages[0], {"role": "assistant", "content": [thinking, *messages[1]["content"]]}, *messages[2:]]


def _thinking_last(messages: Messages) -> Messages:
    thinking = next(block for block in messages[1]["content"] if block["type"] == "thinking")
    return [*messages[:3], {"role": "assistant", "content": [*messages[3]["content"], thinking]}]


def _two_in_a_row(messages: Messages) -> Messages:
    return [messages[0], messages[0], *messages[1:]]


def _empty_message(messages: Messages) -> Messages:
    return [*messages, {"role": "user", "content": []}]


def _assistant_first(messages: Messages) -> Messages:
    return [messages[3], *messages]


def _thinking_of_the_user(messages: Messages) -> Messages:
    thinking = messages[1]["content"][:1]
    return [{"role": "user", "content": [*thinking, *messages[0]["content"]]}, *messages[1:]]


def _unanswered_server_call(messages: Messages) -> Messages:
    call = {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "lamp"}}
    return [*messages[:3], {"role": "assistant", "content": [*messages[3]["content"], call]}]


def _second_call_without_result(messages: Messages) -> Messages:
    content = [{**block, "input": {}} if "input" in block else block for block in messages[1]["content"]]
    return [messages[0], {"role": "assistant", "content": [*content, {**content[-1], "id": "toolu_2"}]}, *messages[2:]]


DAMAGES: Mapping[str, Callable[[Messages], Messages]] = {
    "was not run": _without_result,
    "a second result": _result_twice,
    "a result without its call": _result_of_nothing,
    "results were put before the user's words": _result_after_words,
    "a second call with the id": _call_twice,
    "a blank text": _blank_text,
    "thinking without its signature": _unsigned_thinking,
    "thinking that nothing followed": _thinking_last,
    "in a row were joined": _two_in_a_row,
    "an empty message": _empty_message,
    "before the first of the user": _assistant_first,
    "a thinking block of the user": _thinking_of_the_user,
    "which the API ran and never answered": _unanswered_server_call,
    "the call toolu_2": _second_call_without_result,
}
"""Functions that damage a conversation, by words that the agent uses when it tells the model about the repair."""
