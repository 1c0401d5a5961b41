"""Tool troubles: a tool of the agent raises, returns nothing or too much, is slow, is interrupted, or ends after later
tools.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from flag_harness.errors import HarnessError
from flag_harness.flag import nearest_name_hint
from flag_harness.sweep.judge.observation import ObservedToolCall
from flag_harness.sweep.judge.tools import TOOL_ERROR_MESSAGE

SLOW_TOOL_SECONDS = 1200.0
"""How many seconds a slow tool takes."""
LATE_TOOL_EXTRA_SECONDS = 1.0
"""How many seconds later a tool returns than the other tools that the same answer calls."""
LONG_TOOL_RESULT = "All of it, word for word. " * 200_000
"""About five million characters, which fit into no context window."""

EditResult: TypeAlias = Callable[[Any], Any]
"""A function that gets what a tool returned. It returns another result, or the same object if it cannot change this
one.
"""


class ToolTroubleError(Exception):
    """The exception of a tool that a sweep makes fail."""

    def __init__(self) -> None:
        super().__init__(TOOL_ERROR_MESSAGE)


@dataclass(frozen=True, slots=True)
class ToolTroubleKind:
    """A kind of tool trouble: the tool raises an exception, waits for `delay_seconds`, or has its result changed by
    `edit_result`.

    If `cancels_turn` is true, the tool runs, and the user cancels the turn before it returns.
    """

    name: str
    description: str
    edit_result: EditResult | None = None
    delay_seconds: float = 0.0
    cancels_turn: bool = False

    @property
    def raises(self) -> bool:
        """Whether the tool raises an exception instead of running."""
        return self.edit_result is None and not self.delay_seconds and not self.cancels_turn

    @property
    def needs_parallel_calls(self) -> bool:
        """Whether the trouble can only be applied to one of several tool calls in the same answer."""
        return self.delay_seconds == LATE_TOOL_EXTRA_SECONDS


@dataclass(frozen=True, slots=True)
class ToolTrouble:
    """A trouble for the tool call number `call_number`, counted from 1."""

    kind: ToolTroubleKind
    call_number: int

    def __str__(self) -> str:
        """Return the trouble as it is written on the command line, such as `tool_raises:on=2`."""
        return f"{self.kind.name}:on={self.call_number}"


class ActiveToolTrouble:
    """A tool trouble in one run of a test, with a counter of the tool calls."""

    def __init__(self, trouble: ToolTrouble) -> None:
        self._trouble = trouble
        self._call_count = self.fired_count = 0
        self._lock = threading.Lock()

    def start_call(self) -> ToolTroubleKind | None:
        """Count a call of a tool. Return the kind of trouble to apply to this call, or None if it has no trouble."""
        with self._lock:
            self._call_count += 1
            if self._call_count != self._trouble.call_number:
                return None
        self.fired_count += self._trouble.kind.edit_result is None
        return self._trouble.kind

    def edit_result(self, value: Any) -> Any:
        """Return a tool's result. If this kind of trouble changes results, change it and count the change."""
        edit = self._trouble.kind.edit_result
        changed = value if edit is None else edit(value)
        self.fired_count += changed is not value
        return changed


def parse_tool_trouble(text: str) -> ToolTrouble:
    """Parse a tool trouble such as `tool_raises:on=2`. Raise `HarnessError` if no tool trouble has this name."""
    name, _, number = text.partition(":on=")
    if name not in TOOL_TROUBLES:
        raise HarnessError(f"there is no tool trouble {name!r}; {nearest_name_hint(name, TOOL_TROUBLES)}")
    if not (number or "1").isdecimal() or int(number or 1) < 1:
        raise HarnessError(f"{text!r}: on={number} must be 1 or more; type {name}:on=1")
    return ToolTrouble(TOOL_TROUBLES[name], int(number or 1))


def find_calls_to_disturb(kind: ToolTroubleKind, calls: Sequence[ObservedToolCall]) -> list[int]:
    """Return the numbers of the calls on which to try a trouble: the first call of each tool, and the last call of all.

    If the trouble needs parallel calls, return the first call of each answer with several calls.
    """
    numbered = [*enumerate(calls, start=1)]
    if kind.needs_parallel_calls:
        return [number for number, one in numbered[:-1] if _is_first_of_several(number - 1, calls)]
    first = {one.name: number for number, one in reversed(numbered)}
    return sorted({*first.values(), *(number for number, _ in numbered[-1:])})


def _is_first_of_several(index: int, calls: Sequence[ObservedToolCall]) -> bool:
    """Return whether a call is the first of several calls in the same answer."""
    follows = index > 0 and calls[index - 1].earlier_request_count == calls[index].earlier_request_count
    return not follows and calls[index + 1].earlier_request_count == calls[index].earlier_request_count


def _return_none(value: Any) -> Any:
    """Return None if a tool's result is a plain value, such as a text. Return any other object unchanged."""
    return None if isinstance(value, (str, bytes, int, float, list, tuple, dict)) else value


def _return_empty(value: Any) -> Any:
    """Return an empty value of the type of a tool's result, or the result with empty `content` if it is an object."""
    if isinstance(value, (str, bytes, list, tuple, dict)):
        return type(value)() if value else value
    return _copy_with_attribute(value, "content", []) if getattr(value, "content", None) else value


def _return_long_text(value: Any) -> Any:
    """Return a tool's result with a very long text in place of its first text.

    The text may be inside a list, a block or an MCP result.
    """
    if isinstance(value, str):
        return LONG_TOOL_RESULT
    if isinstance(value, (list, tuple)):
        return next(_lengthen_one_item(value), value)
    for name in ("text", "content"):
        part = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
        if part is not None and (changed := _return_long_text(part)) is not part:
            return {**value, name: changed} if isinstance(value, dict) else _copy_with_attribute(value, name, changed)
    return value


def _lengthen_one_item(values: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield copies of a list in which `_return_long_text` has changed one item, one copy for each item that it can
    change.
    """
    for index, value in enumerate(values):
        if (changed := _return_long_text(value)) is not value:
            yield [*values[:index], changed, *values[index + 1 :]]


def _copy_with_attribute(value: Any, name: str, attribute: Any) -> Any:
    """Return a copy of a pydantic model with one attribute changed, or the value itself if it is no pydantic model."""
    copy = getattr(value, "model_copy", None)
    return copy(update={name: attribute}) if copy else value


TOOL_TROUBLES: Mapping[str, ToolTroubleKind] = {
    kind.name: kind
    for kind in (
        ToolTroubleKind("tool_raises", "the tool raises an exception, and does not run"),
        ToolTroubleKind("tool_returns_none", "the tool returns `None`", _return_none),
        ToolTroubleKind("tool_returns_empty", "the tool returns an empty text, list or dict", _return_empty),
        ToolTroubleKind(
            "tool_returns_megabytes", "the tool returns a text of five million characters", _return_long_text
        ),
        ToolTroubleKind("tool_is_slow", "the tool takes 20 minutes", delay_seconds=SLOW_TOOL_SECONDS),
        ToolTroubleKind(
            "tool_answers_late", "the first of several parallel calls ends last", delay_seconds=LATE_TOOL_EXTRA_SECONDS
        ),
        ToolTroubleKind("cancelled_in_tool", "the user cancels the turn while the tool runs", cancels_turn=True),
    )
}
"""All tool troubles by name."""
CANCELLING_TOOL_TROUBLES = tuple(name for name, kind in TOOL_TROUBLES.items() if kind.cancels_turn)
"""The names of the tool troubles in which the user cancels the turn while the tool runs."""
