"""A thread that can be left: whatever runs there may swallow every exception, or wait where none reaches it."""

import ctypes
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any, TypeVar

from flag_harness.transports.virtual_time import TimeIsUp

T = TypeVar("T")

LOOK = 0.1
"""Real seconds in which it is seen whether a thread computes: for more than a hundredth of them, then."""
GRACE = 0.2
"""Real seconds for what was told that time is up to come to its end."""


class LeavableThread:
    """Does one job after the other. A thread that was left is not waited for, and does not keep the process alive."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._result: Future[Any] = Future()
        self._thread = threading.Thread(target=self._work, name="sweep", daemon=True)
        self._thread.start()
        self.left = False

    def do(self, job: Callable[[], T]) -> T:
        """What the job returns or raises. Raises `TimeIsUp`, and leaves, where that takes too many real seconds."""
        result: Future[T] = Future()
        self._result = result
        self._jobs.put((job, result))
        wait([result], self._patience)
        if not result.done():
            self.left = True
            if _computes(self._thread):
                _raise_in(self._thread)
                wait([result], GRACE)
            raise TimeIsUp(f"it takes more than {self._patience:g} s of real time")
        return result.result()

    def rest(self) -> None:
        """Called by a job that cannot be ended: whoever waits for it is told, and it never goes on."""
        self.left = True
        self._result.set_exception(TimeIsUp("it swallows that its time is up"))
        threading.Event().wait()

    def end(self) -> None:
        """No more jobs. Waits for the thread, if it was not left."""
        self._jobs.put(None)
        if not self.left:
            self._thread.join()

    def _work(self) -> None:
        while (ordered := self._jobs.get()) is not None:
            job, result = ordered
            try:
                result.set_result(job())
            except BaseException as error:  # whoever waits gets it
                result.set_exception(error)


def _computes(thread: threading.Thread) -> bool:
    """Whether a thread that is alive uses the processor; as far as the system says (macOS and Windows do not)."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return False
    clock = time.pthread_getcpuclockid(thread.ident or 0)
    before = time.clock_gettime(clock)
    threading.Event().wait(LOOK)
    return time.clock_gettime(clock) - before > LOOK / 100


def _raise_in(thread: threading.Thread) -> None:
    """Raise `TimeIsUp` in a thread, as soon as it runs Python code again.

    That should be soon: until then CPython 3.11 stands still in other threads that are traced, as for coverage.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeIsUp))
