"""`flag-harness ui` in a process of its own, on a scenario."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

WORDS = " ".join(f"word{number}" for number in range(40))
HOSTILE = (
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"> "
    "![image](http://127.0.0.1:9/x.png) [link](javascript:alert(1)) \x1b[31mred\x1b[0m \u202eabc"
)
TURNS = f"""
[[turn]]
when = {{ user_contains = "Count" }}
text = "{WORDS}"

[[turn]]
when = {{ user_contains = "hostile" }}
text = {json.dumps(HOSTILE)}
call = [{{ name = "bash", input = {{ command = {json.dumps("printf '%s' " + repr(HOSTILE[:40]))} }} }}]

[[turn]]
when = {{ user_contains = "file" }}
text = "I will write it."
call = [{{ name = "bash", input = {{ command = "echo run >> runs; sleep 2" }} }}]

[[turn]]
when = {{ result_of = "bash" }}
text = "That is the result."

[[turn]]
text = "A short answer."
"""

SCENARIO = "[timing]\nfirst_token = 0.1\nper_event = 0.02\n" + TURNS
"""Answers that take a second at most."""
SLOW_SCENARIO = "[timing]\nfirst_token = 0.4\nper_event = 0.1\n" + TURNS

_PROGRAM = """
import os, pathlib, sys
pathlib.Path("server.pid").write_text(str(os.getpid()))
from flag_harness.cli import main
sys.exit(main())
"""


def free_port() -> int:
    """Return a port that no server listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class UiServer:
    """A server in a folder, in a process that `python` starts. It answers as `scenario` says."""

    def __init__(self, python: str, folder: Path, port: int, *options: str, scenario: str) -> None:
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        fixed = ("--scenario=scenario.toml", f"--port={port}", "--no-browser")
        self.command = (python, "-c", _PROGRAM, "ui", *fixed, *options)
        (folder / "scenario.toml").write_text(scenario, encoding="utf-8")

    def start(self, **variables: str) -> None:
        """Start the server, and wait until it answers."""
        environ = {**os.environ, "ENABLE_STREAMING": "true", "HOME": str(self.folder), **variables}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=environ, stdout=log, stderr=log)
        until = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5).close()
            except OSError:
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                assert time.monotonic() < until, "the server did not start within three minutes"
                time.sleep(0.02)
            else:
                return

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the server by a signal. `self.process` ends with it, and may be its parent."""
        if self.process.poll() is None:
            os.kill(int((self.folder / "server.pid").read_text()), number)
            self.process.wait(30)

    def messages(self, session: str) -> list[dict[str, Any]]:
        """Return the messages of a session, if it is saved."""
        path = self.folder / "sessions" / f"{session}.json"
        return json.loads(path.read_text())["messages"] if path.exists() else []
