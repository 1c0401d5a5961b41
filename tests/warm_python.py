"""A Python that has imported everything before, for the child processes of tests. All workers of xdist share one.

The process that starts the run makes a folder for it; the first test that needs the warm server starts it there.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.unmeasured import ENVIRON

VARIABLE = "HARNESS_TESTS_WARM"
"""Names the folder, in the environment of all workers."""

SOURCES = Path(__file__).with_name("warm")

SERVERS: list["subprocess.Popen[bytes]"] = []
"""The server, if this process has started it. `Popen` warns of a process that outlives its object."""


class WarmFolder:
    """Makes the folder, and ends at the end of the run whatever was started there."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="warm-python-"))
        os.mkfifo(self.path / "stdin")
        self.stdin = os.open(self.path / "stdin", os.O_RDWR)  # the server ends if this process does
        os.environ[VARIABLE] = str(self.path)

    def pytest_unconfigure(self) -> None:
        """Kill the server, which has saved its coverage before it served, and remove the folder."""
        del os.environ[VARIABLE]
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.path / "pid").read_text()), signal.SIGKILL)
        for server in SERVERS:
            server.wait()
        os.close(self.stdin)
        shutil.rmtree(self.path)


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, unless this is a worker."""
    if VARIABLE not in os.environ and hasattr(os, "fork"):
        config.pluginmanager.register(WarmFolder())


@pytest.fixture(scope="session")
def warm_python() -> Callable[[], str]:
    """Return the path of a `python` that has imported everything before; the ordinary one in a deep run."""
    environ = {**os.environ, **ENVIRON}
    folder = environ.pop(VARIABLE, "")
    ordinary = not folder or environ.get("HARNESS_TESTS") == "deep"

    def path() -> str:
        if ordinary or os.environ.get("HARNESS_TESTS_COLD"):
            return sys.executable
        python = Path(folder, "python")
        if not python.exists():
            _start_server(python, environ)
        return str(python)

    return path


def _start_server(python: Path, environ: dict[str, str]) -> None:
    """Start the server, unless another worker has while this one waited for the lock."""
    import fcntl  # which Windows does not have

    folder, project = python.parent, python.with_name("project")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if python.exists():
            return
        project.mkdir()
        command = [sys.executable, SOURCES / "server.py", folder / "socket", project, python]
        with (folder / "stdin").open() as stdin:
            server = subprocess.Popen(command, env=environ, stdin=stdin, stdout=subprocess.PIPE)
        (folder / "pid").write_text(str(server.pid))
        assert server.stdout
        with server.stdout as stdout:
            assert b"ready\n" == stdout.readline(), "the warm server did not start; it says why above"
        SERVERS.append(server)
        client = folder / "client"
        client.write_text(f"#!{sys.executable} -IS\n" + (SOURCES / "client.py").read_text())
        client.chmod(0o755)
        client.rename(python)


@pytest.fixture(scope="session")
def warm_run(warm_python: Callable[[], str]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a `subprocess.run` that starts forks of the warm Python in place of this interpreter."""
    run = subprocess.run

    def run_warm(command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        own = command[0] == sys.executable
        return run([warm_python(), *command[1:]] if own else command, **options)

    return run_warm
