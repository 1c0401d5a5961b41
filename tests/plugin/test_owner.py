"""What a thread, a pool job or a task sends belongs to the test that submitted it, also after that test has ended."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.cassette import Cassette
from flag_harness.plugin.border.late_work import LateWorkMessages, LateWorkReporter

QUIET = ("-q", *(f"-pno:{name}" for name in ("hypothesispytest", "respx")))
RECORD = (*QUIET, "--record-mode=rewrite", "--harness-upstream=simulator")
CONFIGURATION = """
[tool.pytest.ini_options]
asyncio_default_fixture_loop_scope = "function"

[tool.flag-harness]
time = "real"
"""
WORKERS = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
HEAD = """
import _thread
import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import anyio
import httpx2
import pytest
import trio

URL = "https://api.anthropic.com/v1/messages"
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
GO = threading.Event()

def body(text):
    return {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}

def send(text):
    return httpx2.post(URL, json=body(text), headers=HEADERS).raise_for_status()

def send_late(text):
    GO.wait(5)
    send(text)

async def send_async(text):
    async with httpx2.AsyncClient() as client:
        await client.post(URL, json=body(text), headers=HEADERS)

@pytest.fixture(scope="session")
def pool():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # the thread of the pool belongs to no test
        yield pool

@pytest.fixture(scope="session")
def processes():
    with ThreadPool(1) as pool:
        yield pool
"""
SYNC_WAYS = {
    "thread": "threading.Thread(target=send_late, args=['late']).start()",
    "daemon": "threading.Thread(target=send_late, args=['late'], daemon=True).start()",
    "timer": "threading.Timer(0, send_late, ['late']).start()",
    "pool of a session fixture": "pool.submit(send_late, 'late')",
    "pool of its own": "ThreadPoolExecutor(1).submit(send_late, 'late')",
    "pool of multiprocessing": "processes.apply_async(send_late, ['late'])",
    "thread of a thread": "pool.submit(lambda: threading.Thread(target=send_late, args=['late']).start()).result()",
    "bare thread": "_thread.start_new_thread(send_late, ('late',))",
    "callback of a job": "pool.submit(GO.wait, 5).add_done_callback(lambda job: send('late'))",
    "loop in a thread": "threading.Thread(target=lambda: (GO.wait(5), asyncio.run(send_async('late')))).start()",
}
SYNC = """
def test_a(cassette, pool, processes):
    send("a")
    {way}

def test_b(cassette, pool):
    GO.set()
    time.sleep(0.2)
    send("b")
"""
ASYNC_WAYS = {
    "task": "KEPT.append(asyncio.create_task(wait_and_send()))",
    "to_thread": "KEPT.append(asyncio.ensure_future(asyncio.to_thread(send_late, 'late')))",
    "executor": "KEPT.append(asyncio.get_running_loop().run_in_executor(None, send_late, 'late'))",
    "anyio": "KEPT.append(asyncio.ensure_future(anyio.to_thread.run_sync(send_late, 'late')))",
    "thread": "threading.Thread(target=send_late, args=['late']).start()",
}
ASYNC = """
KEPT = []

async def wait_and_send():
    while not GO.is_set():
        await asyncio.sleep(0.01)
    await send_async("late")

{mark}
async def test_a(cassette, {more}):
    await send_async("a")
    {way}

{mark}
async def test_b(cassette, {more}):
    GO.set()
    await asyncio.sleep(0.2)
    await send_async("b")

@pytest.fixture(scope="module")
def anyio_backend(): return "asyncio"

@pytest.fixture(scope="module")
async def resource(anyio_backend): yield 1
"""
ASYNCIO = {"mark": "@pytest.mark.asyncio(loop_scope='module')", "more": "pool"}
ANYIO = {"mark": "@pytest.mark.anyio", "more": "resource"}
REFUSED = "POST /v1/messages was refused: the "
SENT_LATE = "sent it after test_it.py::test_a, which started it, had ended."


def _prompts(project: Path) -> dict[str, list[str]]:
    """What each recording holds."""
    return {
        path.stem: [one.decoded_body["messages"][0]["content"] for one in Cassette.load(path).interactions]
        for path in project.rglob("recordings/**/*.json")
    }


def _run(project: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    project.makepyprojecttoml(CONFIGURATION)
    project.makepyfile(test_it=HEAD + source)
    return project.runpytest_subprocess(*options)


@pytest.mark.parametrize("way", SYNC_WAYS.values(), ids=SYNC_WAYS)
def test_what_a_test_sends_late_is_refused_and_fails_that_test(pytester: pytest.Pytester, way: str) -> None:
    """It is in no recording, and the test that runs meanwhile passes, although warnings are errors."""
    run = _run(pytester, SYNC.format(way=way), *RECORD, "-Werror")
    run.assert_outcomes(passed=2, errors=1)
    assert {"test_a": ["a"], "test_b": ["b"]} == _prompts(pytester.path)
    run.stdout.fnmatch_lines(["*ERROR at teardown of test_a*", f"{REFUSED}*{SENT_LATE}"])
    run.stdout.fnmatch_lines(["*1 failed, 1 passed; *"])
    if way not in (SYNC_WAYS["pool of multiprocessing"], SYNC_WAYS["bare thread"]):  # these do not say if they are done
        run.stdout.fnmatch_lines(["test_it.py::test_a was recorded, and left running: the *"])
    if way in (SYNC_WAYS["thread"], SYNC_WAYS["pool of its own"]):  # a replay refuses the others in the same way
        replay = pytester.runpytest_subprocess(*QUIET)
        replay.assert_outcomes(passed=2, errors=1)
        assert "left running" not in replay.stdout.str()


@pytest.mark.parametrize("plugin", [ASYNCIO, ANYIO], ids=["asyncio", "anyio"])
@pytest.mark.parametrize("way", ASYNC_WAYS.values(), ids=ASYNC_WAYS)
def test_what_an_async_test_leaves_behind_belongs_to_it(
    pytester: pytest.Pytester, way: str, plugin: dict[str, str]
) -> None:
    """On a loop that many tests share, whichever plugin runs it."""
    run = _run(pytester, ASYNC.format(way=way, **plugin), *RECORD)
    run.assert_outcomes(passed=2, errors=1)
    assert {"test_a": ["a"], "test_b": ["b"]} == _prompts(pytester.path)
    run.stdout.fnmatch_lines([f"{REFUSED}*{SENT_LATE}"])
    run.stdout.fnmatch_lines(["test_it.py::test_a was recorded, and left running: the *"])


AWAITED = """
def test_a(cassette, pool):
    send("a")
    pool.submit(send, "job").result()
    thread = threading.Thread(target=send, args=["thread"])
    thread.start()
    thread.join()

def test_trio(cassette, processes):
    processes.map(send, ["mapped"])
    trio.run(trio.to_thread.run_sync, send, "trio")

async def gather():
    await asyncio.gather(asyncio.create_task(send_async("task")), asyncio.to_thread(send, "to_thread"))

def test_b(cassette, pool):
    pool.submit(send, "job of b").result()
    asyncio.run(gather())
"""


@WORKERS
def test_what_a_test_waits_for_is_its_own(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Recorded and played, also if the pool is not its own, and without a word about it."""
    run = _run(pytester, AWAITED, *RECORD, *workers)
    run.assert_outcomes(passed=3)
    assert "left running" not in run.stdout.str()
    found = {name: sorted(texts) for name, texts in _prompts(pytester.path).items()}
    assert {
        "test_a": ["a", "job", "thread"],
        "test_trio": ["mapped", "trio"],
        "test_b": ["job of b", "task", "to_thread"],
    } == found
    pytester.runpytest_subprocess(*QUIET, *workers).assert_outcomes(passed=3)


LAST = """
def test_a(cassette):
    send("a")
    threading.Thread(target=lambda: (time.sleep(0.3), send("late"))).start()
"""


@WORKERS
def test_the_last_test_of_a_run_fails_too(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """The run waits for a thread for which the interpreter would wait anyway."""
    run = _run(pytester, LAST, *RECORD, *workers)
    run.assert_outcomes(passed=1, errors=1)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines([f"{REFUSED}*{SENT_LATE}"])


PLAIN = """
from http.server import BaseHTTPRequestHandler, HTTPServer

SEND, START, SUBMIT = httpx2.HTTPTransport.handle_request, threading.Thread.start, ThreadPoolExecutor.submit

def check_nothing_is_patched():
    assert (SEND, START, SUBMIT) == (
        httpx2.HTTPTransport.handle_request, threading.Thread.start, ThreadPoolExecutor.submit
    )

def test_before(): check_nothing_is_patched()

def test_a(cassette):
    send("a")
    {way}

def test_between():
    GO.set()
    time.sleep(0.2)
    {check}

def test_b(cassette): send("b")

def test_after(): check_nothing_is_patched()
"""


def test_a_test_without_a_cassette_finds_nothing_patched(pytester: pytest.Pytester) -> None:
    """Before, between and after tests that use the harness."""
    _run(pytester, PLAIN.format(way="", check="check_nothing_is_patched()"), *RECORD).assert_outcomes(passed=5)


def test_late_requests_are_refused_during_a_test_without_a_cassette(pytester: pytest.Pytester) -> None:
    """The network is never asked: what was left running stays watched until it has ended."""
    run = _run(pytester, PLAIN.format(way=SYNC_WAYS["thread"], check=""), *RECORD)
    run.assert_outcomes(passed=5, errors=1)
    run.stdout.fnmatch_lines([f"{REFUSED}*{SENT_LATE}"])


SERVER = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        send(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments): pass

@pytest.fixture(scope="session")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()

def test_a(cassette, server): httpx2.get(server + "/a")

def test_b(cassette, server): httpx2.get(server + "/b")
"""


def test_a_server_of_a_session_fixture_works_for_the_test_that_runs(pytester: pytest.Pytester) -> None:
    """Its threads are the fixture's, but what they send is answered from the cassette of the test."""
    run = _run(pytester, SERVER, *RECORD)
    run.assert_outcomes(passed=2)
    assert {"test_a": ["/a"], "test_b": ["/b"]} == _prompts(pytester.path)
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=2)


def test_a_late_request_is_told_once_by_a_worker(pytester: pytest.Pytester) -> None:
    """Its test fails in the main process, and the others pass."""
    run = _run(pytester, SYNC.format(way=SYNC_WAYS["thread"]), *RECORD, "-n1", "--junitxml=junit.xml")
    run.assert_outcomes(passed=2, errors=1)
    assert 1 == run.stdout.str().count(SENT_LATE)
    assert SENT_LATE in (pytester.path / "junit.xml").read_text()
    assert json.dumps("late") not in "".join(path.read_text() for path in pytester.path.rglob("recordings/**/*.json"))


def test_the_same_message_of_two_reports_of_a_worker_is_one_error() -> None:
    """A fixture that several tests share has no row in the record."""
    reports: list[Any] = []
    hook = SimpleNamespace(pytest_runtest_logreport=lambda report: reports.append(report))
    reporter = LateWorkReporter(SimpleNamespace(hook=hook), SimpleNamespace(late_work=LateWorkMessages()))  # type: ignore[arg-type]
    output = {"flag_harness_late_requests": [["the module fixture wide", "POST was refused"]] * 2}
    reporter.pytest_testnodedown(SimpleNamespace(workeroutput=output))
    assert [("the module fixture wide", "failed", "teardown")] == [
        (report.nodeid, report.outcome, report.when) for report in reports
    ]


IN_PROCESS = ("-p", "no:asyncio", *RECORD)
SENDING = """
import socket, threading
import httpx2, pytest

def send(text):
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    return httpx2.post("https://api.anthropic.com/v1/messages", json=body, headers=headers)

def run_in_thread(*arguments):
    thread = threading.Thread(target=send, args=arguments)
    thread.start()
    thread.join()
"""


def test_a_thread_of_a_test_is_answered_by_its_cassette(pytester: pytest.Pytester) -> None:
    """Also if a fixture before the cassette starts it."""
    pytester.makepyprojecttoml(CONFIGURATION)
    fixture = "@pytest.fixture\ndef early():\n    run_in_thread('first')\n"
    test = "def test_a(early, cassette):\n    run_in_thread('second')\n"
    pytester.makepyfile(test_it=f"{SENDING}\n{fixture}\n{test}")
    pytester.runpytest_inprocess(*IN_PROCESS).assert_outcomes(passed=1)
    assert {"test_a": ["first", "second"]} == _prompts(pytester.path)


def test_a_request_before_a_cassette_that_cannot_be_opened_says_why(pytester: pytest.Pytester) -> None:
    """The client would take another error for a broken connection, and try again."""
    pytester.makepyprojecttoml(CONFIGURATION)
    fixture = "@pytest.fixture\ndef early():\n    send('first')\n"
    test = "@pytest.mark.scenario('absent')\ndef test_a(early, cassette): ...\n"
    pytester.makepyfile(test_it=f"{SENDING}\n{fixture}\n{test}")
    run = pytester.runpytest_inprocess(*IN_PROCESS)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["There is no scenario 'absent'*", "ERROR test_it.py::test_a - ScenarioFailure: There *"])


def test_a_late_attempt_to_reach_the_network_is_an_error_of_the_test_that_started_it(
    pytester: pytest.Pytester,
) -> None:
    """Not of the one that runs by then."""
    pytester.makepyprojecttoml(CONFIGURATION)
    tests = """
go, threads = threading.Event(), []

def look_up():
    go.wait(10)
    try:
        socket.getaddrinfo("far.example", 443)
    except OSError:
        pass

def test_a(cassette):
    send("a")
    threads.append(threading.Thread(target=look_up))
    threads[0].start()

def test_b(cassette):
    send("b")
    go.set()
    threads[0].join()
"""
    pytester.makepyfile(test_it=f"{SENDING}\n{tests}")
    run = pytester.runpytest_inprocess(*IN_PROCESS)
    run.assert_outcomes(passed=2, errors=1)
    run.stdout.fnmatch_lines(["*An attempt to reach the network (*far.example:443*) was refused: *test_it.py::test_a*"])
