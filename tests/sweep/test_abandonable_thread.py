"""A thread that does what it is told, and can be left."""

import sys
import threading
from collections.abc import Callable

import pytest

from flag_harness.sweep.abandonable_thread import AbandonableThread
from flag_harness.transports.virtual_time import VirtualTimeout


def test_jobs_are_done_one_after_the_other_in_one_thread() -> None:
    """Results and exceptions come back; it is gone afterwards."""
    thread = AbandonableThread(10)
    first, second = (thread.run_job(threading.current_thread) for _ in range(2))
    assert first is second
    with pytest.raises(ZeroDivisionError):
        thread.run_job(lambda: 1 // 0)
    assert not thread.is_abandoned
    thread.stop()
    assert not first.is_alive()


def test_a_job_that_waits_for_ever_is_left() -> None:
    """No exception reaches it."""
    thread = AbandonableThread(0.1)
    with pytest.raises(VirtualTimeout, match=r"it takes more than 0.1 s of real time"):
        thread.run_job(threading.Event().wait)
    assert thread.is_abandoned
    thread.stop()


def test_a_job_does_not_take_too_long_because_others_use_the_cpu(compute_on_busy_cpu: Callable[[], None]) -> None:
    """It takes longer than the limit in real time, and would not if it had the CPU for itself."""
    thread = AbandonableThread(0.3)
    thread.run_job(compute_on_busy_cpu)
    thread.stop()
    assert not thread.is_abandoned


def test_a_job_that_computes_for_ever_is_ended() -> None:
    """An exception reaches it, so that it does not compute on."""
    thread = AbandonableThread(0.1)
    worker = thread.run_job(threading.current_thread)

    def compute() -> None:
        while True:
            pass

    with pytest.raises(VirtualTimeout):
        thread.run_job(compute)
    thread.stop()
    worker.join(10)
    assert not worker.is_alive()


def test_where_nobody_knows_whether_a_job_computes_it_is_just_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems do not say what a thread uses."""
    monkeypatch.setattr(sys, "platform", "darwin")
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            pass

    thread = AbandonableThread(0.1)
    with pytest.raises(VirtualTimeout):
        thread.run_job(compute)
    over.set()
    assert thread.is_abandoned
    thread.stop()


def test_a_job_may_say_that_it_cannot_be_ended() -> None:
    """Whoever waits for it is told at once, and it never goes on."""
    thread = AbandonableThread(60)
    went_on = []

    def job() -> None:
        thread.block_forever()
        went_on.append(1)

    with pytest.raises(VirtualTimeout, match="it swallows that its time is up"):
        thread.run_job(job)
    assert (True, []) == (thread.is_abandoned, went_on)
