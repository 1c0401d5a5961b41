"""Run the tools of a swept agent: really, from what the run without troubles recorded, or as stubs."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from flag_harness.config import SweepSettings
from flag_harness.plugin.sweep.tools.functions import Function, FunctionReplacer, ToolFunction, find_functions
from flag_harness.plugin.sweep.tools.results import Key, Recording, ToolResult

RECORD, STUB = "record", "stub"
STUB_RESULT = "ok"
"""What a stub returns if the configuration does not say."""


@dataclass(frozen=True, slots=True)
class _ToolCall:
    """One call of a tool: the result that takes its place, or None if it runs; and what keeps the result."""

    result: ToolResult | None
    keep: Callable[[ToolResult], None]


class SweptTools:
    """Replaces the functions that are an agent's tools by others, which may run them."""

    def __init__(self, settings: SweepSettings, root: Path) -> None:
        self._stubs: Mapping[str, Any] = settings.stub
        self._recordings: dict[str, Recording] = {}
        self._recording: Recording | None = None
        self._has_stubs = False
        tools = find_functions((*(settings.functions or ()), *settings.stub), root)
        self._functions = FunctionReplacer({tool: self._wrap(tool) for tool in tools}, root)

    @contextmanager
    def use(self, nodeid: str, mode: str, *, is_baseline: bool) -> Iterator[None]:
        """In the context, let a test's tools do what `mode` says: `real`, `record` or `stub`."""
        self._functions.replace_everywhere()
        if mode == RECORD:
            recording = Recording() if is_baseline else self._recordings[nodeid]
            recording.is_baseline = is_baseline
            self._recording = self._recordings[nodeid] = recording
        self._has_stubs = mode == STUB
        try:
            yield
        finally:
            self._recording, self._has_stubs = None, False

    def begin_call(self) -> None:
        """Note that the test function is called: its tools return their results from the first one on."""
        if self._recording is not None:
            self._recording.used.clear()

    def _wrap(self, tool: ToolFunction) -> Function:
        function = tool.function
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **options: Any) -> Any:
                call = self._begin(tool, args, options)
                if call.result is not None:
                    return call.result.get()
                return await _run_async(function(*args, **options), call)

            return run_async

        @functools.wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            call = self._begin(tool, args, options)
            if call.result is not None:
                return call.result.get()
            return _run(functools.partial(function, *args, **options), call)

        return run

    def _begin(self, tool: ToolFunction, args: tuple[Any, ...], options: dict[str, Any]) -> _ToolCall:
        """Return what a call does. Raise `TypeError` for wrong arguments."""
        if self._has_stubs:
            inspect.signature(tool.function).bind(*args, **options)
            return _ToolCall(ToolResult(self._stubs.get(tool.name, STUB_RESULT)), _forget)
        if self._recording is None:
            return _ToolCall(None, _forget)
        key = _call_key(tool, args, options)
        return _ToolCall(self._recording.find(key), functools.partial(self._recording.keep, key))


def _call_key(tool: ToolFunction, args: tuple[Any, ...], options: dict[str, Any]) -> Key:
    bound = inspect.signature(tool.function).bind(*args, **options).arguments
    arguments = dict([*bound.items()][1:] if tool.has_self else bound)
    return tool.name, msgspec.json.encode(arguments, enc_hook=_type_name, order="deterministic")


def _run(function: Callable[[], Any], call: _ToolCall) -> Any:
    try:
        value = function()
    except Exception as error:
        call.keep(ToolResult(error=error))
        raise
    call.keep(ToolResult(value))
    return value


async def _run_async(result: Any, call: _ToolCall) -> Any:
    try:
        value = await result
    except Exception as error:
        call.keep(ToolResult(error=error))
        raise
    call.keep(ToolResult(value))
    return value


def _forget(result: ToolResult) -> None:
    """Keep nothing."""


def _type_name(value: Any) -> str:
    return type(value).__qualname__
