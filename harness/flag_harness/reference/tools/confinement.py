"""Start a process that cannot read the memory or the environment of the processes around it.

On Linux, every way from one process to the secrets of another passes one check of the kernel: `/proc/PID/environ` and
`mem`, `ps e`, a debugger, `process_vm_readv`. Landlock (5.19 or later) denies it for all processes outside the new
one's own domain; a process of root also loses the capabilities that would allow it. Without Landlock, this process is
marked as not dumpable, as ssh-agent does: then only its own environment is safe, not that of the shell or runner that
started it. Other systems have no such protection.

Never covered: command lines, files that hold a secret, and services that run commands on request (cron, Docker, tmux).
"""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_CREATE_RULESET_SYSCALL, _ADD_RULE_SYSCALL, _RESTRICT_SELF_SYSCALL = 444, 445, 446
"""The system calls of Landlock, with the same numbers on every architecture."""
_LANDLOCK_VERSION_FLAG = 1
_LANDLOCK_PATH_RULE = 1
_MIN_LANDLOCK_VERSION = 2
"""The lowest usable version of Landlock. Version 1 always forbids moving files between directories."""
_LANDLOCK_RIGHTS = 1 << 11 | 1 << 13
"""The rights to create block devices and to move files between directories. A Landlock domain must handle some right;
these are allowed again everywhere, so that the domain restricts no file.
"""
_PRCTL_SET_DUMPABLE, _PRCTL_DROP_CAPABILITY, _PRCTL_SET_NO_NEW_PRIVILEGES = 4, 24, 38
"""The options of `prctl`."""
_DROPPED_CAPABILITIES = (19, 21, 38)
"""CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_PERFMON: each lets root read the memory of any process."""
_SECONDS_BETWEEN_THREAD_CHECKS = 0.0001


class _LandlockPathRule(ctypes.Structure):
    """The C struct `landlock_path_beneath_attr`, which allows a kind of access below a path."""

    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("directory", ctypes.c_int32))


def call_in_confined_thread(start: Callable[[], T]) -> T:
    """Call `start` in a new, confined thread, and return its result. A process that `start` starts is confined too.

    The thread has ended when this function returns. Otherwise the new process could read this process through the
    thread.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def confine_thread_and_start() -> None:
        try:
            _confine_thread()
            results.append(start())
        except BaseException as error:  # the caller gets it
            errors.append(error)

    thread = threading.Thread(target=confine_thread_and_start, name="flag-harness-confined")
    thread.start()
    thread.join()
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):
        _REAL_SLEEP(_SECONDS_BETWEEN_THREAD_CHECKS)
    if errors:
        raise errors[0]
    return results[0]


_REAL_SLEEP = time.sleep


def _confine_thread() -> None:
    """Confine the calling thread (see this module's docstring). Programs that it starts cannot gain privileges, as with
    `sudo`.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in _DROPPED_CAPABILITIES:
        libc.prctl(_PRCTL_DROP_CAPABILITY, capability, 0, 0, 0)
    libc.prctl(_PRCTL_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if not _restrict_by_landlock(libc):
        libc.prctl(_PRCTL_SET_DUMPABLE, 0, 0, 0, 0)


def _restrict_by_landlock(libc: Any) -> bool:
    """Move the calling thread to a new Landlock domain; return whether that worked."""
    if libc.syscall(_CREATE_RULESET_SYSCALL, None, ctypes.c_size_t(0), _LANDLOCK_VERSION_FLAG) < _MIN_LANDLOCK_VERSION:
        return False
    rights = ctypes.c_uint64(_LANDLOCK_RIGHTS)
    ruleset = libc.syscall(_CREATE_RULESET_SYSCALL, ctypes.byref(rights), ctypes.c_size_t(ctypes.sizeof(rights)), 0)
    if ruleset < 0:
        return False
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _LandlockPathRule(_LANDLOCK_RIGHTS, root)
        added = libc.syscall(_ADD_RULE_SYSCALL, ruleset, _LANDLOCK_PATH_RULE, ctypes.byref(rule), 0)
        return bool(added == 0 and libc.syscall(_RESTRICT_SELF_SYSCALL, ruleset, 0) == 0)
    finally:
        os.close(root)
        os.close(ruleset)
