"""A server ends soon after a signal, whatever it is doing."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flag_harness.cli.serve.stop import catch_stop_signals
from tests.cli.test_serve import _warm, loop, served, stopped
from tests.cli.test_serve import cassette as recorded

__all__ = ["_warm", "loop", "recorded"]


def test_a_signal_among_many_requests_is_not_missed(recorded: Path) -> None:
    """It comes while the threads of three hundred requests compete with the one that waits for it."""
    sent = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"
    for _ in range(3):
        with served("replay", recorded) as (url, process):
            connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
            connection.sendall(sent * 300)
            time.sleep(0.05)
            start = time.monotonic()
            stopped(process)
            assert time.monotonic() - start < 2
            connection.close()


def test_a_process_that_computes_after_the_signal_is_killed() -> None:
    """Within two seconds, although the handler of the signal gets no turn: a pattern searches for minutes."""
    code = (
        "import re, sys\nfrom flag_harness.cli.serve.stop import catch_stop_signals\n"
        "with catch_stop_signals():\n print('on', flush=True)\n re.match('(a*)*b', 'a' * 40)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        start = time.monotonic()
        process.terminate()
        assert -signal.SIGKILL == process.wait(20)
        assert time.monotonic() - start < 2.5


def test_without_a_signal_nothing_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    """The watchdog ends with the server, and the handlers are those from before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyError), catch_stop_signals():
        raise KeyError
    with catch_stop_signals() as wait_for_signal:
        os.kill(os.getpid(), signal.SIGTERM)
        assert wait_for_signal()
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert -1 == signal.set_wakeup_fd(-1)
    assert ("", "") == capfd.readouterr()
