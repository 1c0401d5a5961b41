"""The process's audit hook, which Python calls when it uses a socket, opens a file or starts another process."""

import operator
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeAlias

HandlersByAuditEvent: TypeAlias = Mapping[str, Callable[..., None]]
"""A mapping from the names of Python's audit events to functions. Each gets the event's arguments, and may raise an
error.
"""

_ignore_arguments: Any = operator.is_
"""A function in C that takes the two arguments of a setter and changes nothing."""

_IGNORED_EVENT = property(None, _ignore_arguments)
"""Ignores what is assigned to it, without running Python code."""

_EVENTS_WITH_OBJECTS = (
    *("_thread.start_joinable_thread", "_thread.start_new_thread", "code.__new__", "compile", "exec"),
    *("ctypes.addressof", "ctypes.call_function", "ctypes.dlsym", "ctypes.dlsym/handle", "ctypes.string_at"),
    *("fcntl.fcntl", "fcntl.flock", "fcntl.ioctl", "fcntl.lockf", "ftplib.connect", "ftplib.sendcmd"),
    *("function.__new__", "gc.get_referents", "gc.get_referrers", "http.client.connect", "http.client.send"),
    *("imaplib.open", "imaplib.send", "import", "marshal.dumps", "object.__delattr__", "object.__getattr__"),
    *("object.__setattr__", "open", "pdb.Pdb", "pickle.find_class", "poplib.connect", "poplib.putline"),
    *("smtplib.connect", "smtplib.send", "socket.__new__", "socket.bind", "socket.connect", "socket.sendmsg"),
    *("socket.sendto", "sqlite3.connect", "sqlite3.connect/handle", "sqlite3.enable_load_extension"),
    *("sqlite3.load_extension", "subprocess.Popen", "sys._getframe", "sys.excepthook", "sys.setprofile"),
    *("sys.settrace", "sys.unraisablehook", "urllib.Request"),
)
"""The audit events whose arguments should not be kept alive, from the audit events table of Python 3.11 to 3.14."""


class _CallableInC(partial[None]):
    """A `partial` that can have the attribute `__cantrace__`. Python traces the code in a hook only if that is true."""

    __cantrace__ = False


class AuditHook:
    """Calls the handlers that are in use for each audit event of Python, such as a socket that connects.

    Python cannot remove an audit hook, so there is one per process: get it with `audit_hook()`.

    An event without a handler runs no Python code: the hook is a `setattr` in C that assigns the event's arguments to
    the attribute of this name, and only events with handlers have a setter written in Python. In a hook that runs
    Python code, threads may switch, and in CPython 3.11 that makes `sys.settrace` fail if another thread is inside it,
    as under coverage.
    """

    def __init__(self) -> None:
        self._handlers_in_use: list[HandlersByAuditEvent] = []
        self._paused = threading.local()
        self._event_attributes = type("AuditEvents", (), dict.fromkeys(_EVENTS_WITH_OBJECTS, _IGNORED_EVENT))()
        self._hook = _CallableInC(setattr, self._event_attributes)
        sys.addaudithook(self._hook)

    @contextmanager
    def use_handlers(self, handlers: HandlersByAuditEvent) -> Iterator[None]:
        """Call the handlers at each of their audit events inside the context."""
        self._add_handlers(handlers)
        try:
            yield
        finally:
            self._handlers_in_use.remove(handlers)
            self._set_event_attributes(handlers)

    def install_handlers(self, handlers: HandlersByAuditEvent) -> None:
        """Call the handlers at each of their audit events until the process ends."""
        self._add_handlers(handlers)

    def _add_handlers(self, handlers: HandlersByAuditEvent) -> None:
        self._handlers_in_use.append(handlers)
        self._set_event_attributes(handlers)

    def _set_event_attributes(self, events: HandlersByAuditEvent) -> None:
        """Give each of these events a setter that calls its handlers, if it has any.

        Debuggers and coverage must be able to trace the handlers, which needs `__cantrace__`. The arguments of other
        events that the last assignments have left in the object are released.
        """
        for event in events:
            has_handler = any(event in handlers for handlers in self._handlers_in_use)
            setter = property(None, partial(self._call_handlers, event)) if has_handler else _IGNORED_EVENT
            setattr(type(self._event_attributes), event, setter)
        vars(self._event_attributes).clear()
        self._hook.__cantrace__ = bool(self._handlers_in_use)

    def _call_handlers(self, event: str, _: object, arguments: tuple[Any, ...]) -> None:
        """Call the handlers of an audit event, the last installed first, unless this thread has paused them."""
        for handlers in reversed(self._handlers_in_use):
            if (handler := handlers.get(event)) is not None and not self.is_paused:
                handler(*arguments)

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
