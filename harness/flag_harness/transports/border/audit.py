"""The process's audit hook, which Python calls when it uses a socket or starts another process."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

HandlersByAuditEvent: TypeAlias = Mapping[str, Callable[..., None]]
"""A mapping from the names of Python's audit events to functions. Each gets the event's arguments, and may raise an
error.
"""


class AuditHook:
    """Calls the handlers that are in use for each audit event of Python, such as a socket that connects.

    Python cannot remove an audit hook, so there is one per process: get it with `audit_hook()`.
    """

    def __init__(self) -> None:
        self._handlers_in_use: list[HandlersByAuditEvent] = []
        self._paused = threading.local()
        self.__cantrace__ = False
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Call the handlers of an audit event, unless this thread has paused them."""
        for handlers in reversed(self._handlers_in_use):
            if (handler := handlers.get(event)) is not None and not self.is_paused:
                handler(*arguments)

    @contextmanager
    def use_handlers(self, handlers: HandlersByAuditEvent) -> Iterator[None]:
        """Call the handlers at each of their audit events inside the context."""
        self._add_handlers(handlers)
        try:
            yield
        finally:
            self._handlers_in_use.remove(handlers)
            self.__cantrace__ = bool(self._handlers_in_use)

    def install_handlers(self, handlers: HandlersByAuditEvent) -> None:
        """Call the handlers at each of their audit events until the process ends."""
        self._add_handlers(handlers)

    def _add_handlers(self, handlers: HandlersByAuditEvent) -> None:
        """Add handlers.

        Debuggers and coverage must be able to trace them, which Python allows in an audit hook only with
        `__cantrace__`.
        """
        self._handlers_in_use.append(handlers)
        self.__cantrace__ = True

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Inside the context, call no handlers for events of the current thread."""
        before, self._paused.now = self.is_paused, True
        try:
            yield
        finally:
            self._paused.now = before

    @property
    def is_paused(self) -> bool:
        """Whether this thread is inside a `pause` context."""
        return getattr(self._paused, "now", False)


@cache
def audit_hook() -> AuditHook:
    """Return the hook of this process. The first call installs it."""
    return AuditHook()
