"""The results of an agent's tools in the run without troubles (the baseline), by function and arguments."""

import copy
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeAlias

ToolCallKey: TypeAlias = tuple[str, bytes]
"""Identifies equal calls of a tool: its name, and its arguments as bytes."""


class NotRecordedError(Exception):
    """A tool was called with arguments that have no result from the baseline, so it did not run."""


@dataclass(frozen=True, slots=True)
class StoredToolResult:
    """What a tool returned, or the exception that it raised, with the traceback of that time."""

    value: Any = None
    error: BaseException | None = None
    traceback: TracebackType | None = None

    def return_or_raise(self) -> Any:
        """Return a copy of the value, or raise the exception."""
        if self.error is not None:
            raise self.error.with_traceback(self.traceback)  # else each raise would add to it
        return _copy_or_share_tool_value(self.value)


@dataclass(eq=False, slots=True)
class BaselineToolResults:
    """The tool results of a test's run without troubles, and how many of them the current call of the test has used."""

    results_by_call: dict[ToolCallKey, list[StoredToolResult]] = field(default_factory=lambda: defaultdict(list))
    used_count_by_call: Counter[ToolCallKey] = field(default_factory=Counter)
    is_baseline: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find_next_result(self, key: ToolCallKey, verb: str = "called") -> StoredToolResult | None:
        """Return the next recorded result of a call, or the last one if all have been used.

        Return None if this run is the baseline, in which the tool must run. In any other run, raise `NotRecordedError`
        if the call has no result. `verb` is the word for messages: a tool is `called`, a request is `sent`. Calls in
        several threads get different results.
        """
        with self._lock:
            known, index = self.results_by_call.get(key, []), self.used_count_by_call[key]
            self.used_count_by_call[key] += 1
        if self.is_baseline and index >= len(known):
            return None
        if known:
            return known[min(index, len(known) - 1)]
        name, arguments = key
        text = f" with {arguments.decode(errors='replace')}" if arguments else ""
        raise NotRecordedError(
            f"{name} was not {verb}{text} without a trouble, so it has no recorded result; it was not {verb} now either"
        )

    def keep_result(self, key: ToolCallKey, result: StoredToolResult) -> None:
        """Store a result of the run without troubles."""
        error = result.error
        self.results_by_call[key].append(
            StoredToolResult(_copy_or_share_tool_value(result.value), error, getattr(error, "__traceback__", None))
        )


def _copy_or_share_tool_value(value: Any) -> Any:
    """Return a deep copy of a value, or the value itself if it cannot be copied, such as a connection."""
    try:
        return copy.deepcopy(value)
    except Exception:  # a connection, for example: it can only be returned as it is
        return value
