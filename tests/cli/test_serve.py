"""`flag-harness serve` as a process of its own, asked by programs that know nothing of it."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.interaction import make_storable_request
from flag_harness.cli import main
from flag_harness.cli.serve import CassettesUpstream
from flag_harness.errors import CassetteMiss
from flag_harness.simulator import parse_scenario, simulate
from flag_harness.wire.timeline import Request, Response, body

COMMAND = [sys.executable, "-c", "from flag_harness.cli import main; raise SystemExit(main())", "serve"]
HEADERS = (("x-api-key", "none"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
SCENARIO = """
[[turn]]
when = { results = 0 }
text = "I'll look."
call = [{ name = "bash", input = { command = "uname -s" } }]
[[turn]]
when = { result = "Linux" }
text = "It is Linux: 🐧."
"""
ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 1024,
    "stream": True,
    "tools": [{"name": "bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}],
    "messages": [{"role": "user", "content": "Which kernel?"}],
}
Exchange = tuple[dict[str, Any], Response]


@pytest.fixture(autouse=True)
def _warm(warm_python: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the servers in forks of a Python that has imported everything before."""
    monkeypatch.setitem(globals(), "COMMAND", [warm_python(), *COMMAND[1:]])


def request(value: dict[str, Any]) -> Request:
    """A request of the Messages API."""
    return Request("POST", "https://api.anthropic.com/v1/messages", HEADERS, json.dumps(value).encode())


@pytest.fixture(scope="module")
def loop() -> list[Exchange]:
    """A streamed tool loop: two requests and their answers."""
    simulator = simulate(parse_scenario(SCENARIO))
    first = simulator(request(ASKED))
    told = json.loads(body(simulate(parse_scenario(SCENARIO))(request({**ASKED, "stream": False}))))
    told = json.loads(json.dumps(told).replace(told["content"][1]["id"], _call_id(first)))
    text, call = told["content"]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "Linux"}
    call.pop("caller")
    turns = [{"role": "assistant", "content": [text, call]}, {"role": "user", "content": [result]}]
    then = {**ASKED, "messages": [*ASKED["messages"], *turns]}
    return [(ASKED, first), (then, simulator(request(then)))]


def _call_id(response: Response) -> str:
    return next(part.split('"')[0] for part in body(response).decode().split('"id":"')[1:] if part.startswith("toolu_"))


@pytest.fixture
def cassette(loop: list[Exchange], tmp_path: Path) -> Path:
    """The loop as a cassette."""
    interactions = tuple(Interaction(make_storable_request(request(value)), response) for value, response in loop)
    path = tmp_path / "loop.json"
    Cassette(CassetteMetadata("simulator", "2026-11-22T00:00:00Z"), interactions).save(path)
    return path


@contextmanager
def served(*words: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server's address, and its process; it is stopped afterwards if it still runs."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, words), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def stopped(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    """The exit code, and what stood on standard error."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    return process.returncode, errors


def post(url: str, value: dict[str, Any]) -> httpx2.Response:
    """Ask the server."""
    return httpx2.post(f"{url}/v1/messages", json=value, headers=dict(HEADERS), timeout=20, trust_env=False)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_plays_the_loop_byte_for_byte(cassette: Path, loop: list[Exchange]) -> None:
    """What was recorded is what comes, request by request; nothing was missed."""
    with served("replay", cassette) as (url, process):
        for value, response in loop:
            told = subprocess.run(
                ["curl", "-sSN", "-H", "content-type: application/json", "--data-binary", "@-", f"{url}/v1/messages"],
                input=json.dumps(value).encode(),
                capture_output=True,
                check=True,
            )
            assert body(response) == told.stdout
        assert (0, "") == stopped(process, signal.SIGINT)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_node_program_plays_the_loop_byte_for_byte(cassette: Path, loop: list[Exchange]) -> None:
    """The official SDK of another language, which knows the server by its environment alone."""
    program = Path(__file__).with_name("tool_loop.cjs")
    with served("replay", cassette) as (url, process):
        told = subprocess.run(
            ["node", program, json.dumps({key: value for key, value in ASKED.items() if key != "stream"})],
            env={**os.environ, "ANTHROPIC_BASE_URL": url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if "NODE_PATH" not in os.environ and "Cannot find module '@anthropic-ai/sdk'" in told.stderr:
            pytest.skip("the Node SDK is not installed: nox -s node, or set NODE_PATH to where it is")
        assert 0 == told.returncode, told.stderr
        assert (0, "") == stopped(process)
    seen = json.loads(told.stdout)
    assert [body(response) for _, response in loop] == [base64.b64decode(one) for one in seen["received"]]
    assert "It is Linux: 🐧." == seen["text"]


def test_a_miss_is_a_number_to_the_client_and_a_report_to_the_user(cassette: Path, tmp_path: Path) -> None:
    """404, no reason to retry, nothing to act on; the difference on standard error, and exit code 1."""
    other = tmp_path / "empty.json"
    Cassette(CassetteMetadata("simulator", "2026-11-22T00:00:00Z"), ()).save(other)
    with served("replay", cassette, other) as (url, process):
        response = post(url, {**ASKED, "max_tokens": 1})
        assert (404, "false") == (response.status_code, response.headers["x-should-retry"])
        assert "flag-harness has no recorded answer for this request; its log says why, under miss-1" == response.text
        code, errors = stopped(process)
    assert 1 == code
    first, *_, last = errors.splitlines()
    assert f"miss-1: POST /v1/messages is not in {cassette} (2 interactions)." == first
    assert "max_tokens" in errors
    assert f"POST /v1/messages is not in {other} (0 interactions)." in errors
    assert "1 request missed" == last


def test_no_key_reaches_the_log(cassette: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that looks like a key, though a cut would leave but the middle of it, nor what a filter names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.flag-harness.filters]\npatterns = ["customer-[0-9]+"]\n'
        '[tool.flag-harness.normalise]\njson = ["max_tokens"]\n'
    )
    secret = "sk-ant-api03-" + "Ab3" * 31 + "AA"
    with served("replay", cassette) as (url, process):
        assert 200 == post(url, {**ASKED, "max_tokens": 7}).status_code
        for system in (secret, [{"type": "text", "text": secret}], "for customer-17"):
            assert 404 == post(url, {**ASKED, "system": system}).status_code
        _, errors = stopped(process)
    assert errors.count("miss-") == 3
    assert "system" in errors
    assert [] == [part for part in ("Ab3", "sk-ant", "customer-17") if part in errors]


def test_an_answer_is_played_once_unless_repeated(cassette: Path, loop: list[Exchange]) -> None:
    """A folder names all cassettes in it; --repeat begins again with the first answer."""
    with served("replay", cassette.parent, "--repeat") as (url, _):
        assert [body(loop[0][1])] * 3 == [post(url, ASKED).content for _ in range(3)]
        assert 404 == post(url, {**ASKED, "max_tokens": 1}).status_code
    with served("replay", cassette) as (url, process):
        assert [200, 404, 404] == [post(url, ASKED).status_code for _ in range(3)]
        code, errors = stopped(process)
    assert 1 == code
    assert errors.endswith("2 requests missed\n")


def test_the_recorded_rhythm_is_kept_where_it_is_asked_for(cassette: Path, loop: list[Exchange]) -> None:
    """At pace 0.1 the answer takes a tenth of its time; its chunks come one by one."""
    recorded = loop[0][1][-1].at
    with served("replay", cassette, "--pace", "0.1", "--repeat") as (url, _):
        seconds = []
        for _ in range(5):  # a busy machine may delay some
            start = time.perf_counter()
            assert body(loop[0][1]) == post(url, ASKED).content
            seconds.append(time.perf_counter() - start)
        assert recorded * 0.1 * 0.8 < min(seconds) < recorded * 0.1 + 1.0


def test_faults_stand_before_the_server(cassette: Path) -> None:
    """The second request is told that the API is overloaded."""
    with served("replay", cassette, "--repeat", "--fault", "overloaded:on=2") as (url, _):
        assert [200, 529, 200] == [post(url, ASKED).status_code for _ in range(3)]


def test_a_stall_is_waited_for_at_any_pace(loop: list[Exchange], tmp_path: Path) -> None:
    """What it adds, and no more than that: the recorded rhythm, here of a minute, is left out as ever."""
    asked, response = loop[0]
    slow = tuple(replace(piece, at=piece.at + 60) for piece in response)
    cassette = tmp_path / "slow.json"
    Cassette(CassetteMetadata("simulator", ""), (Interaction(make_storable_request(request(asked)), slow),)).save(
        cassette
    )
    with served("replay", cassette, "--repeat", "--fault", "slow_start:seconds=0.5") as (url, _):
        start = time.perf_counter()
        assert body(response) == post(url, asked).content
        assert 0.5 < time.perf_counter() - start < 30
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{url}/v1/messages", json=asked, headers=dict(HEADERS), timeout=0.1, trust_env=False)


@pytest.mark.parametrize("upstream", [["simulator"], ["replay"]])
def test_a_fault_that_never_fired_is_told(cassette: Path, upstream: list[str]) -> None:
    """At the end, with exit code 1: nothing was tested."""
    files = [cassette] if upstream == ["replay"] else []
    with served(*upstream, *files, "--fault", "overloaded:on=2", "--fault", "split_utf8:on=9") as (_, process):
        code, errors = stopped(process)
    assert 1 == code
    assert [
        f"--fault: fault {fault} never fired: it saw no request" for fault in ("overloaded:on=2", "split_utf8:on=9")
    ] == (errors.splitlines())


def test_the_simulator_is_served(tmp_path: Path) -> None:
    """By a scenario, whose gaps are told; without one it repeats what it hears."""
    scenario = tmp_path / "s.toml"
    scenario.write_text('[[turn]]\nwhen = { user = "hi" }\ntext = "Hello."')
    plain = {**ASKED, "stream": False, "messages": [{"role": "user", "content": "hi"}]}
    with served("simulator", "--scenario", scenario) as (url, process):
        assert "Hello." == post(url, plain).json()["content"][0]["text"]
        assert 400 == post(url, ASKED).status_code
        code, errors = stopped(process)
    assert (1, True) == (code, errors.startswith("The simulated API's scenario has no turn for message 1"))
    with served("simulator") as (url, process):
        assert "hi" == post(url, plain).json()["content"][0]["text"]
        assert (0, "") == stopped(process)


def test_time_passes_in_the_served_simulator(tmp_path: Path) -> None:
    """A limit that was reached fills again in the time that retry-after says, and the date moves with it."""
    scenario = tmp_path / "s.toml"
    scenario.write_text('[limits]\ninput_tokens = 600\n[[turn]]\ntext = "Hello."')
    plain = {key: value for key, value in ASKED.items() if key not in ("stream", "tools")}
    long = {**plain, "messages": [{"role": "user", "content": "word " * 592}]}
    with served("simulator", "--scenario", scenario) as (url, _):
        first, limited = post(url, long), post(url, plain)
        assert (200, 429, "1") == (first.status_code, limited.status_code, limited.headers["retry-after"])
        time.sleep(1)
        again = post(url, plain)
    assert 200 == again.status_code
    assert first.headers["date"] < again.headers["date"]


def test_it_says_where_it_is(cassette: Path) -> None:
    """In words for people, and the variable to set."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*COMMAND, "replay", str(cassette), "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(2)]
    process.terminate()
    process.communicate(timeout=20)
    url = f"http://127.0.0.1:{port}"
    assert [f"serving 2 recorded interactions at {url}\n", f"ANTHROPIC_BASE_URL={url}\n"] == told


def test_wrong_usage_is_told(cassette: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Faults that no server can do, folders without cassettes, ports that are taken, addresses that others reach."""
    empty = tmp_path / "empty"
    empty.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wrong = {
            "--fault refused_keyword:keyword=thinking: a server cannot do this, it happens in the client before a byte "
            "is sent; use it in process, with flag_harness.http_client or pytest's --harness-fault": [
                cassette,
                "--fault",
                "refused_keyword:keyword=thinking",
            ],
            "pace -1 is invalid: 0 answers at once, 1 keeps the recorded times, 0.1 is ten times as fast": [
                cassette,
                "--pace",
                "-1",
            ],
            "--fault overloaded:combination=streaming: a server runs under no combination; leave that argument out": [
                cassette,
                "--fault",
                "overloaded:combination=streaming",
            ],
            f"{empty}: there is no cassette in this folder (*.json)": [empty],
            f"cannot listen on 127.0.0.1, port {port}: Address already in use": [cassette, "--port", port],
        }
        for message, words in wrong.items():
            assert 2 == main(["serve", "replay", *map(str, words)])
            assert f"{message}\n" == capsys.readouterr().err
    handler = signal.getsignal(signal.SIGTERM)
    assert signal.SIG_DFL == handler


def test_an_address_that_others_can_reach_is_warned_about(cassette: Path) -> None:
    """In one line; the Host header is checked, and further names are allowed by name."""
    words = ("--host", "0.0.0.0", "--allow-host", "*.internal.example")
    with served("replay", cassette, "--repeat", *words) as (url, process):
        local = url.replace("0.0.0.0", "127.0.0.1")
        for host, status in (("rebound.example", 421), ("agent.internal.example", 200), ("agent", 200)):
            headers = {**dict(HEADERS), "host": host}
            response = httpx2.post(f"{local}/v1/messages", json=ASKED, headers=headers, timeout=20, trust_env=False)
            assert status == response.status_code
        code, errors = stopped(process)
    assert 0 == code
    assert [
        "warning: 0.0.0.0 can be reached by other machines, and there is no authentication; without --host, it serves "
        "this machine alone",
        "POST /v1/messages: 421 The Host header names rebound.example, which is not this server. A web page may use "
        "that name to reach it (DNS rebinding). If the name is yours: flag-harness serve ... --allow-host "
        "rebound.example",
    ] == errors.splitlines()


def test_the_warning_about_an_address_can_be_switched_off(cassette: Path) -> None:
    """Where it is meant that other machines reach the server, such as in a container."""
    with served("replay", cassette, "--host", "0.0.0.0", "--allow-anyone") as (_, process):
        assert (0, "") == stopped(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_whatever_its_clients_do(cassette: Path, number: int) -> None:
    """Half a head, half a body, and an answer that is a minute away; a second signal changes nothing."""
    started = (
        b"POST /v1/mess",
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    with served("replay", cassette, "--fault", "slow_start:seconds=60") as (url, process):
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        connections = [socket.create_connection(address) for _ in started]
        for connection, data in zip(connections, started, strict=True):
            connection.sendall(data)
        time.sleep(0.3)
        start = time.monotonic()
        process.send_signal(number)
        stopped(process, number)
        assert time.monotonic() - start < 2
        for connection in connections:
            connection.close()


def test_two_cassettes_are_one_upstream(loop: list[Exchange]) -> None:
    """The first that holds the request answers; what none holds is a miss of all."""
    parts = [
        Cassette(CassetteMetadata("simulator", ""), (Interaction(make_storable_request(request(value)), response),))
        for value, response in loop
    ]
    upstream = CassettesUpstream(parts)
    assert [response for _, response in loop] == [upstream(request(value)) for value, _ in loop]
    with pytest.raises(CassetteMiss, match=r"(?s)has been played.*The nearest is interaction 0"):
        upstream(request(loop[0][0]))


def test_repeated_answers_begin_again(loop: list[Exchange]) -> None:
    """Equal requests get their recorded answers in order, then the first; what none holds is a miss each time."""
    asked, first = loop[0]
    interactions = tuple(
        Interaction(make_storable_request(request(asked)), response) for response in (first, loop[1][1])
    )
    upstream = CassettesUpstream([Cassette(CassetteMetadata("simulator", ""), interactions)], repeat=True)
    answers = [first, loop[1][1]]
    assert [*answers, *answers] == [upstream(request(asked)) for _ in range(4)]
    for _ in range(2):
        with pytest.raises(CassetteMiss, match="is not in the cassette"):
            upstream(request(loop[1][0]))
