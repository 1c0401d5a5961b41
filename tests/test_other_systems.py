"""The package on a system that has less than Linux."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli.init.example import EXAMPLE_AGENT

_SCRIPT = """
import importlib, importlib.metadata, os, pkgutil, signal, sys, time

import pytest, _pytest.capture, _pytest.faulthandler, flag_harness, trio

for plugin in importlib.metadata.entry_points(group="pytest11"):
    plugin.load()  # with what other plugins need of this system

def module_names():
    for module in pkgutil.walk_packages(flag_harness.__path__, "flag_harness."):
        if not module.name.startswith(("flag_harness.conformance", "flag_harness.reference.ui.script")):
            if not module.name.endswith("__main__"):
                yield module.name

names = list(module_names())
for name in names:
    importlib.import_module(name)  # with whatever other packages need of this system
for name in [one for one in sys.modules if one.partition(".")[0] == "flag_harness"]:
    del sys.modules[name]
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None
for module, words in {
    os: "fork forkpty register_at_fork getuid geteuid getgid killpg setsid getpgid waitid WNOHANG WNOWAIT WEXITED "
    "P_PID O_NOFOLLOW O_DIRECTORY O_NONBLOCK O_CLOEXEC O_PATH sched_getaffinity mkfifo chown fchmod pipe2 uname",
    signal: "SIGKILL SIGALRM SIGHUP SIGUSR1 SIGCHLD SIGQUIT setitimer alarm pthread_kill pthread_sigmask",
    time: "clock_gettime pthread_getcpuclockid",
}.items():
    for word in words.split():
        if hasattr(module, word):
            delattr(module, word)
for name in names:
    importlib.import_module(name)
arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:xdist"]
for options in (["--record-mode=once", "--harness-upstream=simulator"], []):
    assert 0 == pytest.main([*arguments, *options]), options
"""


_TEST = """
import pytest
from agent import ask

@pytest.mark.flag_matrix
@pytest.mark.scenario("hello")
def test_the_agent_answers(cassette):
    assert "Welcome." == ask("Hello.")
"""


@pytest.mark.deep
def test_nothing_but_what_all_systems_have_is_needed(tmp_path: Path, warm_run: Callable[..., Any]) -> None:
    """Without `fcntl`, `os.fork`, `signal.SIGKILL` and the like, all modules are imported, and a matrix is recorded."""
    (tmp_path / "agent.py").write_text(EXAMPLE_AGENT)
    (tmp_path / "test_agent.py").write_text(_TEST)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.flag-harness.flags]\nthinking = "THINKING"\n[tool.pytest.ini_options]\npythonpath = ["."]\n'
    )
    (tmp_path / "fixtures" / "scenarios").mkdir(parents=True)
    (tmp_path / "fixtures" / "scenarios" / "hello.toml").write_text('[[turn]]\ntext = "Welcome."\n')
    run = warm_run([sys.executable, "-c", _SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert 0 == run.returncode, run.stdout[-3000:] + run.stderr[-3000:]
    assert 2 == run.stdout.count("2 passed")
