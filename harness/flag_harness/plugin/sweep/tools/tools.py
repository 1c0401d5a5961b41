"""Run the tools of an agent in a sweep: really, from what the run without troubles recorded, or as stubs."""

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import sleep as sleep_really
from typing import Any

import msgspec

from flag_harness.clock import Clock
from flag_harness.config import SweepSettings
from flag_harness.plugin.sweep.tools.functions import FunctionReplacer, ToolCallable, ToolFunction, find_functions
from flag_harness.plugin.sweep.tools.http import store_or_replay_responses
from flag_harness.plugin.sweep.tools.results import BaselineToolResults, StoredToolResult, ToolCallKey
from flag_harness.sweep.probe import ObservedToolRun, TrafficProbe
from flag_harness.sweep.troubles import ToolTroubleError
from flag_harness.sweep.troubles.tools import LATE_TOOL_EXTRA_SECONDS
from flag_harness.transports.scope import ApiScope

RECORD, STUB = "record", "stub"
DEFAULT_STUB_RESULT = "ok"
"""What a stub returns if the configuration does not say."""
_REAL_SECONDS_OF_LATE_TOOL = 0.05
"""The real time that a thread waits so that it ends later than others."""
_CANCELLATION_CYCLES = 5
"""Cycles of the event loop in which a cancelled task cancels the tool that it awaits. It needs fewer."""


@dataclass(frozen=True, slots=True)
class _ActiveToolCall:
    """One call of a tool.

    `stored_result` is returned instead of running the tool, or None if the tool runs. `keep_result` stores the result
    of a tool that runs. `observed_run` observes the call, and may bring trouble into it; None if nothing observes it.
    """

    stored_result: StoredToolResult | None
    keep_result: Callable[[StoredToolResult], None]
    observed_run: ObservedToolRun | None

    @property
    def delay_seconds(self) -> float:
        """The seconds that the tool takes longer than usual."""
        return self.observed_run.trouble.delay_seconds if self.observed_run and self.observed_run.trouble else 0.0

    @property
    def cancels_turn(self) -> bool:
        """True if the user cancels the turn before the tool returns."""
        return bool(self.observed_run and self.observed_run.trouble and self.observed_run.trouble.cancels_turn)

    def edit_result(self, value: Any) -> Any:
        """Return the result that the agent gets: `value`, changed if the trouble of this call changes results."""
        return self.observed_run.edit_result(value) if self.observed_run else value


class SweepToolReplacer:
    """Replaces the functions that are an agent's tools. The replacements run the tools, or return recorded or stub
    results.
    """

    def __init__(self, settings: SweepSettings, root: Path, scope: ApiScope) -> None:
        self._scope = scope
        self._stubs: Mapping[str, Any] = settings.tool_stubs
        self._recordings: dict[str, BaselineToolResults] = {}
        self._recording: BaselineToolResults | None = None
        self._has_stubs = False
        self._probe: TrafficProbe | None = None
        tools = find_functions((*(settings.tool_functions or ()), *settings.tool_stubs), root)
        self._functions = FunctionReplacer({tool: self._wrap_tool(tool) for tool in tools}, root)

    @contextmanager
    def replace_tools(self, nodeid: str, mode: str, *, is_baseline: bool, probe: TrafficProbe) -> Iterator[None]:
        """In the context, let a test's tools run, return recorded results, or return stubs, as `mode` says.

        `mode` is `real`, `record` or `stub`. `probe` observes the calls, and may bring trouble into them.
        """
        self._functions.replace_everywhere()
        self._has_stubs, self._probe = mode == STUB, probe
        try:
            with self._record_or_return_results(nodeid, is_baseline) if mode == RECORD else nullcontext():
                yield
        finally:
            self._recording, self._has_stubs, self._probe = None, False, None

    @contextmanager
    def _record_or_return_results(self, nodeid: str, is_baseline: bool) -> Iterator[None]:
        """In the context, record the results of a test's tools and the answers to their requests, or replay these.

        They are recorded in the run without troubles (`is_baseline`), and replayed in all other runs.
        """
        recording = BaselineToolResults() if is_baseline else self._recordings[nodeid]
        recording.is_baseline = is_baseline
        self._recording = self._recordings[nodeid] = recording
        with store_or_replay_responses(recording, self._scope):
            yield

    def begin_test_call(self) -> None:
        """Start a call of the test function: its tools return their recorded results from the first one again."""
        if self._recording is not None:
            self._recording.used_count_by_call.clear()

    def _wrap_tool(self, tool: ToolFunction) -> ToolCallable:
        function = tool.function
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async_tool(*args: Any, **options: Any) -> Any:
                with self._observe_call(tool, args, options) as call:
                    if call.delay_seconds:
                        await self._test_clock.async_sleep(call.delay_seconds)
                    if call.stored_result is not None:
                        value = call.stored_result.return_or_raise()
                    else:
                        with _store_tool_error(call):
                            value = await function(*args, **options)
                        call.keep_result(StoredToolResult(value))
                    if call.cancels_turn:
                        self._cancel_turn()
                        await _run_other_tasks()
                    return call.edit_result(value)

            return run_async_tool

        @functools.wraps(function)
        def run_tool(*args: Any, **options: Any) -> Any:
            with self._observe_call(tool, args, options) as call:
                if call.delay_seconds:
                    self._sleep(call.delay_seconds)
                if call.stored_result is not None:
                    value = call.stored_result.return_or_raise()
                else:
                    with _store_tool_error(call):
                        value = function(*args, **options)
                    call.keep_result(StoredToolResult(value))
                if call.cancels_turn:
                    self._cancel_turn()
                return call.edit_result(value)

        return run_tool

    @contextmanager
    def _observe_call(
        self, tool: ToolFunction, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Iterator[_ActiveToolCall]:
        """Yield the call of a tool, and tell the probe if an exception ends the context. Raise `TypeError` for wrong
        arguments.
        """
        run = self._probe.record_tool_start(tool.name) if self._probe else None
        try:
            yield self._make_active_call(tool, args, options, run)
        except BaseException as error:
            if run:
                run.record_exception(error)
            raise

    def _make_active_call(
        self, tool: ToolFunction, args: tuple[Any, ...], options: dict[str, Any], run: ObservedToolRun | None
    ) -> _ActiveToolCall:
        if run and run.trouble and run.trouble.raises:
            return _ActiveToolCall(StoredToolResult(error=ToolTroubleError()), _discard_result, run)
        if self._has_stubs:
            inspect.signature(tool.function).bind(*args, **options)
            return _ActiveToolCall(
                StoredToolResult(self._stubs.get(tool.name, DEFAULT_STUB_RESULT)), _discard_result, run
            )
        if self._recording is None:
            return _ActiveToolCall(None, _discard_result, run)
        key = _call_key(tool, args, options)
        return _ActiveToolCall(
            self._recording.find_next_result(key), functools.partial(self._recording.keep_result, key), run
        )

    def _cancel_turn(self) -> None:
        assert self._probe is not None
        self._probe.cancel_turn()

    @property
    def _test_clock(self) -> Clock:
        assert self._probe is not None
        return self._probe.clock

    def _sleep(self, seconds: float) -> None:
        """Sleep on the test's clock. A thread also waits for a moment of real time, to end later than other threads."""
        if seconds == LATE_TOOL_EXTRA_SECONDS and threading.current_thread() is not threading.main_thread():
            sleep_really(_REAL_SECONDS_OF_LATE_TOOL)
        else:
            self._test_clock.sleep(seconds)


async def _run_other_tasks() -> None:
    """Let other tasks run, so that a cancellation reaches the task that calls this."""
    for _ in range(_CANCELLATION_CYCLES):
        await asyncio.sleep(0)


@contextmanager
def _store_tool_error(call: _ActiveToolCall) -> Iterator[None]:
    """If the tool raises an exception in the context, store it as the result of the call."""
    try:
        yield
    except Exception as error:
        call.keep_result(StoredToolResult(error=error))
        raise


def _call_key(tool: ToolFunction, args: tuple[Any, ...], options: dict[str, Any]) -> ToolCallKey:
    bound = inspect.signature(tool.function).bind(*args, **options).arguments
    arguments = dict([*bound.items()][1:] if tool.has_self else bound)
    return tool.name, msgspec.json.encode(arguments, enc_hook=_type_name, order="deterministic")


def _discard_result(result: StoredToolResult) -> None:
    """Do nothing. A call that must not store its result uses this as `keep_result`."""


def _type_name(value: Any) -> str:
    return type(value).__qualname__
