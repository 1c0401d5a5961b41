"""Refuse hosts to child processes and C libraries: with a proxy on loopback, which forked and spawned children also
ask.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from flag_harness.audit_hook import HandlersByAuditEvent, audit_hook
from flag_harness.transports.border.proxy import (
    LOOPBACK_ADDRESS,
    ask_parent_about_host,
    has_host_checking_proxy,
    host_checking_proxy,
)
from flag_harness.transports.border.sockets import socket_audit_handlers
from flag_harness.transports.patch import replace_attribute

IN_CHILD_PROCESS_TEXT = " in a child process or a library in C"
"""The part of an error message that follows a host which a child process or a C library wanted to reach."""
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
_CHILD_START_EVENTS = (
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "subprocess.Popen",
)
"""The audit events that Python raises before it starts a child process."""
_LIBCURL_MODULES = ("pycurl", "curl_cffi._wrapper")
"""Modules that load libcurl, a C library that reads the proxy variables."""
_MULTIPROCESSING_SPAWN_MODULES = (
    "multiprocessing.popen_spawn_posix",
    "multiprocessing.popen_spawn_win32",
    "multiprocessing.popen_forkserver",
)
_OS_FUNCTIONS_WITH_ENV_ARGUMENT = ("execve", "posix_spawn", "posix_spawnp")
"""The functions of `os` that start a program with the environment as third argument. `os.spawnve` calls one of them."""
_INDEX_OF_ENV_ARGUMENT = 10
"""The index of `env` among the positional arguments of `subprocess.Popen` after `args`."""


class ChildProcessGuard:
    """Refuses hosts to child processes and libcurl by making them use a proxy that checks each host.

    The proxy starts with the first child process of this process, or if libcurl is loaded. The variables that name the
    proxy are set in the environment that C code and child processes read, but not in `os.environ`, so the clients of
    this process ignore it. `hosts_without_proxy` are reached directly.
    """

    def __init__(self, check_host: Callable[..., None], hosts_without_proxy: tuple[str, ...]) -> None:
        self._check_host, self._no_proxy = check_host, ",".join(hosts_without_proxy)
        self._pid = os.getpid()
        self._exit_stack = ExitStack()
        self._lock = threading.Lock()
        self._has_started = False
        self._has_patched_spawn = False

    @property
    def audit_handlers(self) -> HandlersByAuditEvent:
        """The audit handlers that start the proxy before a child process starts, by audit event."""
        return dict.fromkeys(_CHILD_START_EVENTS, lambda *_: self.start_proxy())

    @contextmanager
    def open(self) -> Iterator[None]:
        """Guard the child processes that are started inside the context."""
        with self._exit_stack:
            popen = replace_attribute(subprocess.Popen, "__init__", self._guard_popen(subprocess.Popen.__init__))
            self._exit_stack.enter_context(popen)
            for name in filter(partial(hasattr, os), _OS_FUNCTIONS_WITH_ENV_ARGUMENT):
                self._exit_stack.enter_context(replace_attribute(os, name, self._guard_os_function(getattr(os, name))))
            for module in (*_LIBCURL_MODULES, *_MULTIPROCESSING_SPAWN_MODULES):
                if module in sys.modules:
                    self.guard_import(module)
            if has_host_checking_proxy():  # a child that an earlier test or fixture started may use it
                self.start_proxy()
            yield

    @property
    def is_in_forked_child(self) -> bool:
        """True if this process is a fork of the process that opened the context."""
        return os.getpid() != self._pid

    def ask_parent_about_host(self, host: Any, *port: Any) -> str:
        """In a forked child, ask the parent process whether a host may be reached.

        Return why the host is refused, or an empty string.
        """
        return ask_parent_about_host(host_checking_proxy().port, host, *port) if self._has_started else ""

    def start_proxy(self) -> None:
        """Start the proxy unless it runs already, and set the environment variables that name it.

        They are set again before each start of a child process, since the test may have changed them.
        """
        if self.is_in_forked_child:
            return
        with self._lock, audit_hook().pause():
            variables = self._proxy_variables()
            if not self._has_started:
                self._has_started = True
                checks = host_checking_proxy().checks
                checks.append(self._check_host_for_child)
                self._exit_stack.callback(checks.remove, self._check_host_for_child)
                for name in variables:
                    self._exit_stack.callback(_restore_variable, name)
            for name, value in variables.items():
                os.putenv(name, value)

    def _check_host_for_child(self, host: Any, *port: Any) -> None:
        """Raise an error if the proxy must not reach a host. The message says that a child process or a C library wants
        to.
        """
        self._check_host(host, *(port or (None,)), IN_CHILD_PROCESS_TEXT)

    def _proxy_variables(self) -> Mapping[str, str]:
        """Return the environment variables that make HTTP clients use the proxy."""
        url = f"http://{LOOPBACK_ADDRESS}:{host_checking_proxy().port}"
        values = {**dict.fromkeys(_PROXY_VARIABLES, url), "no_proxy": self._no_proxy}
        return {**values, **{name.upper(): value for name, value in values.items()}, "NODE_USE_ENV_PROXY": "1"}

    def _guard_popen(self, original: Any) -> Any:
        """Return the constructor of `Popen`, changed so that a child with an `env` of its own uses the proxy, too."""

        def start_guarded_child(popen: Any, args: Any, *more: Any, **options: Any) -> None:
            """Start a child process. If the caller passes `env`, add the proxy variables to it."""
            if len(more) > _INDEX_OF_ENV_ARGUMENT - 1 and more[_INDEX_OF_ENV_ARGUMENT - 1] is not None:
                self.start_proxy()
                more = (
                    *more[: _INDEX_OF_ENV_ARGUMENT - 1],
                    {**more[_INDEX_OF_ENV_ARGUMENT - 1], **self._proxy_variables()},
                    *more[_INDEX_OF_ENV_ARGUMENT:],
                )
            elif options.get("env") is not None:
                self.start_proxy()
                options["env"] = {**options["env"], **self._proxy_variables()}
            original(popen, args, *more, **options)

        return start_guarded_child

    def _guard_os_function(self, original: Any) -> Any:
        """Return a function of `os` that starts a program, changed so that the program uses the proxy, too."""

        def start_guarded_program(path: Any, argv: Any, env: Any, **options: Any) -> Any:
            """Start a program. If the caller passes `env`, add the proxy variables to it."""
            self.start_proxy()
            environment = env if env is None else {**env, **self._proxy_variables()}
            return original(path, argv, environment, **options)

        return start_guarded_program

    def guard_import(self, module_name: str) -> None:
        """Guard libcurl or multiprocessing if the module that is about to be imported belongs to it."""
        if module_name in _LIBCURL_MODULES:
            self.start_proxy()
        elif (
            module_name in _MULTIPROCESSING_SPAWN_MODULES
            and not self._has_patched_spawn
            and not self.is_in_forked_child
        ):
            self._has_patched_spawn = True
            from multiprocessing import spawn

            patched = replace_attribute(
                spawn, "get_preparation_data", self._guard_spawn_data(spawn.get_preparation_data)
            )
            self._exit_stack.enter_context(patched)

    def _guard_spawn_data(self, original: Any) -> Any:
        """Return the function that prepares data for a spawned child, changed so that the data contain a
        `MultiprocessingChildGuard`.
        """

        def prepare_data_with_guard(name: str) -> Any:
            self.start_proxy()
            return {**original(name), "flag_harness": MultiprocessingChildGuard(host_checking_proxy().port)}

        return prepare_data_with_guard


class MultiprocessingChildGuard:
    """An object that makes a multiprocessing child ask its parent process whether it may connect to a host.

    It is pickled into the child. Unpickling it installs the guard there.
    """

    def __init__(self, proxy_port: int) -> None:
        self._proxy_port = proxy_port

    def __reduce__(self) -> Any:
        return ask_parent_about_every_host, (self._proxy_port,)


def ask_parent_about_every_host(proxy_port: int) -> None:
    """From now on, ask the parent process about every host. Raise `ConnectionRefusedError` if the parent refuses the
    host.

    The parent has noted the refusal, which fails its test. `NetworkRefused`, which is no `Exception`, would end the
    processes of a pool, and the caller of the pool would wait forever.
    """

    def raise_if_parent_refuses(host: Any, *port: Any) -> None:
        if refusal := ask_parent_about_host(proxy_port, host, *port):
            raise ConnectionRefusedError(refusal)

    audit_hook().install_handlers(socket_audit_handlers(raise_if_parent_refuses, raise_if_parent_refuses))


def _restore_variable(name: str) -> None:
    """Give a variable, as C code and child processes see it, the value that it has in `os.environ`.

    Unset the variable if `os.environ` does not have it.
    """
    if (value := os.environ.get(name)) is None:
        os.unsetenv(name)
    else:
        os.putenv(name, value)
