"""`--kills`: how often `test_kill.py` kills, where that file or folder is named on the command line. A busy machine."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

_SPIN = "while True: pass"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--kills", type=int, default=20, help="how many processes to kill, over all points (20)")


@pytest.fixture
def compute_on_busy_cpu() -> Iterator[Callable[[], None]]:
    """A function that computes for a quarter of a second, on a CPU that two other processes use as well."""
    if sys.platform != "linux":
        pytest.skip("only Linux tells how long a thread waited for a CPU")
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    others = [subprocess.Popen([sys.executable, "-S", "-c", _SPIN]) for _ in range(2)]

    def compute() -> None:
        end = time.thread_time() + 0.25
        while time.thread_time() < end:
            pass

    yield compute
    os.sched_setaffinity(0, cpus)
    for other in others:
        other.kill()
        other.wait()
