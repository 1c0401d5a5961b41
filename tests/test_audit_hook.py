"""The audit hook of the process."""

import socket
import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from flag_harness.audit_hook import audit_hook


@pytest.fixture
def _eager_switches() -> Iterator[None]:
    """Threads switch as often as they may."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_eager_switches")
def test_threads_that_set_their_trace_functions_do_not_meet() -> None:
    """CPython 3.11 raises an error in one of them if they switch inside the hook; so tests failed under coverage."""
    errors: list[RuntimeError] = []

    def set_trace_functions() -> None:
        for _ in range(50_000):
            try:
                sys.settrace(None)
            except RuntimeError as error:
                errors.append(error)

    with audit_hook().use_handlers({"socket.connect": lambda *_: None}):
        threads = [threading.Thread(target=set_trace_functions) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [] == errors


def test_the_last_installed_handler_is_called_first_and_a_removed_one_no_more() -> None:
    """The handlers of one event may come from several places."""
    calls: list[tuple[str, object]] = []
    hook, first, last = audit_hook(), object(), object()
    with hook.use_handlers({"own.event": lambda value: calls.append(("first", value))}):
        with hook.use_handlers({"own.event": lambda value: calls.append(("last", value))}):
            sys.audit("own.event", first)
        sys.audit("own.event", last)
        with hook.pause():
            sys.audit("own.event", object())
    sys.audit("own.event", object())
    assert [("last", first), ("first", first), ("first", last)] == calls


def test_an_error_of_a_handler_stops_the_audited_operation() -> None:
    """So a refused connection is not made."""

    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("no connections here")

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        audit_hook().use_handlers({"socket.connect": refuse}),
        pytest.raises(ConnectionRefusedError, match="no connections here"),
    ):
        socket.create_connection(server.getsockname())


def test_the_arguments_of_an_event_are_not_kept_alive() -> None:
    """A socket that nobody refers to is freed at once, as without the hook."""
    with audit_hook().use_handlers({"socket.connect": lambda *_: None}):
        server = socket.create_server(("127.0.0.1", 0))
        server_reference = weakref.ref(server)
        server.close()
        del server
        assert server_reference() is None


class _OwnObject:
    """An object that can be referred to weakly."""


def test_the_arguments_of_an_unknown_event_are_released_with_the_handlers() -> None:
    """Libraries may raise audit events of their own."""
    with audit_hook().use_handlers({"socket.connect": lambda *_: None}):
        own = _OwnObject()
        released = weakref.ref(own)
        sys.audit("event.of.a.library", own)
        del own
    assert released() is None
