"""Virtual time for the code under test."""

import asyncio
import bdb
import importlib.util
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import pytest

from flag_harness.transports.virtual_time import (
    ImportedTimeFunctions,
    SharedClock,
    VirtualLoop,
    share_clock,
    shared_clock,
    thread_waits,
    virtual_time_layers,
)
from flag_harness.wire.timeline import Request

REQUEST = Request("POST", "https://api.anthropic.com/v1/messages", (), b"{}")


@pytest.fixture
def clock() -> Iterator[SharedClock]:
    """A clock that this test's code shares; the test itself takes a moment of real time."""
    started, clock = time.perf_counter(), SharedClock()
    with share_clock(clock, None):
        yield clock
    assert time.perf_counter() - started < 5


def _import(folder: Path, text: str) -> ModuleType:
    """Import a module of a project in `folder`."""
    path = folder / "agent_that_waits.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_sleep_takes_no_time_and_every_clock_shows_it(clock: SharedClock) -> None:
    """`perf_counter` alone stays real: tools measure tests with it."""
    before = time.time(), time.monotonic(), time.time_ns(), time.monotonic_ns(), time.perf_counter()
    time.sleep(3600)
    after = time.time(), time.monotonic(), time.time_ns(), time.monotonic_ns(), time.perf_counter()
    elapsed = [later - earlier for earlier, later in zip(before, after, strict=True)]
    assert [3600, 3600, 3600, 3600, 0] == [
        round(one / unit) for one, unit in zip(elapsed, (1, 1, 1e9, 1e9, 1), strict=True)
    ]
    assert 3600 == clock.now()


def test_a_negative_sleep_is_an_error_as_before(clock: SharedClock) -> None:
    """The code under test meets the errors that it would meet in production."""
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)
    assert 0 == clock.now()


def _wait_for_event() -> object:
    return threading.Event().wait(30)


def _wait_for_condition() -> object:
    condition = threading.Condition()
    with condition:
        return condition.wait_for(lambda: False, timeout=30)


def _wait_for_semaphore() -> object:
    return threading.Semaphore(0).acquire(timeout=30)


def _wait_for_queue() -> object:
    try:
        return queue.Queue[int]().get(timeout=30)
    except queue.Empty:
        return False


@pytest.mark.parametrize("wait", [_wait_for_event, _wait_for_condition, _wait_for_semaphore, _wait_for_queue])
def test_a_wait_for_what_never_comes_ends_at_its_timeout(clock: SharedClock, wait: Callable[[], object]) -> None:
    """Nobody is there who could end it earlier."""
    assert not wait()
    assert clock.now() == pytest.approx(30, abs=0.5)


def test_waiting_without_the_lock_is_an_error_as_before(clock: SharedClock) -> None:
    """The message is that of `threading`."""
    with pytest.raises(RuntimeError, match="un-acquired lock"):
        threading.Condition().wait(5)


def _set_late(event: threading.Event) -> None:
    threading.Event().wait(0.15)
    event.set()


@pytest.mark.parametrize("daemon", [True, False])
def test_an_event_that_a_thread_sets_ends_the_wait(clock: SharedClock, daemon: bool) -> None:
    """Time does not jump to the timeout while the thread may still come."""
    event = threading.Event()
    threading.Thread(target=_set_late, args=[event], daemon=daemon).start()
    assert event.wait(30)
    assert clock.now() < 2


def _work_in_thread() -> Callable[[], bool]:
    event = threading.Event()
    threading.Thread(target=_set_late, args=[event]).start()
    return event.is_set


def _work_in_pool() -> Callable[[], bool]:
    event = threading.Event()
    pool = ThreadPoolExecutor()
    future = pool.submit(_set_late, event)
    pool.shutdown(wait=False)
    return future.done


def _work_in_child() -> Callable[[], bool]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.15)"])
    return lambda: child.poll() is not None


@pytest.mark.parametrize("start", [_work_in_thread, _work_in_pool, _work_in_child])
def test_time_jumps_only_once_nothing_is_pending(clock: SharedClock, start: Callable[[], Callable[[], bool]]) -> None:
    """The sleep is real until the work has ended; what is left of it is skipped."""
    is_done = start()
    time.sleep(60)
    assert is_done()
    assert 60 == clock.now()


def test_a_child_is_polled_in_real_time(clock: SharedClock) -> None:
    """`Popen.wait` sleeps between its looks, and gives up at a real timeout."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.1)"])
    assert 0 == child.wait(timeout=30)
    assert clock.now() < 2


def test_a_thread_that_only_sleeps_holds_nobody_up(clock: SharedClock) -> None:
    """And its own sleeps stay real: it would run through days in a moment."""
    beats: list[float] = []

    def beat() -> None:
        while len(beats) < 100:
            beats.append(time.perf_counter())
            time.sleep(0.3)

    threading.Thread(target=beat, daemon=True).start()
    time.sleep(3600)
    assert 3600 == clock.now()
    assert len(beats) < 5
    beats.extend([0.0] * 100)


def test_time_is_real_in_a_thread_that_has_sent_nothing(clock: SharedClock) -> None:
    """Exporters, heartbeats and servers go on as if there were no test."""
    time.sleep(1000)
    elapsed: list[float] = []

    def measure() -> None:
        started = time.perf_counter(), time.monotonic()
        time.sleep(0.05)
        elapsed.extend([time.perf_counter() - started[0], time.monotonic() - started[1]])

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    assert [True, True] == [0.05 <= one < 1 for one in elapsed]


def test_the_deadline_for_a_thread_that_waits_strikes(clock: SharedClock) -> None:
    """A thread that has sent a request shares the clock: it sleeps eight seconds, of which five are granted."""
    [join] = virtual_time_layers(clock)

    def call() -> float:
        join(REQUEST)
        time.sleep(8)
        return clock.now()

    with ThreadPoolExecutor() as pool:
        future = pool.submit(call)
        with pytest.raises(TimeoutError):
            future.result(timeout=5)
        assert clock.now() == pytest.approx(5, abs=0.5)
        assert future.result(timeout=5) == pytest.approx(8, abs=0.5)


def test_a_join_with_a_timeout_waits_in_virtual_time(clock: SharedClock) -> None:
    """For a thread that has sent a request; a second join waits for its end."""
    [join] = virtual_time_layers(clock)

    def call() -> None:
        join(REQUEST)
        time.sleep(8)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(5)
    assert thread.is_alive()
    assert clock.now() == pytest.approx(5, abs=0.5)
    thread.join(0)
    assert thread.is_alive()
    thread.join()
    thread.join(5)
    assert clock.now() == pytest.approx(8, abs=0.5)


def test_a_loop_in_another_thread_shares_the_clock_once_it_sends(clock: SharedClock) -> None:
    """As under a synchronous facade of an asynchronous client."""
    [join], loop = virtual_time_layers(clock), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def call() -> None:
        join(REQUEST)
        async with asyncio.timeout(5):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        asyncio.run_coroutine_threadsafe(call(), loop).result(timeout=30)
    assert clock.now() == pytest.approx(5, abs=0.5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _measure_loop(waiting: Any) -> float:
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        await waiting
    except TimeoutError:
        return -(loop.time() - started)
    return loop.time() - started


async def _fail_after() -> None:
    with anyio.fail_after(5):
        await anyio.sleep(60)


def test_sleeps_and_deadlines_of_asyncio_strike(clock: SharedClock) -> None:
    """Whichever library sets them; the loop's own clock shows the same."""

    async def measure() -> list[float]:
        return [
            await _measure_loop(asyncio.sleep(3600)),
            await _measure_loop(asyncio.wait_for(asyncio.sleep(60), 5)),
            await _measure_loop(asyncio.wait_for(asyncio.Event().wait(), 5)),
            await _measure_loop(_fail_after()),
        ]

    assert [3600, -5, -5, -5] == [round(one) for one in asyncio.run(measure())]
    assert 3615 == pytest.approx(clock.now(), abs=1)


def test_a_deadline_around_a_sleep_strikes_beside_a_foreign_thread(clock: SharedClock) -> None:
    """As around a retry that waits longer: the loop sleeps, although its next timer is the deadline."""
    end = threading.Event()

    def beat() -> None:
        while not end.wait(0.05):
            pass

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()

    async def try_again_after_a_minute() -> None:
        async with asyncio.timeout(30):
            await asyncio.sleep(60)

    try:
        with pytest.raises(TimeoutError):
            asyncio.run(try_again_after_a_minute())
    finally:
        end.set()
        thread.join()
    assert 30 <= clock.now() < 35


def test_a_loop_waits_for_its_threads(clock: SharedClock) -> None:
    """The deadline does not strike while the thread works."""

    async def work() -> object:
        return await asyncio.wait_for(asyncio.to_thread(_set_late, threading.Event()), 30)

    asyncio.run(work())
    assert clock.now() < 2


def test_a_loop_waits_for_an_answer_from_a_socket(clock: SharedClock) -> None:
    """A service on this machine takes its time, although a deadline has been set; a mere sleep is skipped."""

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            time.sleep(0.15)
            connection.sendall(b"answer")

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = await asyncio.wait_for(reader.read(6), 30)
        await asyncio.sleep(3600)
        writer.close()
        return answer

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=[server], daemon=True).start()
        assert b"answer" == asyncio.run(ask(server.getsockname()[1]))
    assert 3600 < clock.now() < 3602


def test_a_loop_that_runs_in_circles_is_not_left_there(clock: SharedClock) -> None:
    """Real time passes for a task that polls the loop's clock."""

    async def poll() -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 0.1
        while loop.time() < deadline:  # noqa: ASYNC110 - what it does is the point
            await asyncio.sleep(0)

    asyncio.run(poll())
    assert 0.1 <= clock.now() < 2


def test_a_loop_that_outlives_the_test_goes_on_in_order() -> None:
    """Its time does not go back, so that timers of earlier and later tests keep their order."""
    clock, really = SharedClock(), time.perf_counter
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        with share_clock(clock, None):
            runner.run(asyncio.sleep(1000))
            virtual = loop.time()
        started = really()
        runner.run(asyncio.sleep(0.05))
        assert 0.05 <= really() - started < 1
        assert 0 <= loop.time() - virtual < 2


def test_a_running_loop_is_adopted() -> None:
    """The fixture may be requested by a test that is a coroutine already."""

    async def enter() -> float:
        clock = SharedClock()
        with share_clock(clock, None):
            await asyncio.sleep(3600)
        return clock.now()

    assert 3600 == asyncio.run(enter())


def test_a_loop_with_a_time_of_its_own_is_left_alone(clock: SharedClock) -> None:
    """Such as the one of a sweep."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.sleep(100))
        assert 100 == runner.get_loop().time()
    assert 0 == clock.now()


def test_names_that_the_project_imported_are_virtual_for_the_test(tmp_path: Path) -> None:
    """They are as before when it ends; installed packages are not touched."""
    module = _import(tmp_path, "from time import monotonic, sleep as pause\n")
    before = module.pause, module.monotonic
    names = ImportedTimeFunctions(tmp_path)
    for _ in range(2):
        with share_clock(SharedClock(), names):
            started = module.monotonic()
            module.pause(500)
            assert 500 == round(module.monotonic() - started)
    assert before == (module.pause, module.monotonic) == (time.sleep, time.monotonic)
    del sys.modules[module.__name__]


def test_everything_is_as_before_when_the_test_ends() -> None:
    """Nothing of the standard library stays patched."""

    def patched() -> list[object]:
        waits = (threading.Condition.wait, threading._time, queue.time, ThreadPoolExecutor.submit)  # type: ignore[attr-defined]
        return [
            time.sleep,
            time.time,
            time.monotonic,
            *waits,
            subprocess.Popen.__init__,
            asyncio.BaseEventLoop.run_forever,
        ]

    before = patched()
    with share_clock(SharedClock(), None):
        assert not any(one is other for one, other in zip(before, patched(), strict=True))
    assert before == patched()


def test_a_function_that_a_test_has_replaced_stays_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever counts the sleeps of the code under test still counts them."""
    sleeps: list[float] = []
    monkeypatch.setattr(time, "sleep", sleeps.append)
    with share_clock(SharedClock(), None):
        time.sleep(8)
    assert [8] == sleeps


def test_time_is_real_under_a_debugger(clock: SharedClock) -> None:
    """Somebody who steps through a wait would otherwise miss it."""
    before, debugger = sys.gettrace(), bdb.Bdb()
    debugger.reset()
    sys.settrace(debugger.trace_dispatch)
    try:
        started = time.perf_counter()
        time.sleep(0.05)
        elapsed = time.perf_counter() - started
    finally:
        sys.settrace(before)
    assert 0.05 <= elapsed
    assert 0 == clock.now()


def test_a_loop_waits_really_while_a_debugger_holds_its_thread(
    clock: SharedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the harness itself delays costs no time all the same."""

    async def wait() -> float:
        await asyncio.sleep(3600)
        monkeypatch.setattr(shared_clock, "_is_debugged", lambda: True)
        started = time.perf_counter()
        await asyncio.sleep(0.05)
        elapsed = time.perf_counter() - started
        await clock.async_sleep(60)
        return elapsed

    assert asyncio.run(wait()) > 0.04
    assert 3660 <= clock.now() < 3700
    clock.sleep(60)
    assert 3720 <= clock.now() < 3760


class _PyDevTracer:
    """The tracer of PyCharm and VS Code, as far as its module tells."""

    __module__ = "_pydevd_bundle.pydevd_trace_dispatch"

    def trace_dispatch(self) -> None:
        """Trace a line."""


@pytest.mark.parametrize(
    ("tracer", "monitoring", "is_debugged"),
    [
        (bdb.Bdb().trace_dispatch, None, True),
        (_PyDevTracer().trace_dispatch, None, True),
        (lambda *_: None, None, False),
        (None, SimpleNamespace(DEBUGGER_ID=0, get_tool={0: "pdb"}.get), True),
        (None, SimpleNamespace(DEBUGGER_ID=0, get_tool={1: "coverage"}.get), False),
        (None, None, False),
    ],
    ids=["pdb", "pydevd", "coverage", "pdb on sys.monitoring", "coverage on sys.monitoring", "none"],
)
def test_debuggers_are_told_from_other_tracers(
    tracer: Any, monitoring: Any, is_debugged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run under coverage keeps virtual time."""
    monkeypatch.setattr(shared_clock, "sys", SimpleNamespace(gettrace=lambda: tracer, monitoring=monitoring))
    assert is_debugged == shared_clock._is_debugged()


def test_an_answer_comes_late_if_its_loop_is_blocked(clock: SharedClock) -> None:
    """As with a real server: the task waits until the loop runs again."""

    async def wait() -> float:
        answer = asyncio.create_task(clock.async_sleep(1))
        await asyncio.sleep(0.5)
        time.sleep(2)  # noqa: ASYNC251 - that is the point
        await answer
        return clock.now()

    assert 2.5 == asyncio.run(wait())


@pytest.mark.parametrize("collect", [lambda child: child.wait(), lambda child: os.waitpid(child.pid, 0)])
def test_a_child_that_has_ended_holds_nobody_up(clock: SharedClock, collect: Callable[[Any], object]) -> None:
    """Whoever has collected its exit status."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    collect(child)
    time.sleep(3600)
    assert 3600 == round(clock.now(), -1)
    child.wait()


def test_where_a_child_cannot_be_looked_at_it_runs_until_it_is_collected(
    clock: SharedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has no `waitid`: a wait is real until somebody has asked for the exit status."""
    monkeypatch.delattr(os, "waitid")
    child, started = subprocess.Popen([sys.executable, "-c", "pass"]), time.perf_counter()
    time.sleep(0.2)
    assert 0.2 <= time.perf_counter() - started
    child.wait()
    time.sleep(3600)
    assert 3600 <= clock.now()


def test_the_harness_waits_on_the_same_clock(clock: SharedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's answer that is late lets the other tasks' timers go first.

    Threads that earlier tests have left behind do not count: with them, time may jump only after a moment.
    """
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    order: list[tuple[str, float]] = []

    async def wait(name: str, waiting: Any) -> None:
        await waiting
        order.append((name, clock.now()))

    async def run() -> None:
        await asyncio.gather(wait("answer", clock.async_sleep(60)), wait("task", asyncio.sleep(5)))
        assert clock.reach_without_waiting(61)
        assert clock.reach_without_waiting(60.5)

    asyncio.run(run())
    assert [("task", 5.0), ("answer", 60.0)] == order
    assert 61 == clock.now()
    clock.sleep(1)
    clock.sleep(-1)
    assert clock.reach_without_waiting(70)
    assert 70 == clock.now()


def test_an_event_that_is_set_at_once_takes_no_time(clock: SharedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends before anybody asks whether time may jump."""
    monkeypatch.setattr(thread_waits, "_MIN_SECONDS_OF_REAL_WAIT", 10)
    event = threading.Event()

    def set_event() -> None:
        while not event._cond._waiters:  # type: ignore[attr-defined]
            threading.Event().wait(0.001)
        event.set()

    threading.Thread(target=set_event).start()
    assert event.wait(30)
    assert clock.now() < 10


def test_a_name_that_the_project_has_bound_anew_stays(tmp_path: Path) -> None:
    """As by a test that counts its sleeps."""
    module, sleeps = _import(tmp_path, "from time import sleep\n"), list[float]()
    names = ImportedTimeFunctions(tmp_path)
    with share_clock(SharedClock(), names):
        module.sleep(5)
    module.sleep = sleeps.append
    with share_clock(SharedClock(), names):
        module.sleep(8)
    assert [8] == sleeps
    del sys.modules[module.__name__]
