"""The owner of the running code: the test, or the fixture of a wider scope, that started it.

`current_owner()` is the one answer to "whose code is this?". It is a context variable, so tasks inherit it when they
are created. Threads and pool jobs get it from `transports.interception.submitted_work` when they are submitted.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubmittedWork:
    """A thread, a pool job or a task that an owner has started.

    Attributes:
        description: what a message calls it.
        is_running: returns False once it is done.
        delays_exit: True if the interpreter waits for it at exit.
    """

    description: str
    is_running: Callable[[], bool]
    delays_exit: bool = False


class Owner:
    """A test or a fixture, whose code sends requests.

    Attributes:
        name: the node id of a test, or the name of a fixture with its scope.
        is_shared: True for a fixture of a wider scope than one test: the threads that it keeps work for many tests.
        is_active: True while the code of a test, or the setup or teardown of a fixture, runs.
        has_ended: True after the teardown: whatever the owner sends from now on is late.
    """

    def __init__(self, name: str, *, is_shared: bool = False) -> None:
        self.name, self.is_shared = name, is_shared
        self.is_active, self.has_ended = True, False
        self.jobs = Owner(name) if is_shared else self
        """The owner of jobs and timers. Those of a fixture are its own, even while a test runs."""
        self._work: dict[object, SubmittedWork] = {}
        self._lock = threading.Lock()

    def end(self) -> None:
        """Mark the owner as ended: what it sends from now on is late."""
        self.is_active = False
        self.has_ended = self.jobs.has_ended = True

    def add_work(self, key: object, work: SubmittedWork) -> None:
        """Register work under a key, such as the thread itself."""
        with self._lock:
            self._work[key] = work

    def remove_work(self, key: object) -> None:
        """Remove work that is done."""
        with self._lock:
            self._work.pop(key, None)

    @property
    def running_work(self) -> list[SubmittedWork]:
        """The threads, pool jobs and tasks that still run."""
        with self._lock:
            running = [work for work in self._work.values() if work.is_running()]
        return running if self.jobs is self else [*running, *self.jobs.running_work]


_OWNER: ContextVar[Owner | None] = ContextVar("flag_harness_owner", default=None)


def current_owner() -> Owner | None:
    """Return the owner of the running code, or None if it is unknown."""
    return _OWNER.get()


@contextmanager
def run_as(owner: Owner | None) -> Iterator[None]:
    """Make `owner` the owner of the code in the context, and of the tasks that it creates."""
    token = _OWNER.set(owner)
    try:
        yield
    finally:
        _OWNER.reset(token)


def set_owner(owner: Owner | None) -> None:
    """Make `owner` the owner of what runs in this thread from now on."""
    _OWNER.set(owner)
