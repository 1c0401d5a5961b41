"""Compare servers: stream events and JSON requests per second, and the server's CPU for each.

`python benchmarks/serve.py --peers-python PYTHON --node-modules DIR --write docs/performance.md`: PYTHON has llmock,
starlette and uvicorn, DIR has @copilotkit/aimock. What is missing is left out and named. All servers run at the same
time, and get requests in turns, over keep-alive connections of one client process.
"""

import argparse
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from measuring import markdown_table, replace_section

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.interaction import make_storable_request
from flag_harness.simulator import parse_scenario, simulate
from flag_harness.wire.timeline import Request, header_value

TEXT = "The quick brown fox jumps over the lazy dog. " * 90
ARGUMENTS = {"model": "claude-haiku-4-5", "max_tokens": 8192, "messages": [{"role": "user", "content": TEXT}]}
HEADERS = (("x-api-key", "key"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
PATHS = {"llmock": "/anthropic"}
"""The path before `/v1/messages` of each server that has one."""
SECONDS, ROUNDS = 2.0, 3
START_SECONDS = 30.0
PLAIN = """
import json, sys
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

chunks = [bytes.fromhex(line) for line in open(sys.argv[2])]
whole = open(sys.argv[3], "rb").read()

async def stream():
    for chunk in chunks:
        yield chunk

async def answer(request):
    if (await request.json()).get("stream"):
        return StreamingResponse(stream(), media_type="text/event-stream")
    return Response(whole, media_type="application/json")

import uvicorn
application = Starlette(routes=[Route("/v1/messages", answer, methods=["POST"])])
uvicorn.run(application, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """Answers and events per second, and the server's CPU seconds for one event, or one answer without events."""

    answers: float
    events: float
    cpu: float


def main() -> None:
    """Measure, print, and write the section if `--write` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", type=Path, metavar="PYTHON", help="an interpreter with llmock and starlette")
    parser.add_argument("--node-modules", type=Path, metavar="DIR", help="the folder with @copilotkit/aimock")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a document to update, such as docs/performance.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        commands, missing = _commands(Path(folder), arguments.peers_python, arguments.node_modules)
        servers = {
            name: (*running.enter_context(_start_server(command)), PATHS.get(name, ""))
            for name, command in commands.items()
        }
        text = _measure_all(servers, missing)
    print(text)
    if arguments.write is not None:
        before = arguments.write.read_text("utf-8") if arguments.write.exists() else ""
        arguments.write.write_text(replace_section(before, "serve", text), "utf-8")


def _commands(folder: Path, python: Path | None, modules: Path | None) -> tuple[dict[str, list[str]], list[str]]:
    """Return the command of each server, with `PORT` for its port, and the names of missing servers."""
    cassette, chunks, whole = _record_answers(folder)
    scenario = folder / "scenario.toml"
    scenario.write_text(f'[[turn]]\ntext = "{TEXT}"\n')
    ours = [sys.executable, "-c", "from flag_harness.cli import main; raise SystemExit(main())", "serve"]
    commands = {
        "flag-harness serve replay": [*ours, "replay", str(cassette), "--repeat", "--port", "PORT"],
        "flag-harness serve simulator": [*ours, "simulator", "--scenario", str(scenario), "--port", "PORT"],
    }
    missing = []
    if (
        python is not None
        and subprocess.run([python, "-c", "import llmock, starlette, uvicorn"], check=False).returncode == 0
    ):
        llmock = str(python.with_name("llmock"))
        commands["llmock"] = [llmock, "serve", "--port", "PORT", "--response-style", "echo", "--log-level", "error"]
        commands["plain Starlette app"] = [str(python), "-c", PLAIN, "PORT", str(chunks), str(whole)]
    else:
        missing += ["llmock", "Starlette"]
    aimock = modules / "@copilotkit" / "aimock" / "dist" / "cli.js" if modules is not None else None
    if aimock is not None and aimock.exists():
        fixture = folder / "aimock.json"
        fixture.write_text(
            json.dumps({"fixtures": [{"match": {"userMessage": TEXT[:40]}, "response": {"content": TEXT}}]})
        )
        commands["aimock"] = ["node", str(aimock), "-p", "PORT", "-f", str(fixture), "--log-level", "silent"]
    else:
        missing.append("aimock")
    return commands, missing


def _record_answers(folder: Path) -> tuple[Path, Path, Path]:
    """Write a cassette of the streamed and the plain answer, the stream's chunks as hex lines, and the plain body."""
    simulator = simulate(parse_scenario(f'[[turn]]\ntext = "{TEXT}"'))
    interactions = []
    for streaming in (True, False):
        body = json.dumps({**ARGUMENTS, "stream": streaming}).encode()
        request = Request("POST", "https://api.anthropic.com/v1/messages", HEADERS, body)
        interactions.append(Interaction(make_storable_request(request), simulator(request)))
    Cassette(CassetteMetadata("simulator", "2026-11-22T00:00:00Z"), tuple(interactions)).save(folder / "cassette.json")
    streamed, plain = ([piece.data for piece in one.response[1:-1]] for one in interactions)
    (folder / "chunks").write_text("\n".join(chunk.hex() for chunk in streamed))
    (folder / "whole").write_bytes(b"".join(plain))
    return folder / "cassette.json", folder / "chunks", folder / "whole"


@contextmanager
def _start_server(command: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Start a server and yield its port and process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(port) if word == "PORT" else word for word in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LLMOCK_RECORDER": "0"},
    )
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _measure_all(servers: Mapping[str, tuple[int, int, str]], missing: Sequence[str]) -> str:
    """Measure every server in every mode, in turns, and return a table of the medians."""
    ways = [("stream, 1 connection", True, 1), ("stream, 32 connections", True, 32), ("JSON, 1 connection", False, 1)]
    rates: dict[tuple[str, str], list[Rate]] = {}
    for turn in range(ROUNDS):
        names = list(servers)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            for way, streaming, connections in ways:
                rates.setdefault((name, way), []).append(_rate(*servers[name], streaming, connections))
    rows = []
    for name in servers:
        one, many, plain = (_median(rates[name, way]) for way, _, _ in ways)
        cells = [f"{one.events:,.0f}", f"{one.cpu * 1e6:.1f}", f"{many.events:,.0f}", f"{many.cpu * 1e6:.1f}"]
        rows.append([name, *cells, f"{plain.answers:,.0f}", f"{plain.cpu * 1e6:.0f}"])
    head = ["server", "events/s, 1", "µs CPU", "events/s, 32", "µs CPU", "JSON/s, 1", "µs CPU"]
    lines = [
        "Stream events a second over 1 and 32 keep-alive connections, JSON answers a second over 1, and the server's",
        f"CPU for one of them; medians of {ROUNDS} turns of {SECONDS:g} s, all on {os.cpu_count()} cores.",
        "Nothing paces the answers: `flag-harness serve` then sends a body in one piece, the others event by event.",
        "",
        markdown_table(head, rows),
    ]
    return "\n".join([*lines, *([f"\nNot measured here: {', '.join(missing)}."] if missing else [])])


def _median(rates: Sequence[Rate]) -> Rate:
    return Rate(*(statistics.median(getattr(rate, name) for rate in rates) for name in ("answers", "events", "cpu")))


def _rate(port: int, process: int, path: str, streaming: bool, connections: int) -> Rate:
    body = json.dumps({**ARGUMENTS, "stream": streaming}).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS)
    request = (
        f"POST {path}/v1/messages HTTP/1.1\r\nhost: localhost\r\n{head}content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    first = _answer(port, request)
    events = first.count(b"event: ")
    if streaming and not events:
        raise SystemExit(f"port {port} does not stream: {first[:300]!r}")
    cpu, start = _cpu(process), time.perf_counter()
    answers = _count_answers(port, request, connections, SECONDS)
    seconds, spent = time.perf_counter() - start, _cpu(process) - cpu
    return Rate(answers / seconds, answers * events / seconds, spent / (answers * (events or 1)))


def _cpu(process: int) -> float:
    """Return the CPU seconds of a process so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Reader:
    """Detects the end of an answer by its length or its last chunk."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._left: int | None = None
        self._head = -1

    def feed(self, data: bytes) -> bool:
        """Add bytes; return whether the answer is complete."""
        self.data += data
        if self._head < 0:
            self._head = self.data.find(b"\r\n\r\n")
            if self._head < 0:
                return False
            names = [line.partition(":") for line in self.data[: self._head].decode("latin-1").split("\r\n")[1:]]
            length = header_value(tuple((name, value.strip()) for name, _, value in names), "content-length")
            self._left = self._head + 4 + int(length) if length else None
        if self._left is not None:
            return len(self.data) >= self._left
        return self.data.endswith(b"0\r\n\r\n")


def _answer(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        reader = _Reader()
        while not reader.feed(connection.recv(1 << 18)):
            pass
    return bytes(reader.data)


def _count_answers(port: int, request: bytes, connections: int, seconds: float) -> int:
    """Count the answers within `seconds`; each connection sends its next request after each answer."""
    answers, end = 0, time.perf_counter() + seconds
    with ExitStack() as opened, selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ, _Reader())
            connection.sendall(request)
        while time.perf_counter() < end:
            for key, _ in selector.select(0.1):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if key.data.feed(connection.recv(1 << 18)):
                    answers += 1
                    selector.modify(connection, selectors.EVENT_READ, _Reader())
                    connection.sendall(request)
    return max(answers, 1)


if __name__ == "__main__":
    main()
