"""Refuse the network to a test that plays recordings, so that it can reach only this machine."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial
from typing import Any

from flag_harness.audit_hook import audit_hook
from flag_harness.errors import NetworkRefused
from flag_harness.transports.border.children import IN_CHILD_PROCESS_TEXT, ChildProcessGuard
from flag_harness.transports.border.event_loops import guard_pycares, guard_uvloop, import_early
from flag_harness.transports.border.lost_refusals import end_loops_at_lost_refusals
from flag_harness.transports.border.sockets import guard_open_connections, guard_socket_methods, socket_audit_handlers
from flag_harness.transports.flag_services import flag_service_advice
from flag_harness.transports.patch import replace_attribute
from flag_harness.transports.scope import ApiScope, matches_host

ERROR_TEXTS_OF_REPLAY = "plays recordings", "record that traffic with --record-mode=once"
"""Two parts of the message of `NetworkRefused`: what the test does, and what to do if it needs the network."""
ERROR_TEXTS_OF_SIMULATOR = "asks the simulator", "ask the live API with --harness-upstream=live"

_ADVICE_FOR_OTHER_HOSTS = (
    "it is no host of the API: replace that call in the test, list the host in allowed_hosts of [tool.flag-harness]"
)
"""What to do about a host that is not the API, whose traffic no cassette has and no simulator answers."""
_NAMES_OF_LOOPBACK = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_IGNORE_HOSTS_HINT = "; if the program can do without that host, list it in ignore_hosts of [tool.flag-harness]"
_ADDRESSES_OF_LOOPBACK = ("127.0.0.1", "::1", "0.0.0.0")


@contextmanager
def refuse_network(
    error_texts: tuple[str, str] = ERROR_TEXTS_OF_REPLAY,
    make_refusal: Callable[[str], NetworkRefused] = NetworkRefused,
    scope: ApiScope = ApiScope(),  # noqa: B008 - a frozen value
    is_host_open: Callable[[str], bool] = lambda host: False,
) -> Iterator[list[NetworkRefused]]:
    """Inside the context, raise `NetworkRefused` if code looks up or connects to another machine. Yield a list of these
    errors.

    `error_texts` has two parts of the message: what the test does, and what to do if it needs the network.
    `make_refusal` makes the error from the message. Hosts that `scope` allows can be reached. Hosts that `scope`
    ignores get a `ConnectionRefusedError`, which is not in the list. `is_host_open` is called at each attempt with the
    host, and returns True to allow it.
    """
    guard = _NetworkGuard(error_texts, make_refusal, scope, is_host_open)
    with guard.open():
        yield guard.refusals


class _NetworkGuard:
    """Allows or refuses connections to each host, in all threads and child processes, inside its `open` context."""

    def __init__(
        self,
        error_texts: tuple[str, str],
        make_refusal: Callable[[str], NetworkRefused],
        scope: ApiScope,
        is_host_open: Callable[[str], bool],
    ) -> None:
        self._activity, self._make_refusal, self._scope, self._is_open = error_texts, make_refusal, scope, is_host_open
        self._allowed_addresses: set[str] = set()
        self._resolved_names: set[str] = set()
        self._children = ChildProcessGuard(
            self._check_host, tuple(filter(is_loopback, (*_ADDRESSES_OF_LOOPBACK, *_names_of_this_machine())))
        )
        self.refusals: list[NetworkRefused] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Check every connection and name lookup inside the context."""
        sockets = socket_audit_handlers(self._check_host, self._check_name_lookup)
        libraries_in_c = {
            "uvloop": partial(guard_uvloop, self._check_host),
            "pycares": partial(guard_pycares, self._check_name_lookup),
        }
        with ExitStack() as stack:

            def guard_import(module: str, *_: Any) -> None:
                if module in libraries_in_c and not self._children.is_in_forked_child:
                    import_early(module)
                    stack.enter_context(libraries_in_c[module]())
                self._children.guard_import(module)

            handlers = {**sockets, **self._children.audit_handlers, "import": guard_import}
            for guard_library in libraries_in_c.values():
                stack.enter_context(guard_library())
            for guard in (guard_socket_methods, guard_open_connections):
                stack.enter_context(guard(self._check_host))
            for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex") if self._scope.allowed_hosts else ():
                stack.enter_context(replace_attribute(socket, name, self._wrap_lookup(getattr(socket, name))))
            stack.enter_context(end_loops_at_lost_refusals())
            stack.enter_context(self._children.open())
            stack.enter_context(audit_hook().use_handlers(handlers))
            yield

    def _check_host(self, host: Any, port: Any = None, message_end: str = "") -> None:
        """Raise an error if the host must not be reached. `message_end` is the end of the message, such as ` through a
        proxy at ...`.
        """
        name = str(_decode_host(host))
        if is_loopback(host) or name in self._allowed_addresses or self._is_allowed(name, port):
            return
        if self._children.is_in_forked_child:
            if message := self._children.ask_parent_about_host(host, port):
                raise ConnectionRefusedError(message)
        elif matches_host(self._scope.ignored_hosts, name, port):
            raise ConnectionRefusedError(f"{name} is refused to tests: it is in ignore_hosts of [tool.flag-harness]")
        else:
            self.refusals.append(self._make_refusal(self._refusal_message(name, port, message_end)))
            if flag_service_advice(name):  # its threads must go on, or closing the service's client waits forever
                raise ConnectionRefusedError(f"{name} is refused to tests")
            raise self.refusals[-1]

    def _check_name_lookup(self, host: Any, port: Any = None) -> None:
        """Raise an error if a host name must not be looked up. Otherwise, store the name's addresses as allowed."""
        self._check_host(host, port)
        name = str(_decode_host(host))
        if name not in self._resolved_names and self._is_allowed(name, port):
            self._resolved_names.add(name)
            with audit_hook().pause():
                try:
                    self._allowed_addresses.update(_addresses_in_lookup_result(socket.getaddrinfo(host, None)))
                except OSError:
                    return  # the caller's own lookup says so

    def _is_allowed(self, name: str, port: Any) -> bool:
        """Return whether connections to a host are allowed, by the settings or by the caller's `is_open`."""
        return matches_host(self._scope.allowed_hosts, name, port) or self._is_open(name)

    def _wrap_lookup(self, original: Any) -> Any:
        """Return a function for name lookups, changed so that it stores the addresses of allowed hosts."""

        def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
            found = original(host, *arguments, **options)
            if not is_loopback(host):
                self._allowed_addresses.update(_addresses_in_lookup_result(found))
            return found

        return look_up

    def _refusal_message(self, name: str, port: Any, message_end: str) -> str:
        what, instead = self._activity
        target = name if port is None else f"{name}:{port}"
        if advice := flag_service_advice(name):
            return f"this test {what}, but tried to reach {target}{message_end} {advice}"
        is_api = self._scope.includes_url(f"https://{target}")
        if not is_api and self._activity in (ERROR_TEXTS_OF_REPLAY, ERROR_TEXTS_OF_SIMULATOR):
            instead = _ADVICE_FOR_OTHER_HOSTS
        elif is_api and message_end:
            fixtures = "write def test_it(cassette, cassette_server)"
            instead = f"if a program that the test starts asks the API, {fixtures}; else {instead}"
        return (
            f"this test {what}, but tried to reach {target}{message_end}; {instead}, "
            "or let it through with @pytest.mark.harness_network"
            f"{_IGNORE_HOSTS_HINT if message_end == IN_CHILD_PROCESS_TEXT else ''}"
        )


def _addresses_in_lookup_result(lookup_result: Any) -> Iterator[str]:
    """Yield the addresses in the result of a name lookup."""
    if isinstance(lookup_result, str):
        yield lookup_result
    elif isinstance(lookup_result, (tuple, list)):
        for one in lookup_result:
            yield from _addresses_in_lookup_result(one)


def is_loopback(host: Any) -> bool:
    """Return whether a host is this machine: a loopback address, the machine's name, or one of its addresses."""
    name = _decode_host(host)
    return name in (None, "") or _is_name_of_this_machine(str(name).lower().rstrip("."))


def _decode_host(host: Any) -> Any:
    """Return a host as text if it is bytes. Return text and None unchanged."""
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host


@lru_cache(1024)
def _is_name_of_this_machine(name: str) -> bool:
    """Return whether a host name or address belongs to this machine."""
    if name in _names_of_this_machine() or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified or _is_address_of_this_machine(str(address), address.version)


@lru_cache(1)
def _names_of_this_machine() -> tuple[str, ...]:
    return (*_NAMES_OF_LOOPBACK, socket.gethostname().lower())


def _is_address_of_this_machine(address: str, version: int) -> bool:
    """Return whether the address belongs to this machine.

    The system uses such an address as the source of packets to itself. Connecting a datagram socket sends nothing.
    """
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    try:
        with audit_hook().pause(), socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect((address, 9))
            return bool(one.getsockname()[0] == address)
    except OSError:
        return False
