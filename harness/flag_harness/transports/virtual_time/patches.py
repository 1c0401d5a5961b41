"""Make the waits and clocks of the code under test virtual: in `time`, `threading`, `queue` and asyncio."""

import asyncio
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from flag_harness.clock import Clock
from flag_harness.transports.patch import replace_attribute
from flag_harness.transports.virtual_time.loops import adopt_loop, release_loop
from flag_harness.transports.virtual_time.project_names import ImportedTimeFunctions
from flag_harness.transports.virtual_time.shared_clock import SharedClock
from flag_harness.transports.virtual_time.thread_waits import make_virtual_condition_wait, make_virtual_thread_join
from flag_harness.wire.timeline import Layer, Request

_UNITS_PER_SECOND_BY_CLOCK = {"time": 1, "monotonic": 1, "time_ns": 10**9, "monotonic_ns": 10**9}
"""The clocks of `time` that become virtual, each with its units per second. `perf_counter` stays real."""
_REAL_MONOTONIC = time.monotonic
_MODULES_WITH_REAL_TIME = frozenset({"subprocess"})
"""Modules that sleep between checks of something real, such as a child process."""


@contextmanager
def share_clock(clock: Clock, project: ImportedTimeFunctions | None) -> Iterator[None]:
    """Inside the context, make time virtual for the current thread and those that call
    `SharedClock.add_current_thread`.

    Do nothing unless `clock` is a `SharedClock`.

    Virtual time applies to `sleep`, `time` and `monotonic` of `time`, even if modules of `project` have imported them
    by name; to timed waits of `threading`, `queue.Queue` and futures; and to loops of asyncio.
    """
    if not isinstance(clock, SharedClock):
        yield
        return
    functions: dict[str, Callable[..., Any]] = {"sleep": _make_virtual_sleep(clock)}
    functions |= {
        name: _make_virtual_clock_function(clock, getattr(time, name), unit)
        for name, unit in _UNITS_PER_SECOND_BY_CLOCK.items()
    }
    monotonic = _make_virtual_clock_function(clock, _REAL_MONOTONIC, 1)
    functions = {
        name: function for name, function in functions.items() if not _is_replaced_by_other_code(getattr(time, name))
    }
    real = {id(getattr(time, name)): function for name, function in functions.items()}
    with ExitStack() as stack:
        for module, name, function in project.find_bindings(real) if project else ():
            stack.enter_context(replace_attribute(module, name, function))
        for name, function in functions.items():
            stack.enter_context(replace_attribute(time, name, function))
        stack.enter_context(replace_attribute(threading, "_time", monotonic))
        stack.enter_context(replace_attribute(queue, "time", monotonic))
        stack.enter_context(replace_attribute(threading.Condition, "wait", make_virtual_condition_wait(clock)))
        stack.enter_context(replace_attribute(threading.Thread, "join", make_virtual_thread_join(clock)))
        for pool in _executor_classes():
            stack.enter_context(replace_attribute(pool, "submit", _make_counting_submit(clock, pool.submit)))
        stack.enter_context(replace_attribute(subprocess.Popen, "__init__", _make_counting_popen_init(clock)))
        stack.enter_context(_adopt_loops(clock))
        clock.add_current_thread()
        clock.is_shared = True
        stack.callback(setattr, clock, "is_shared", False)
        yield


def virtual_time_layers(clock: Clock) -> tuple[Layer, ...]:
    """Return a tuple with a layer that makes time virtual in every thread that sends a request, or an empty tuple if
    `clock` is real.
    """
    if not isinstance(clock, SharedClock):
        return ()

    def share_clock_with_sender(request: Request) -> None:
        clock.add_current_thread()
        if (loop := asyncio._get_running_loop()) is not None and clock.is_virtual_in_current_thread():
            adopt_loop(loop, clock)

    return (share_clock_with_sender,)


def keep_time_real(clock: Clock) -> None:
    """Make time real for the code under test from now on."""
    if isinstance(clock, SharedClock):
        clock.is_shared = False


def _is_replaced_by_other_code(function: Any) -> bool:
    """Return whether other code has replaced a function of `time`. Such a replacement stays."""
    return getattr(function, "__module__", None) not in (time.__name__, __name__)


def _make_virtual_sleep(clock: SharedClock) -> Callable[[float], None]:
    """Return a replacement for `time.sleep` that waits in virtual time in threads whose time is virtual."""
    real_function = time.sleep

    def sleep(seconds: float) -> None:
        """Wait in virtual time; see flag_harness's docs/time.md."""
        if seconds <= 0 or not clock.is_virtual_in_current_thread() or _caller_module() in _MODULES_WITH_REAL_TIME:
            real_function(seconds)
        else:
            clock.sleep(float(seconds))

    return sleep


def _caller_module() -> str:
    """Return the name of the module that called the caller of this function."""
    return str(sys._getframe(2).f_globals.get("__name__", ""))


def _make_virtual_clock_function(
    clock: SharedClock, real_function: Callable[[], Any], units_per_second: int
) -> Callable[[], Any]:
    """Return a clock function that adds the time skipped by `clock` to the result of `real_function`.

    `units_per_second` is the number of the function's units per second.
    """

    def now() -> Any:
        """Return the virtual time; see flag_harness's docs/time.md."""
        moment = real_function()
        return (
            moment + type(moment)(clock.seconds_skipped * units_per_second)
            if clock.is_virtual_in_current_thread()
            else moment
        )

    return now


def _make_counting_submit(clock: SharedClock, real_function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an executor's `submit` that also counts the job as pending work, so that time does not jump until the job
    is done.
    """

    def submit(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        future = real_function(self, *args, **kwargs)
        clock.pending.add_job(future)
        return future

    return submit


def _executor_classes() -> list[Any]:
    """Return the executor classes of `concurrent.futures`.

    The one for processes is left out if it is not loaded, as it is slow to import.
    """
    processes = sys.modules.get("concurrent.futures.process")
    return [ThreadPoolExecutor] if processes is None else [ThreadPoolExecutor, processes.ProcessPoolExecutor]


def _make_counting_popen_init(clock: SharedClock) -> Callable[..., None]:
    """Return a constructor for `Popen` that also counts the child process as pending work, so that time does not jump
    until it ends.
    """
    real_function = subprocess.Popen.__init__

    def start(self: Any, *args: Any, **kwargs: Any) -> None:
        real_function(self, *args, **kwargs)
        clock.pending.add_child_process(self)

    return start


@contextmanager
def _adopt_loops(clock: SharedClock) -> Iterator[None]:
    """Let the running event loop, and every loop that starts to run in a thread whose time is virtual, follow the
    clock.
    """
    real_function = asyncio.BaseEventLoop.run_forever

    def run_forever(self: asyncio.BaseEventLoop) -> None:
        if clock.is_virtual_in_current_thread():
            adopt_loop(self, clock)
        real_function(self)

    if (running := asyncio._get_running_loop()) is not None:
        adopt_loop(running, clock)
    with replace_attribute(asyncio.BaseEventLoop, "run_forever", run_forever):
        try:
            yield
        finally:
            for loop in list(clock.loops):
                release_loop(loop, clock)
