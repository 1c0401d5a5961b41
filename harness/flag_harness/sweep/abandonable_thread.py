"""A worker thread that can be abandoned, if its job swallows every exception or blocks forever."""

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic as real_monotonic  # a sweep patches `time.monotonic`
from typing import Any, Generic, TypeVar

from flag_harness.transports.virtual_time import VirtualTimeout
from flag_harness.transports.virtual_time.thread_cpu import cpu_wait_seconds, thread_cpu_seconds

T = TypeVar("T")

CPU_SAMPLE_SECONDS = 0.1
"""Real seconds over which a thread's CPU time is measured. A busy thread uses more than 1 % of them."""
SECONDS_TO_STOP = 0.2
"""Real seconds that a busy job gets to end after `VirtualTimeout` was raised in it."""


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[T]):
    """What a job returned, or the exception that it raised."""

    result: T | None = None
    error: BaseException | None = None


class AbandonableThread:
    """A thread that runs one job after another, and that can be abandoned if a job does not end.

    An abandoned thread is not waited for, and does not keep the process alive.
    """

    def __init__(self, hang_seconds: float) -> None:
        self._hang_seconds = hang_seconds
        self._jobs: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[_Outcome[Any]]] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[_Outcome[Any]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run_jobs, name="sweep", daemon=True)
        self._thread.start()
        self.is_abandoned = False

    def run_job(self, job: Callable[[], T]) -> T:
        """Run a job, and return its result or raise its error. If it takes too long, raise `VirtualTimeout`.

        The time in which the thread waits for a CPU that others use does not count.
        """
        outcomes: SimpleQueue[_Outcome[T]] = SimpleQueue()  # of this job only: an abandoned one may still end
        self._outcomes = outcomes
        self._jobs.put((job, outcomes))
        outcome = self._wait_for_outcome(outcomes)
        if outcome is None:
            self.is_abandoned = True
            if _is_busy(self._thread):
                _raise_timeout_in(self._thread)
                _next_outcome(outcomes, SECONDS_TO_STOP)
            raise VirtualTimeout(f"it takes more than {self._hang_seconds:g} s of real time")
        if outcome.error is not None:
            raise outcome.error
        return outcome.result  # type: ignore[return-value]

    def block_forever(self) -> None:
        """Abandon this thread, and block it forever, so that the waiting `run_job` raises `VirtualTimeout`.

        Only the job itself may call this, in its own thread.
        """
        self.is_abandoned = True
        self._outcomes.put(_Outcome(error=VirtualTimeout("it swallows that its time is up")))
        threading.Event().wait()

    def stop(self) -> None:
        """Accept no more jobs, and wait for the thread to end unless it was abandoned."""
        self._jobs.put(None)
        if not self.is_abandoned:
            self._thread.join()

    def _wait_for_outcome(self, outcomes: "SimpleQueue[_Outcome[T]]") -> _Outcome[T] | None:
        """Return the outcome of the running job, or None if it takes too long."""
        started, left = real_monotonic(), self._hang_seconds
        while left > 0:
            if (outcome := _next_outcome(outcomes, left)) is not None:
                return outcome
            waited = cpu_wait_seconds().get(self._thread.native_id or 0, 0.0)
            left = self._hang_seconds - (real_monotonic() - started - waited)
        return None

    def _run_jobs(self) -> None:
        """Run jobs until `stop` is called. Pass the result or exception of each to the `run_job` that waits for it."""
        while (item := self._jobs.get()) is not None:
            job, outcomes = item
            try:
                outcome = _Outcome(job())
            except BaseException as error:  # `run_job` raises it in the caller's thread
                outcome = _Outcome(error=error)
            outcomes.put(outcome)


def _next_outcome(outcomes: "SimpleQueue[_Outcome[T]]", seconds: float) -> _Outcome[T] | None:
    """Return the outcome of a job, or None if it does not come within `seconds` of real time."""
    try:
        return outcomes.get(timeout=seconds)
    except Empty:
        return None


def _is_busy(thread: threading.Thread) -> bool:
    """Return whether a thread uses the CPU.

    Return False if the thread has ended, or if the system cannot tell (macOS and Windows).
    """
    before = thread_cpu_seconds(thread)
    threading.Event().wait(CPU_SAMPLE_SECONDS)
    after = thread_cpu_seconds(thread)
    return before is not None and after is not None and after - before > CPU_SAMPLE_SECONDS / 100


def _raise_timeout_in(thread: threading.Thread) -> None:
    """Raise `VirtualTimeout` in a thread as soon as it runs Python code again.

    Call this only for a busy thread: until the exception is raised, CPython 3.11 blocks other threads that are traced,
    as under coverage.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(VirtualTimeout))
