"""A loop on which nobody waits."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flag_harness.transports.virtual_time import LoopClock, VirtualLoop, VirtualTimeout, patch_time


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """A runner on a virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        yield runner


def _loop(runner: asyncio.Runner) -> VirtualLoop:
    loop = runner.get_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def test_a_day_takes_no_time_and_sleepers_wake_in_order(runner: asyncio.Runner) -> None:
    """Three tasks that know nothing of it wait on asyncio alone."""
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, asyncio.get_running_loop().time()))

    async def all_of_them() -> None:
        await asyncio.gather(sleeper("last", 86_400), sleeper("first", 1), sleeper("second", 60))

    started = time.perf_counter()
    runner.run(all_of_them())
    assert [("first", 1.0), ("second", 60.0), ("last", 86_400.0)] == woken
    assert time.perf_counter() - started < 5


def test_a_timeout_strikes_in_virtual_time(runner: asyncio.Runner) -> None:
    """`wait_for` is a timer like any other."""

    async def impatient() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(1000), 300)
        return asyncio.get_running_loop().time()

    assert 300 == runner.run(impatient())


def test_a_thread_is_really_waited_for(runner: asyncio.Runner) -> None:
    """Time does not jump over what works outside of the loop."""
    order: list[str] = []

    def work() -> None:
        threading.Event().wait(0.05)
        order.append("thread")

    async def both() -> None:
        async def late() -> None:
            await asyncio.sleep(3600)
            order.append("an hour later")

        await asyncio.gather(asyncio.to_thread(work), late())

    runner.run(both())
    assert ["thread", "an hour later"] == order


def test_a_child_process_is_really_waited_for(runner: asyncio.Runner) -> None:
    """Its pipe is a file descriptor that the loop watches."""

    async def output() -> bytes:
        program = "import time; time.sleep(0.1); print('done')"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
        found, _ = await asyncio.wait_for(process.communicate(), 60)
        return found

    assert b"done\n" == runner.run(output())


async def _for_nothing() -> None:
    await asyncio.get_running_loop().create_future()


async def _in_circles() -> None:
    while True:  # noqa: ASYNC110 - that is the point
        await asyncio.sleep(0)


async def _too_long() -> None:
    await asyncio.sleep(101)


async def _blocking() -> None:
    time.sleep(101)  # noqa: ASYNC251 - that is the point


@pytest.mark.parametrize(
    ("waiting", "words"),
    [
        (_for_nothing, "it waits for something that nothing will bring"),
        (_in_circles, "it goes in circles without waiting"),
        (_too_long, "it waits past 100 s"),
        (_blocking, "it waits past 100 s"),
    ],
)
def test_what_never_ends_is_ended(runner: asyncio.Runner, waiting: Any, words: str) -> None:
    """Each kind of hanging is told, at once."""
    loop = _loop(runner)
    loop.deadline = 100
    with patch_time(loop), pytest.raises(VirtualTimeout) as raised:
        runner.run(waiting())
    assert words == str(raised.value)


def test_time_follows_the_loop_for_code_that_knows_no_loop(runner: asyncio.Runner) -> None:
    """`sleep` and every clock agree; they begin where they stood, and afterwards they are what they were."""
    names = ("time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns")
    real = [time.sleep, *(getattr(time, name) for name in names)]
    began = [getattr(time, name)() for name in names]

    async def measured() -> list[float]:
        before = [getattr(time, name)() for name in names]
        time.sleep(600)  # noqa: ASYNC251 - that is the point
        await asyncio.sleep(400)
        assert all(start < now < start * 1.5 + 60e9 for start, now in zip(began, before, strict=True))
        return [getattr(time, name)() - start for name, start in zip(names, before, strict=True)]

    with patch_time(_loop(runner)):
        found = runner.run(measured())
    assert [pytest.approx(1000)] * 3 + [pytest.approx(1000e9)] * 3 == found
    assert [int] * 3 == [type(one) for one in found[3:]]
    assert real == [time.sleep, *(getattr(time, name) for name in names)]


def test_there_is_a_limit_to_what_is_really_waited_for(runner: asyncio.Runner) -> None:
    """A thread that never ends holds up neither the loop, nor its end, nor that of the process."""
    loop = _loop(runner)
    loop.max_real_wait_seconds = 0.2
    with pytest.raises(VirtualTimeout, match="it waits too long for what is real"):
        runner.run(asyncio.to_thread(threading.Event().wait))
    assert "it waits too long for what is real: a thread, a child process, a socket" == loop.end_reason
    loop.max_real_wait_seconds = 0.2
    with pytest.raises(VirtualTimeout):
        runner.close()
    assert loop.is_closed()


def test_the_end_of_the_loop_waits_for_its_threads() -> None:
    """What nobody awaits any more comes to its end too, and what it raises is nobody's affair."""
    ended = threading.Event()

    def work() -> None:
        threading.Event().wait(0.2)
        ended.set()
        raise ValueError

    async def start() -> None:
        asyncio.get_running_loop().run_in_executor(None, work).cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(start())
    assert ended.is_set()


def test_an_executor_of_ones_own_is_used(runner: asyncio.Runner) -> None:
    """And its exceptions arrive."""

    async def run(executor: ThreadPoolExecutor | None) -> None:
        await asyncio.get_running_loop().run_in_executor(executor, int, "x")

    with ThreadPoolExecutor(1) as pool:
        for executor in (pool, None):
            with pytest.raises(ValueError, match="invalid literal"):
                runner.run(run(executor))


def test_who_swallows_that_time_is_up_is_told_on(runner: asyncio.Runner) -> None:
    """Once by an exception; then whoever runs the loop hears of each further call that blocks."""
    loop, heard = _loop(runner), []
    loop.deadline, loop.on_swallowed_timeout = 10, lambda: heard.append(loop.end_reason)

    async def sleepy() -> None:
        for _ in range(3):
            with contextlib.suppress(VirtualTimeout):
                time.sleep(20)  # noqa: ASYNC251 - that is the point

    with patch_time(loop):
        runner.run(sleepy())
    assert ["it waits past 10 s"] * 2 == heard


def test_a_loop_is_abandoned_as_it_stands() -> None:
    """Closed where it does not run; where it does, in a thread that hangs, its files are given back."""
    idle, stuck, hanging = VirtualLoop(), VirtualLoop(), threading.Event()
    idle.abandon()
    assert idle.is_closed()

    async def hang() -> None:
        hanging.set()
        threading.Event().wait()

    threading.Thread(target=lambda: stuck.run_until_complete(hang()), daemon=True).start()
    assert hanging.wait(10)
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 3
    stuck.abandon()
    assert files - 3 == (len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0)


def test_the_clock_reads_the_loop(runner: asyncio.Runner) -> None:
    """Sleeping either way moves it, and so does a moment before which the loop has nothing to do."""
    clock = LoopClock(_loop(runner))

    async def slept() -> list[object]:
        clock.sleep(2)
        await clock.async_sleep(3)
        await clock.async_sleep(-1)
        return [clock.now(), clock.reach_without_waiting(5), clock.reach_without_waiting(5.1), clock.now()]

    coroutine: Coroutine[Any, Any, list[object]] = slept()
    assert [5.0, True, True, 5.1] == runner.run(coroutine)


@pytest.mark.parametrize("other", ["timer", "task", "thread", "deadline", "timeout"])
def test_a_moment_is_not_reached_before_other_work(runner: asyncio.Runner, other: str) -> None:
    """The loop stays where it is until that is done, or until the code has ended."""
    loop, is_over = _loop(runner), threading.Event()
    clock = LoopClock(loop)
    begin: dict[str, Callable[[], object]] = {
        "timer": lambda: loop.call_later(1, is_over.set),
        "task": lambda: loop.call_soon(is_over.set),
        "thread": lambda: loop.run_in_executor(None, is_over.wait),
        "deadline": lambda: setattr(loop, "deadline", 1),
        "timeout": lambda: loop.make_timeout("its time is up"),
    }

    async def reach() -> tuple[bool, float]:
        begin[other]()
        found = clock.reach_without_waiting(2), clock.now()
        is_over.set()
        return found

    assert (False, 0.0) == runner.run(reach())


def test_blocking_for_no_time_does_not_move_the_loop(runner: asyncio.Runner) -> None:
    """A loop that only does that is still found to wait for nothing."""
    _loop(runner).advance_for_blocking_call(0)
    assert 0 == _loop(runner).time()
