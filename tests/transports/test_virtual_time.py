"""A loop on which nobody waits."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from harness.transports.virtual_time import LoopClock, TimeIsUp, VirtualLoop, following


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
    with following(loop), pytest.raises(TimeIsUp) as raised:
        runner.run(waiting())
    assert words == str(raised.value)


def test_time_follows_the_loop_for_code_that_knows_no_loop(runner: asyncio.Runner) -> None:
    """`sleep`, `monotonic` and `time` agree; afterwards they are what they were."""
    real = (time.sleep, time.monotonic, time.time)

    async def measured() -> tuple[float, float]:
        monotonic, wall = time.monotonic(), time.time()
        time.sleep(600)  # noqa: ASYNC251 - that is the point
        await asyncio.sleep(400)
        return time.monotonic() - monotonic, time.time() - wall

    with following(_loop(runner)):
        assert (pytest.approx(1000), pytest.approx(1000)) == runner.run(measured())
    assert real == (time.sleep, time.monotonic, time.time)


def test_the_clock_reads_the_loop(runner: asyncio.Runner) -> None:
    """Sleeping either way moves it; a moment is reached once it has come, never before."""
    clock = LoopClock(_loop(runner))

    async def slept() -> list[object]:
        clock.sleep(2)
        await clock.asleep(3)
        await clock.asleep(-1)
        return [clock.now(), clock.reached(5), clock.reached(5.1)]

    coroutine: Coroutine[Any, Any, list[object]] = slept()
    assert [5.0, True, False] == runner.run(coroutine)
