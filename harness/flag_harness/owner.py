"""The owner of the running code: the test or fixture that started it.

Use `current_code_owner()` to find out whose code is running, and `current_flag_scope()` for its flag values.
Both are context variables, so a task inherits them when it is created. Threads and pool jobs get them from
`transports.interception.submitted_work` when they are submitted.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubmittedWork:
    """A thread, a pool job or a task that the code of a test or fixture has started.

    Attributes:
        description: the name of the work in messages.
        is_running: a function that returns False once the work is done.
        delays_exit: True if the interpreter waits for the work before it exits.
    """

    description: str
    is_running: Callable[[], bool]
    delays_exit: bool = False


class CodeOwner:
    """The test or fixture whose code sends a request.

    Attributes:
        name: the node id of a test, or the name of a fixture with its scope.
        is_shared: True for a fixture that several tests share, whose threads therefore work for all these tests.
        is_active: True while the code of the test, or the setup or teardown of the fixture, runs.
        has_ended: True after the teardown. Requests that the owner sends from then on are late.
    """

    def __init__(self, name: str, *, is_shared: bool = False) -> None:
        self.name, self.is_shared = name, is_shared
        self.is_active, self.has_ended = True, False
        self.flag_scope: object | None = None
        """The flags that the owner's code runs under, as a `flag_harness.sources.FlagScope`."""
        self.job_owner = CodeOwner(name) if is_shared else self
        """The owner of pool jobs and timers. For a shared fixture it is a separate owner, even while a test runs."""
        self._work: dict[object, SubmittedWork] = {}
        self._lock = threading.Lock()

    def end(self) -> None:
        """Mark the owner as ended. Requests that it sends from now on are late."""
        self.is_active = False
        self.has_ended = self.job_owner.has_ended = True

    def add_work(self, key: object, work: SubmittedWork) -> None:
        """Store work that the owner has started, under a key such as the thread object."""
        with self._lock:
            self._work[key] = work

    def remove_work(self, key: object) -> None:
        """Remove the work with this key when it is done."""
        with self._lock:
            self._work.pop(key, None)

    @property
    def running_work(self) -> list[SubmittedWork]:
        """The threads, pool jobs and tasks of the owner that are still running."""
        with self._lock:
            running = [work for work in self._work.values() if work.is_running()]
        return running if self.job_owner is self else [*running, *self.job_owner.running_work]


_CURRENT_OWNER: ContextVar[CodeOwner | None] = ContextVar("flag_harness_owner", default=None)


def current_code_owner() -> CodeOwner | None:
    """Return the test or fixture that the running code belongs to, or None if it is unknown."""
    return _CURRENT_OWNER.get()


@contextmanager
def attribute_code_to_owner(owner: CodeOwner | None) -> Iterator[None]:
    """Attribute requests from the code in the `with` block, and from tasks that it creates, to `owner`."""
    token = _CURRENT_OWNER.set(owner)
    try:
        yield
    finally:
        _CURRENT_OWNER.reset(token)


def attribute_thread_to_owner(owner: CodeOwner | None) -> None:
    """Attribute requests from all code that this thread runs from now on to `owner`."""
    _CURRENT_OWNER.set(owner)


_CURRENT_FLAG_SCOPE: ContextVar[object | None] = ContextVar("flag_harness_scope", default=None)


def current_flag_scope() -> object | None:
    """Return the `flag_harness.sources.FlagScope` that holds the flag values of the running code, or None if it is
    unknown.
    """
    return _CURRENT_FLAG_SCOPE.get()


@contextmanager
def use_flag_scope(scope: object | None) -> Iterator[None]:
    """Run the code in the `with` block, and the tasks that it creates, under the flag values of `scope`."""
    token = _CURRENT_FLAG_SCOPE.set(scope)
    try:
        yield
    finally:
        try:
            _CURRENT_FLAG_SCOPE.reset(token)
        except ValueError:  # an async generator may end in another context than it began in
            _CURRENT_FLAG_SCOPE.set(None)
