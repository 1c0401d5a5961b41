"""What confines the processes of tools, on kernels that cannot, and on systems without /proc."""

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.reference.tools import confinement
from flag_harness.reference.tools.confinement import call_in_confined_thread

CREATE, ADD, RESTRICT = 444, 445, 446


@pytest.fixture
def kernel() -> Callable[..., Any]:
    """Return a C library whose system calls of Landlock give these answers; a ruleset is an open descriptor."""

    def library(version: int, *, is_allowed: bool = True, rule: int = 0, restriction: int = 0) -> Any:
        def call(number: int, attributes: Any, *_: Any) -> int:
            if number == CREATE and attributes is None:
                return version
            ruleset = os.open(os.devnull, os.O_RDONLY) if number == CREATE and is_allowed else -1
            return {CREATE: ruleset, ADD: rule, RESTRICT: restriction}[number]

        return SimpleNamespace(syscall=call)

    return library


@pytest.mark.parametrize(
    ("answers", "is_confined"),
    [
        ({"version": -1}, False),
        ({"version": 1}, False),
        ({"version": 2, "is_allowed": False}, False),
        ({"version": 2, "rule": -1}, False),
        ({"version": 2, "restriction": -1}, False),
        ({"version": 2}, True),
    ],
    ids=["no Landlock", "too old", "no ruleset", "no rule", "no restriction", "confined"],
)
def test_a_process_counts_as_confined_only_if_the_kernel_agreed_to_each_step(
    kernel: Callable[..., Any], answers: dict[str, Any], is_confined: bool
) -> None:
    """Otherwise the caller falls back to the weaker protection. No descriptor stays open."""
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert is_confined == confinement._restrict_by_landlock(kernel(**answers))
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0)


def test_another_system_starts_the_process_unconfined(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS there is nothing to call, and the tool works all the same."""
    monkeypatch.setattr(confinement, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(confinement, "ctypes", None)
    assert "started" == call_in_confined_thread(lambda: "started")


def test_the_process_is_used_only_once_the_confined_thread_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process could read this one through a thread that the kernel has not removed yet."""
    left, naps = [True, True, False], list[float]()
    monkeypatch.setattr(confinement, "_confine_thread", lambda: None)
    monkeypatch.setattr(confinement, "os", SimpleNamespace(path=SimpleNamespace(exists=lambda path: left.pop(0))))
    monkeypatch.setattr(confinement, "_REAL_SLEEP", naps.append)
    assert "started" == call_in_confined_thread(lambda: "started")
    assert ([], 2) == (left, len(naps))


def test_an_error_of_the_start_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised in the thread that asked for the process."""
    monkeypatch.setattr(confinement, "_confine_thread", lambda: None)

    def start() -> None:
        raise FileNotFoundError("no bash")

    with pytest.raises(FileNotFoundError, match="no bash"):
        call_in_confined_thread(start)
