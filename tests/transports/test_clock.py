"""The real clock."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
import trio

from flag_harness.transports import SystemClock


def _sync(clock: SystemClock, seconds: float) -> None:
    clock.sleep(seconds)


def _async(clock: SystemClock, seconds: float) -> None:
    asyncio.run(clock.async_sleep(seconds))


def _trio(clock: SystemClock, seconds: float) -> None:
    trio.run(clock.async_sleep, seconds)


@pytest.fixture(params=[_sync, _async, _trio], ids=["sync", "asyncio", "trio"])
def sleep(request: pytest.FixtureRequest) -> Callable[[SystemClock, float], None]:
    """All ways to wait."""
    found: Callable[[SystemClock, float], None] = request.param
    return found


@pytest.mark.parametrize(("pace", "seconds", "real"), [(1.0, 0.05, 0.05), (0.01, 5.0, 0.05), (2.0, 0.025, 0.05)])
def test_waiting_takes_the_pace_and_the_clock_shows_the_whole(
    sleep: Callable[[SystemClock, float], None], pace: float, seconds: float, real: float
) -> None:
    """So that latencies read off it stay those of the data."""
    clock, started = SystemClock(pace), time.perf_counter()
    before = clock.now()
    sleep(clock, seconds)
    assert real <= time.perf_counter() - started < real + 4
    assert seconds - 1e-6 <= clock.now() - before < seconds + 4


def test_at_pace_zero_nobody_waits(sleep: Callable[[SystemClock, float], None]) -> None:
    """And an hour has passed all the same."""
    clock, started = SystemClock(0.0), time.perf_counter()
    before = clock.now()
    sleep(clock, 3600.0)
    assert time.perf_counter() - started < 60
    assert 3600.0 <= clock.now() - before < 3660


def test_a_negative_wait_is_none(sleep: Callable[[SystemClock, float], None]) -> None:
    """Time does not go back."""
    clock = SystemClock(0.5)
    before = clock.now()
    sleep(clock, -5.0)
    assert 0.0 <= clock.now() - before < 0.5


def test_a_moment_is_reached_when_it_has_come() -> None:
    """Not before."""
    clock = SystemClock()
    assert clock.reach_without_waiting(clock.now())
    assert not clock.reach_without_waiting(clock.now() + 60.0)


def test_threads_lose_no_time() -> None:
    """What each of them did not wait for is counted."""
    clock = SystemClock(0.0)
    before = clock.now()
    threads = [threading.Thread(target=lambda: [clock.sleep(1.0) for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1600.0 <= clock.now() - before < 1610.0
