"""The virtual clock."""

import asyncio
import threading
import time
from collections.abc import Coroutine

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.clock import VirtualClock

SECONDS = st.integers(0, 1000).map(float)


@given(st.floats(0, 1e6), st.lists(SECONDS))
def test_sleeping_moves_the_clock_by_what_was_slept(start: float, naps: list[float]) -> None:
    """And takes no time."""
    clock = VirtualClock(start)
    expected = start
    for nap in naps:
        clock.sleep(nap)
        expected += nap
        assert expected == clock.now()


@given(st.floats(max_value=-0.0, allow_nan=False))
def test_time_never_goes_back(seconds: float) -> None:
    """Neither by a negative sleep, sync or async, nor by reaching for the past."""

    async def nap() -> None:
        await clock.async_sleep(seconds)

    clock = VirtualClock(5.0)
    clock.sleep(seconds)
    asyncio.run(nap())
    assert clock.reach_without_waiting(seconds)
    assert 5.0 == clock.now()


def test_a_moment_is_reached_at_once_where_nobody_waits() -> None:
    """The clock stands there then."""
    clock = VirtualClock()
    assert clock.reach_without_waiting(3600.0)
    assert 3600.0 == clock.now()


@pytest.mark.asyncio
async def test_a_moment_is_not_reached_while_somebody_waits_for_an_earlier_one() -> None:
    """The earlier task wakes first; what has already passed, or comes before it, is reached all the same."""
    clock = VirtualClock(1.0)
    sleeper = asyncio.create_task(clock.async_sleep(10.0))
    await asyncio.sleep(0)
    assert not clock.reach_without_waiting(12.0)
    assert 1.0 == clock.now()
    assert clock.reach_without_waiting(1.0)
    assert clock.reach_without_waiting(10.5)
    await sleeper
    assert 11.0 == clock.now()
    assert clock.reach_without_waiting(12.0)


@pytest.mark.asyncio
async def test_a_past_moment_is_reached_though_a_sleeper_is_late() -> None:
    """A sync sleep has carried the clock beyond an earlier sleeper, which has yet to wake."""
    clock = VirtualClock()
    sleeper = asyncio.create_task(clock.async_sleep(1.0))
    await asyncio.sleep(0)
    clock.sleep(5.0)
    assert clock.reach_without_waiting(4.0)
    assert not clock.reach_without_waiting(6.0)
    await sleeper
    assert 5.0 == clock.now()


@given(st.lists(st.lists(SECONDS, max_size=4), max_size=6))
def test_tasks_wake_in_the_order_of_time_and_wait_together(naps: list[list[float]]) -> None:
    """As real tasks do: each wakes at the sum of its own naps, and all end when the longest ends."""
    clock = VirtualClock()
    woken: list[float] = []

    async def nap(seconds: list[float]) -> None:
        moment = 0.0
        for second in seconds:
            moment += second
            await clock.async_sleep(second)
            assert moment == clock.now()
            woken.append(clock.now())

    async def together() -> None:
        await asyncio.gather(*(nap(seconds) for seconds in naps))

    asyncio.run(together())
    assert sorted(woken) == woken
    assert max(map(sum, naps), default=0.0) == clock.now()


@pytest.mark.asyncio
async def test_equal_moments_wake_in_the_order_of_falling_asleep() -> None:
    """So that a run can be repeated."""
    clock, woken = VirtualClock(), []

    async def nap(name: str) -> None:
        await clock.async_sleep(1.0)
        woken.append(name)

    await asyncio.gather(*(nap(name) for name in "abcd"))
    assert list("abcd") == woken


@pytest.mark.asyncio
async def test_a_cancelled_sleeper_holds_nobody_up() -> None:
    """Neither in the first moment nor later, and the clock does not go to where it would have woken."""
    clock = VirtualClock()
    sleepers = [asyncio.create_task(clock.async_sleep(float(seconds))) for seconds in (1, 5, 2)]
    await asyncio.sleep(0)
    sleepers[0].cancel()
    await asyncio.gather(*sleepers[1:])
    assert 5.0 == clock.now()
    assert sleepers[0].cancelled()


@pytest.mark.asyncio
async def test_a_sleeper_that_is_cancelled_before_its_turn_wakes_nobody() -> None:
    """Those before and after it wake as if it had never slept."""
    clock = VirtualClock()
    sleepers = [asyncio.create_task(clock.async_sleep(float(seconds))) for seconds in (5, 1, 9, 7)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    sleepers[0].cancel()
    await sleepers[2]
    assert (9.0, [True, False, False, False]) == (clock.now(), [one.cancelled() for one in sleepers])
    assert clock.reach_without_waiting(10.0)


def test_tasks_of_several_threads_sleep_on_one_clock() -> None:
    """Each thread has an event loop of its own. None is forgotten, and for none the clock goes back."""
    clock, woken = VirtualClock(), []

    async def nap() -> None:
        for _ in range(100):
            fell_asleep = clock.now()
            await clock.async_sleep(1.0)
            woken.append(clock.now() >= fell_asleep + 1.0)

    threads = [threading.Thread(target=lambda: asyncio.run(nap()), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [True] * 400 == woken
    assert 100.0 <= clock.now() <= 400.0


def test_trio_sleeps_on_it_too() -> None:
    """Tasks of trio wake in the order of time, and the cancelled hold nobody up."""
    clock, woken = VirtualClock(), []

    async def nap(seconds: float) -> None:
        await clock.async_sleep(seconds)
        woken.append((seconds, clock.now()))

    async def together() -> None:
        async with trio.open_nursery() as nursery:
            for seconds in (3.0, 1.0, 6.0, 2.0, 5.0, 4.0):
                nursery.start_soon(nap, seconds)
            with trio.move_on_after(0):
                await nap(60.0)

    trio.run(together)
    assert [(float(second), float(second)) for second in range(1, 7)] == woken


def test_a_thousand_sleepers_cost_no_more_than_each_alone() -> None:
    """A sleeper is woken when it is its turn; it does not look again and again."""
    clock = VirtualClock()

    async def nap(number: int) -> None:
        for _ in range(10):
            await clock.async_sleep(1.0 + number / 1000)

    async def together() -> None:
        await asyncio.gather(*map(nap, range(1000)))

    started = time.process_time()
    asyncio.run(together())
    assert time.process_time() - started < 3.0
    assert clock.now() == pytest.approx(19.99)


@pytest.mark.asyncio
async def test_other_tasks_run_before_the_clock_moves() -> None:
    """A task that has something to do now does it at the old time."""
    clock, seen = VirtualClock(), []

    async def busy() -> None:
        seen.append(clock.now())

    task = asyncio.create_task(busy())
    await clock.async_sleep(60.0)
    await task
    assert [0.0] == seen


def test_threads_that_sleep_lose_no_time() -> None:
    """Each sleep is added, whoever sleeps."""
    clock = VirtualClock()
    threads = [threading.Thread(target=lambda: [clock.sleep(1.0) for _ in range(1000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 8000.0 == clock.now()


def test_nobody_waits() -> None:
    """A day passes in no time."""
    started = time.perf_counter()
    VirtualClock().sleep(86400.0)
    assert time.perf_counter() - started < 60


async def _seconds_until_timeout(clock: VirtualClock, waiting: Coroutine[object, object, object]) -> float:
    """Return what the clock shows when a deadline of five seconds has struck."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, 5)
    return clock.now()


def test_a_deadline_on_the_loop_strikes_before_a_later_wake() -> None:
    """The code that waits for a stalled answer has a watchdog of its own."""
    clock = VirtualClock()
    assert 5 == pytest.approx(asyncio.run(_seconds_until_timeout(clock, clock.async_sleep(60))), abs=0.1)


def test_what_a_timer_sets_off_happens_before_a_later_wake() -> None:
    """Another task sleeps twice within the wait, and ends first; the loop's time has moved as well."""
    clock, order = VirtualClock(), list[str]()

    async def nap() -> None:
        await asyncio.sleep(10)
        await asyncio.sleep(10)
        order.append("task")

    async def both() -> float:
        loop = asyncio.get_running_loop()
        started, task = loop.time(), asyncio.create_task(nap())
        cancelled = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert not clock.reach_without_waiting(60)
        await clock.async_sleep(60)
        order.append("answer")
        await task
        return loop.time() - started

    elapsed = asyncio.run(both())
    assert ["task", "answer"] == order
    assert 60 <= elapsed < 61
    assert 60 == pytest.approx(clock.now(), abs=1)


def test_a_clock_for_servers_leaves_the_loop_alone() -> None:
    """The connections of others have their deadlines there."""
    clock = VirtualClock(moves_loop=False)

    async def serve() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(30, lambda: None)
        started = loop.time()
        await clock.async_sleep(60)
        return loop.time() - started

    assert asyncio.run(serve()) < 1
    assert 60 == clock.now()


def test_a_callback_that_never_rests_does_not_stop_the_clock() -> None:
    """A timer of the loop fires, and the sleeper wakes."""
    clock, fired = VirtualClock(), []

    async def run() -> float:
        loop = asyncio.get_running_loop()

        def spin() -> None:
            loop.call_soon(spin)

        spin()
        loop.call_later(1, lambda: fired.append(round(clock.now())))
        await clock.async_sleep(2)
        return clock.now()

    assert (2.0, [1]) == (asyncio.run(run()), fired)
