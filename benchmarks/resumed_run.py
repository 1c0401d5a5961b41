"""Kill a live run at random moments, resume it each time, and count the requests that were sent twice.

`python benchmarks/resumed_run.py --kills=20` runs a test of two requests under two combinations, in rounds, against a
server on loopback that stands for the live API. Every request has a text of its own, so that the server sees which ones
it gets again. A request may come again only if it was in flight when the run was killed: if it was the last one before.

With `--workers=2`, pytest-xdist distributes the tests, all its processes are killed at once, and each worker may have a
request in flight.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from flag_harness.record import load_record
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

SUITE = """
import os
import httpx2, pytest

def ask(text, step):
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": text + step}]}
    return httpx2.post(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json=body).json()["content"][0]["text"]

@pytest.mark.flag_matrix("streaming")
def test_agent(cassette, request):
    first = ask(request.node.nodeid, ", first")
    assert ask(request.node.nodeid, f", second after {first}")
"""
OPTIONS = ("--harness-verdict=streaming", "--disable-recording", "-q", "-p", "no:cacheprovider")
ANSWER_SECONDS = 0.02


class CountingApi:
    """Stands for the live API. Keeps the text of each request, in order, and those that each run had in flight."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        with self.lock:
            self.texts.append(json.loads(request.body)["messages"][0]["content"])
        time.sleep(ANSWER_SECONDS)
        usage = {"input_tokens": 10, "output_tokens": 10}
        content = [{"type": "text", "text": str(len(self.texts))}]
        message = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
        head = Head(0.0, 200, (("content-type", "application/json"),))
        return head, Chunk(0.0, json.dumps(message).encode()), End(0.0)


def count_repeated_requests(kills: int, rounds: int, seed: int, workers: int = 0) -> str:
    """Return how many requests the runs sent, and how many of them twice, though they were not in flight.

    A kill may interrupt one request of each worker: the last ones before it.
    """
    api, in_flight, random_ = CountingApi(), Counter[str](), random.Random(seed)
    with tempfile.TemporaryDirectory() as name, LoopbackServer(api, origin="live", threaded=True) as server:
        folder = Path(name)
        (folder / "test_it.py").write_text(SUITE)
        (folder / "pyproject.toml").write_text("[tool.flag-harness]\n")
        record, killed = folder / "run.jsonl", 0
        while True:
            before = len(api.texts)
            run = _start_run(folder, record, rounds, server.url, workers)
            while killed < kills and run.poll() is None and len(api.texts) == before:
                time.sleep(0.002)
            if killed < kills:
                _kill_later(run, random_.uniform(0, 3 * ANSWER_SECONDS))
            code = run.wait()
            if code >= 0:
                break
            killed += 1
            in_flight.update(set(api.texts[before:][-max(1, workers) :]))
        rows = len(load_record(record).rows)
    repeated = Counter(api.texts) - Counter(set(api.texts))
    again = sum((repeated - in_flight).values())
    return (
        f"{killed} kills, exit code {code} at the end: {rows} of {2 * rounds} rows; {len(api.texts)} requests, of "
        f"which {len(set(api.texts))} are different; {sum(repeated.values())} came again, "
        f"and {again} of these had not been in flight"
    )


def _start_run(folder: Path, record: Path, rounds: int, url: str, workers: int) -> "subprocess.Popen[bytes]":
    kind = "resume" if record.exists() else "record"
    limits = f"--harness-repeat={rounds}", f"--harness-{kind}={record.name}"
    command = [sys.executable, "-m", "pytest", *OPTIONS, *limits, *(["-n", str(workers)] if workers else [])]
    environment = {**os.environ, "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "x"}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)


def _kill_later(run: "subprocess.Popen[bytes]", seconds: float) -> None:
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes of pytest-xdist (default: without it)")
    arguments = parser.parse_args()
    print(count_repeated_requests(arguments.kills, arguments.rounds, arguments.seed, arguments.workers))


if __name__ == "__main__":
    main()
