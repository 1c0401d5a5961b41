"""Count the runs that spend more than `--harness-max-cost`: real runs of pytest against a loopback server that counts.

Each run draws the number of tests, requests, threads and workers, the limit, and what answers cost. A run may exceed
the limit by one request for each worker.

`--trials=1000` runs so many trials of one verdict in one session, with a limit of two thirds of what they would cost.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OUTPUT_PRICE = 5e-6
"""US dollars for an output token of claude-haiku-4-5."""
INPUT_PRICE = 1e-6
INPUT_TOKENS = 20
SUITE = """
import concurrent.futures
import os

import httpx2
import pytest

URL = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
CLIENT = httpx2.Client()
BODY = {{"model": "claude-haiku-4-5", "max_tokens": {max_tokens}, "messages": [{{"role": "user", "content": "Hi."}}]}}

@pytest.mark.parametrize("number", range({tests}))
def test_spend(cassette, number):
    with concurrent.futures.ThreadPoolExecutor({threads}) as pool:
        for sent in [pool.submit(CLIENT.post, URL, json=BODY) for _ in range({requests})]:
            try:
                sent.result()
            except BaseException:
                pass
"""


VERDICT_SUITE = """
import os

import httpx2
import pytest

CLIENT = httpx2.Client(base_url=os.environ["ANTHROPIC_BASE_URL"])
BODY = {"model": "claude-haiku-4-5", "max_tokens": 2000, "messages": [{"role": "user", "content": "Hi."}]}

@pytest.mark.flag_matrix("streaming")
def test_spend(cassette):
    assert CLIENT.post("/v1/messages", json=BODY).json()["usage"]["output_tokens"] > 1000
"""
VERDICT_FLAGS = """
[tool.flag-harness.flags]
streaming = { env = "STREAMING", margin = 0.01 }
"""
"""The margin is too small to be decided, so that no trial is saved."""


@dataclass(frozen=True)
class Plan:
    """What a run does."""

    tests: int
    requests: int
    threads: int
    workers: int
    max_tokens: int
    limit: float


class CountingServer(ThreadingHTTPServer):
    """Answers with a random number of output tokens, and adds up what the answers cost."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock, self.draw = threading.Lock(), random.Random(0)
        self.max_tokens, self.costs = 1, list[float]()

    def start_run(self, max_tokens: int) -> None:
        """Forget the costs of the run before."""
        with self.lock:
            self.max_tokens, self.costs = max_tokens, []

    def answer(self) -> bytes:
        """Return an answer, and count its cost."""
        with self.lock:
            tokens = self.draw.randint(1, self.max_tokens)
            self.costs.append(tokens * OUTPUT_PRICE + INPUT_TOKENS * INPUT_PRICE)
        usage = {"input_tokens": INPUT_TOKENS, "output_tokens": tokens}
        message = {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn", "usage": usage}
        return json.dumps(message).encode()


class _Handler(BaseHTTPRequestHandler):
    server: CountingServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.01)
        data = self.server.answer()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


def draw_plan(draw: random.Random) -> Plan:
    """Return what a run does; the limit is between a tenth and all of what it might spend."""
    tests, requests, max_tokens = draw.randint(2, 6), draw.randint(1, 6), draw.choice([200, 2000, 20_000])
    most = tests * requests * max_tokens * OUTPUT_PRICE
    return Plan(
        tests, requests, draw.choice([1, 4]), draw.choice([1, 1, 1, 2]), max_tokens, most * draw.uniform(0.1, 1)
    )


def spend(plan: Plan, server: CountingServer, folder: Path) -> list[float]:
    """Run the plan, and return what each answer cost."""
    server.start_run(plan.max_tokens)
    (folder / "pyproject.toml").write_text("[tool.flag-harness]\n")
    (folder / "test_spend.py").write_text(SUITE.format(**vars(plan)))
    limit = ["--disable-recording", "--harness-upstream=live", f"--harness-max-cost={plan.limit:.8f}"]
    _run_pytest(limit, plan.workers, server, folder)
    return list(server.costs)


def _run_pytest(options: list[str], workers: int, server: CountingServer, folder: Path) -> None:
    distribution = ["-p", "xdist", "-n", str(workers)] if workers > 1 else []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "flag_harness"]
    url = f"http://127.0.0.1:{server.server_port}"
    environ = {**os.environ, "ANTHROPIC_BASE_URL": url, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command += [*distribution, *options]
    subprocess.run(command, cwd=folder, env=environ, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def spend_on_verdict(trials: int, workers: int, server: CountingServer, folder: Path) -> str:
    """Run a verdict of so many trials, and return what it spent of its limit."""
    server.start_run(2000)
    limit = trials * 1000 * OUTPUT_PRICE * 2 / 3
    (folder / "pyproject.toml").write_text(VERDICT_FLAGS)
    (folder / "test_spend.py").write_text(VERDICT_SUITE)
    options = ["--harness-verdict=streaming", f"--harness-repeat={trials // 2}", f"--harness-max-cost={limit:.6f}"]
    options += ["--disable-recording", "--harness-upstream=live"]
    _run_pytest(options, workers, server, folder)
    spent, largest = sum(server.costs), max(server.costs)
    beyond = (spent - limit) / largest
    return (
        f"{trials} trials, {max(1, workers)} workers: {len(server.costs)} requests cost ${spent:.4f} of ${limit:.4f}; "
        + (f"beyond by {beyond:.2f} of the dearest request" if beyond > 0 else "not beyond")
    )


def main() -> None:
    """Print how many runs spent more than the limit and one request for each worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="the number of runs (default: %(default)s)")
    parser.add_argument("--trials", type=int, default=0, help="run a verdict of so many trials instead")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw, server = random.Random(arguments.seed), CountingServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    beyond, over, closest, requests = 0, 0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2) if arguments.trials else ():
            print(spend_on_verdict(arguments.trials, workers, server, Path(folder)), flush=True)
        if arguments.trials:
            server.shutdown()
            return
        for number in range(1, arguments.runs + 1):
            plan = draw_plan(draw)
            costs = spend(plan, server, Path(folder))
            requests += len(costs)
            spent, largest = sum(costs), max(costs, default=0.0)
            over += spent > plan.limit
            closest = max(closest, (spent - plan.limit) / (plan.workers * largest) if costs else 0.0)
            if spent > plan.limit + plan.workers * largest:
                beyond += 1
                print(f"beyond the limit: {plan}, spent ${spent:.6f}, dearest request ${largest:.6f}", flush=True)
            if number % 20 == 0:
                print(f"{number} runs, {beyond} beyond, {over} over the limit", file=sys.stderr)
    print(
        f"{arguments.runs} runs, {requests} requests: {beyond} spent more than the limit and one request a worker; "
        f"{over} spent more than the limit, by at most {closest:.2f} of one request a worker"
    )
    server.shutdown()


if __name__ == "__main__":
    main()
