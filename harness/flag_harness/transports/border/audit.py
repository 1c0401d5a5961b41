"""The audit hook of the process: it sees what sockets do below the module `socket`, and what starts other processes."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

Handlers: TypeAlias = Mapping[str, Callable[..., None]]
"""Functions by the name of the audit event whose arguments they get. They may raise."""


class AuditHook:
    """Calls the handlers of the contexts that are open, and nothing outside of them.

    Python cannot remove an audit hook, so there is one per process: get it with `audit_hook()`.
    """

    def __init__(self) -> None:
        self._open: list[Handlers] = []
        self._paused = threading.local()
        sys.addaudithook(self._call)

    def _call(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._open:
            return
        for handlers in reversed(self._open):
            if (handler := handlers.get(event)) is not None and not self.is_paused:
                handler(*arguments)

    @contextmanager
    def handle(self, handlers: Handlers) -> Iterator[None]:
        """Call the handlers inside the context."""
        self._open.append(handlers)
        try:
            yield
        finally:
            self._open.remove(handlers)

    def handle_forever(self, handlers: Handlers) -> None:
        """Call the handlers until the process ends."""
        self._open.append(handlers)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Call no handlers in this thread inside the context."""
        before, self._paused.now = self.is_paused, True
        try:
            yield
        finally:
            self._paused.now = before

    @property
    def is_paused(self) -> bool:
        """True inside `pause`, in the same thread."""
        return getattr(self._paused, "now", False)


@cache
def audit_hook() -> AuditHook:
    """Return the hook of this process. The first call installs it."""
    return AuditHook()
