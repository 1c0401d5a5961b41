"""What another thread has used of the CPU."""

import sys
import threading
import time

import pytest

from flag_harness.transports.virtual_time.pending_work import PendingWork
from flag_harness.transports.virtual_time.thread_cpu import thread_cpu_seconds


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the CPU time of another thread")
def test_a_busy_thread_uses_cpu_time() -> None:
    """As much as it has computed."""
    over, begun = threading.Event(), threading.Event()

    def compute() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        begun.set()
        over.wait()

    thread = threading.Thread(target=compute)
    thread.start()
    begun.wait()
    assert 0.05 <= (thread_cpu_seconds(thread) or 0) < 0.5
    over.set()
    thread.join()


@pytest.mark.parametrize("start", [True, False], ids=["ended", "never started"])
def test_a_thread_that_does_not_run_uses_none(start: bool) -> None:
    """It raises nothing and reads no freed memory."""
    thread = threading.Thread(target=int)
    if start:
        thread.start()
        thread.join()
    for _ in range(1000):  # the system ends the thread a moment after Python does
        if thread_cpu_seconds(thread) is None:
            return
        time.sleep(0.01)
    pytest.fail("the thread has ended, and its time is still known")


def test_threads_may_end_while_stillness_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that ended after the snapshot of all threads counts as still."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(60,))
    pending = PendingWork()
    thread.start()
    frame = sys._current_frames()[thread.ident or 0]
    over.set()
    thread.join()
    monkeypatch.setattr(pending, "_busy_threads", lambda waiting: {thread: frame})
    assert not pending.has_only_idle_threads([], watches_descriptors=False)
