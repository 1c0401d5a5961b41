"""`cassette_server`: code under test in another process is recorded, answered, and held to what was recorded."""

import json
import logging
from pathlib import Path

import pytest

from flag_harness.plugin.test.server import _shorten_refusal
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

PROGRAM = """
import json, os, sys, urllib.error, urllib.request

body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": sys.argv[1]}]}
headers = {
    "content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": os.environ["ANTHROPIC_API_KEY"]
}
url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers))
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), end="")
else:
    print(answer.status, json.load(answer)["content"][0]["text"], end="")
"""
TEST = """
import os, subprocess, sys

def ask(text):
    return subprocess.run([sys.executable, "program.py", text], capture_output=True, text=True, check=True).stdout

def test_ask(cassette_server, cassette):
    assert os.environ["ANTHROPIC_BASE_URL"] == cassette_server.url
    assert [ask(text) for text in QUESTIONS] == ANSWERS
    assert len(cassette.bodies) == len(QUESTIONS)
"""


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository whose code under test is a program of its own, which knows no client that could be intercepted."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n")
    (pytester.path / "program.py").write_text(PROGRAM)
    return pytester


def _run(repository: pytest.Pytester, questions: list[str], answers: list[str], *options: str) -> pytest.RunResult:
    repository.makepyfile(test_ask=f"QUESTIONS, ANSWERS = {questions!r}, {answers!r}\n{TEST}")
    return repository.runpytest_subprocess(*options)


def test_a_program_is_recorded_and_played(repository: pytest.Pytester) -> None:
    """From the simulator, which echoes; the recording is that of any other test."""
    questions, answers = ["Hello.", "Again."], ["200 Hello.", "200 Again."]
    _run(repository, questions, answers, "--record-mode=rewrite", "--harness-upstream=simulator").assert_outcomes(
        passed=1
    )
    recorded = json.loads((repository.path / "recordings" / "test_ask" / "test_ask.json").read_bytes())
    assert ("simulator", 2) == (recorded["envelope"]["upstream"], len(recorded["interactions"]))
    played = _run(repository, questions, answers)
    played.assert_outcomes(passed=1)
    played.stdout.fnmatch_lines(["answered: 1 run by recordings of the simulator; the oldest recording is 0 days old"])


def test_a_program_that_swallows_a_miss_fails_its_test(repository: pytest.Pytester) -> None:
    """The miss in full, and what was recorded and not asked for."""
    options = ("--record-mode=rewrite", "--harness-upstream=simulator")
    _run(repository, ["Hello."], ["200 Hello."], *options).assert_outcomes(passed=1)
    run = _run(
        repository,
        ["Bye."],
        ["404 flag-harness has no recorded answer for this request; its log says why, under miss-1"],
    )
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "POST /v1/messages is not in recordings/test_ask/test_ask.json (1 interaction).",
            "  messages[[]0].content: recorded 'Hello.', sent 'Bye.'",
            "1 of 1 recorded interactions of * were not played: 0.",
        ]
    )


def test_a_miss_that_is_repeated_is_printed_once_with_its_count(repository: pytest.Pytester) -> None:
    """The failure has the whole message; the log names each miss in one line and is not counted as the program's."""
    repository.makepyfile(
        test_ask="""
        import http.client

        BODY = b'{"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Bye."}]}'
        HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "x"}

        def test_ask(cassette_server):
            for _ in range(3):
                connection = http.client.HTTPConnection("127.0.0.1", cassette_server.port)
                connection.request("POST", "/v1/messages", BODY, HEADERS)
                assert 404 == connection.getresponse().status
                connection.close()
        """
    )
    run = repository.runpytest_inprocess("-p", "no:xdist", "-p", "no:asyncio")
    run.assert_outcomes(failed=1)
    text = run.stdout.str()
    assert 1 == text.count("To record it: pytest test_ask.py::test_ask")
    run.stdout.fnmatch_lines(
        ["INFO *miss-3: POST /v1/messages is not in *", "1 test: nothing is recorded (3 requests)"]
    )
    assert "logged" not in text


@pytest.mark.parametrize("option", ["--record-mode=rewrite", "--disable-recording"])
def test_a_program_reaches_the_live_api(
    option: str, repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own key; nothing of the connection to the server is passed on, and the key is not kept."""
    asked: list[Request] = []

    def api(request: Request) -> Response:
        asked.append(request)
        answer = json.dumps({"content": [{"type": "text", "text": "live"}]}).encode()
        return Head(0.0, 200, (("content-type", "application/json"),)), Chunk(0.0, answer), End(0.0)

    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-" + "Ab3" * 20)
    with LoopbackServer(api) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        _run(repository, ["Hello."], ["200 live"], option, "--harness-upstream=live").assert_outcomes(passed=1)
    headers = dict(asked[0].headers)
    assert (1, "/v1/messages", "sk-ant-api03-" + "Ab3" * 20) == (len(asked), asked[0].path, headers["x-api-key"])
    assert (f"127.0.0.1:{server.port}", "identity") == (headers["host"], headers["accept-encoding"])
    recordings = [path.read_text() for path in Path(repository.path).rglob("recordings/**/*.json")]
    assert (option == "--record-mode=rewrite") == bool(recordings)
    assert not any("Ab3" in text for text in recordings)


def test_an_error_of_the_server_itself_stays_an_error_in_the_log() -> None:
    """Only refused requests are shortened, because the failure of the test has their message."""
    record = logging.makeLogRecord({"msg": "GET /x: the upstream is broken\nin two lines", "levelname": "ERROR"})
    assert _shorten_refusal(record)
    assert ("GET /x: the upstream is broken\nin two lines", "ERROR") == (record.msg, record.levelname)
