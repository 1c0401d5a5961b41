"""Fixtures of a wider scope than one test: what they send has a cassette of its own, and never reaches the network."""

from pathlib import Path

import pytest

from flag_harness.cassette import Cassette

QUIET = ("-q", *(f"-pno:{name}" for name in ("hypothesispytest", "respx")))
RECORD = (*QUIET, "--record-mode=rewrite", "--harness-upstream=simulator")
CONFIGURATION = """
[tool.pytest.ini_options]
asyncio_default_fixture_loop_scope = "function"

[tool.flag-harness]
time = "real"
"""
HEAD = """
import asyncio
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

HEADERS = {"anthropic-version": "2023-06-01"}
LOOKED_UP = []

def look_up(host, *arguments, **options):
    LOOKED_UP.append(host)
    raise socket.gaierror(-2, "no network in this test")

socket.getaddrinfo = look_up

def url():
    return os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com") + "/v1/messages"

def body(text):
    return {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}

def send(text, client=httpx2):
    key = {"x-api-key": os.environ["ANTHROPIC_API_KEY"]}
    return client.post(url(), json=body(text), headers=HEADERS | key).raise_for_status()

async def send_async(text):
    async with httpx2.AsyncClient() as client:
        await client.post(url(), json=body(text), headers=HEADERS)

def swallow(text):
    try:
        send(text)
    except BaseException:
        pass
"""
SCOPES = {
    "session": "test_it/fixture-wide",
    "package": "fixture-wide",
    "module": "test_it/fixture-wide",
    "class": "test_it/TestOne.fixture-wide",
}
ROUND_TRIP = """
@pytest.fixture(scope={scope!r})
def wide():
    assert "offline" == os.environ["ANTHROPIC_API_KEY"]
    send("setup")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(send, "pool").result()
    with httpx2.Client() as client:
        yield client
        send("teardown", client)

class TestOne:
    def test_a(self, wide, cassette): send("a", wide)

    def test_b(self, cassette, wide): send("b", wide)

def test_end(): assert ([], "mine") == (LOOKED_UP, os.environ["ANTHROPIC_API_KEY"])
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project in whose environment there is a key."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "mine")
    pytester.makepyprojecttoml(CONFIGURATION)
    return pytester


def _prompts(project: Path) -> dict[str, list[tuple[str, bool]]]:
    """What each recording holds, and whether it was sent in the teardown."""
    root = project / "recordings"
    return {
        path.relative_to(root).with_suffix("").as_posix(): [
            (one.decoded_body["messages"][0]["content"], one.in_teardown) for one in Cassette.load(path).interactions
        ]
        for path in root.rglob("*.json")
    }


@pytest.mark.parametrize("scope", SCOPES)
def test_a_fixture_of_any_scope_has_a_cassette_of_its_own(project: pytest.Pytester, scope: str) -> None:
    """Setup and teardown are recorded and played; what a test sends with a client of the fixture is the test's."""
    project.makepyfile(test_it=HEAD + ROUND_TRIP.format(scope=scope))
    project.makepyfile(__init__="")
    project.runpytest_subprocess(*RECORD).assert_outcomes(passed=3)
    place = SCOPES[scope] if scope != "package" else next(name for name in _prompts(project.path) if "wide" in name)
    assert {
        place: [("setup", False), ("pool", False), ("teardown", True)],
        "test_it/TestOne.test_a": [("a", False)],
        "test_it/TestOne.test_b": [("b", False)],
    } == _prompts(project.path)
    replay = project.runpytest_subprocess(*QUIET, *(("-n2",) if scope in ("class", "session") else ()))
    replay.assert_outcomes(passed=3)
    assert "belongs to no test" not in replay.stdout.str()
    project.runpytest_subprocess(*QUIET, "-ktest_b").assert_outcomes(passed=1, deselected=2)


ASYNC = """
@pytest.fixture(scope="module")
def anyio_backend(): return "asyncio"

@FIXTURE
async def wide():
    await send_async("setup")
    yield 1
    await send_async("teardown")

@FIXTURE
async def value(wide):
    await send_async("value")
    return 2

@MARK
async def test_a(wide, value, cassette): await send_async("a")

@MARK
async def test_b(wide, value, cassette): await send_async("b")
"""
PLUGINS = {
    "asyncio": (
        "import pytest_asyncio\nMARK = pytest.mark.asyncio(loop_scope='module')\n"
        "FIXTURE = pytest_asyncio.fixture(scope='module', loop_scope='module')\n"
    ),
    "anyio": "MARK = pytest.mark.anyio\nFIXTURE = pytest.fixture(scope='module')\n",
}


@pytest.mark.parametrize("plugin", PLUGINS.values(), ids=PLUGINS)
def test_async_fixtures_are_recorded_and_played(project: pytest.Pytester, plugin: str) -> None:
    """Generators and coroutines, of whichever plugin."""
    source = ASYNC if "asyncio" not in plugin else ASYNC.replace('@pytest.fixture(scope="module")\ndef any', "def any")
    project.makepyfile(test_it=HEAD + plugin + source)
    project.runpytest_subprocess(*RECORD).assert_outcomes(passed=2)
    assert {
        "test_it/fixture-wide": [("setup", False), ("teardown", True)],
        "test_it/fixture-value": [("value", False)],
        "test_it/test_a": [("a", False)],
        "test_it/test_b": [("b", False)],
    } == _prompts(project.path)
    project.runpytest_subprocess(*QUIET).assert_outcomes(passed=2)


MISSES = """
@pytest.fixture(scope="session")
def swallowed(): swallow("swallowed")

@pytest.fixture(scope="session")
def raised(): send("raised")

@pytest.fixture(scope="session")
def torn():
    yield
    swallow("torn")

@pytest.fixture(scope="session")
def far():
    try:
        socket.socket().connect(("192.0.2.1", 80))
    except BaseException:
        pass

@pytest.fixture(scope="session")
def unplayed():
    if not os.path.exists("skip"):
        send("unplayed")

idle = pytest.mark.harness_no_request

@idle
def test_swallowed(swallowed, cassette): pass

@idle
def test_raised(raised, cassette): pass

@idle
def test_raised_again(raised, cassette): pass

@idle
def test_torn(torn, cassette): pass

@idle
def test_far(far, cassette): pass

@idle
def test_unplayed(unplayed, cassette): pass

def test_end(): assert [] == LOOKED_UP
"""


@pytest.mark.parametrize("name", ["swallowed", "raised", "torn", "far"])
def test_what_is_not_recorded_is_one_clear_error(project: pytest.Pytester, name: str) -> None:
    """Also if the fixture swallows it; the network is never asked."""
    project.makepyfile(test_it=HEAD + MISSES)
    run = project.runpytest_subprocess(*QUIET, f"test_it.py::test_{name}", "test_it.py::test_end")
    run.assert_outcomes(**({"passed": 2} if name == "torn" else {"passed": 1}), errors=1)
    if name == "far":
        run.stdout.fnmatch_lines(["this test plays recordings, but tried to reach 192.0.2.1:80; *"])
        return
    run.stdout.fnmatch_lines(
        [
            f"POST /v1/messages is not in *recordings/test_it/fixture-{name}.json (0 interactions).",
            f"To record it: pytest test_it.py::test_{name} --record-mode=rewrite --harness-upstream=live",
        ]
    )
    assert "Traceback" not in run.stdout.str()
    failed = "test_end" if name == "torn" else f"test_{name}"  # the last test of a run tears down for all
    run.stdout.fnmatch_lines(["1 test: nothing is recorded", f"  test_it.py::{failed}"])


def test_every_test_of_a_fixture_that_failed_has_an_error(project: pytest.Pytester) -> None:
    """As pytest does it for any other failure of a fixture."""
    project.makepyfile(test_it=HEAD + MISSES)
    project.runpytest_subprocess(*QUIET, "-ktest_raised").assert_outcomes(errors=2, deselected=5)


def test_an_unplayed_interaction_of_a_fixture_is_an_error(project: pytest.Pytester) -> None:
    """At its teardown."""
    project.makepyfile(test_it=HEAD + MISSES)
    project.runpytest_subprocess(*RECORD, "-ktest_unplayed").assert_outcomes(passed=1, deselected=6)
    (project.path / "skip").touch()
    run = project.runpytest_subprocess(*QUIET, "-ktest_unplayed")
    run.assert_outcomes(passed=1, errors=1, deselected=6)
    run.stdout.fnmatch_lines(
        ["1 of 1 recorded interactions of *recordings/test_it/fixture-unplayed.json were not played: 0."]
    )


PARAMETERS = """
@pytest.fixture(scope="session", params=["one", 2])
def wide(request): send(f"setup {request.param}")

def test_a(wide, cassette): send("a")

@pytest.fixture(scope="class")
def alone(request): send(request.node.name)

def test_b(alone, cassette): send("b")

def test_c(alone, cassette): send("c")
"""


def test_each_setup_has_a_name_of_its_own(project: pytest.Pytester) -> None:
    """By its parameter, and by the test if a class fixture is used outside of a class."""
    project.makepyfile(test_it=HEAD + PARAMETERS)
    project.runpytest_subprocess(*RECORD).assert_outcomes(passed=4)
    found = {name: texts[0][0] for name, texts in _prompts(project.path).items() if "fixture" in name}
    assert {
        "test_it/fixture-wide[param=one]": "setup one",
        "test_it/fixture-wide[param=2]": "setup 2",
        "test_it/test_b.fixture-alone": "test_b",
        "test_it/test_c.fixture-alone": "test_c",
    } == found
    project.runpytest_subprocess(*QUIET).assert_outcomes(passed=4)


SETUP_FUNCTIONS = """
import unittest

def setup_module(): send("module")

def teardown_module(): send("end of the module")

class TestA:
    @classmethod
    def setup_class(cls): send("class")

    def test_a(self, cassette): send("a")

@pytest.mark.usefixtures("cassette")
class TestB(unittest.TestCase):
    @classmethod
    def setUpClass(cls): send("class of unittest")

    @classmethod
    def tearDownClass(cls): assert [] == LOOKED_UP

    def test_b(self): send("b")
"""


def test_setup_functions_of_pytest_and_unittest_are_answered_like_fixtures(project: pytest.Pytester) -> None:
    """They are recorded, and reach no network while they are played."""
    project.makepyfile(test_it=HEAD + SETUP_FUNCTIONS)
    project.runpytest_subprocess(*RECORD).assert_outcomes(passed=2)
    found = {name: [text for text, _ in texts] for name, texts in _prompts(project.path).items() if "fixture" in name}
    assert {
        "test_it/fixture-setup_module": ["module", "end of the module"],
        "test_it/TestA.fixture-setup_class": ["class"],
        "test_it/TestB.fixture-setUpClass-0041c6de": ["class of unittest"],
    } == found
    project.runpytest_subprocess(*QUIET).assert_outcomes(passed=2)


SHARED = """
from test_it import *

@pytest.fixture(scope="session")
def wide():
    send("setup")
    yield
    send("teardown")

def test_plain(wide): pass

def test_a(wide, cassette): send("a")

def test_plain_again(wide): pass
"""


def test_a_fixture_is_answered_whichever_test_sets_it_up(project: pytest.Pytester) -> None:
    """A test without a cassette may be the first, or the last, to use it."""
    project.makepyfile(test_it=HEAD, test_shared=SHARED)
    project.runpytest_subprocess(*RECORD, "test_shared.py").assert_outcomes(passed=3)
    assert [("setup", False), ("teardown", True)] == _prompts(project.path)["test_shared/fixture-wide"]
    project.runpytest_subprocess(*QUIET, "test_shared.py").assert_outcomes(passed=3)


EARLY = """
@pytest.fixture
def early():
    send("early")
    yield
    send("late")

def test_a(early, cassette): send("a")
"""


def test_a_fixture_that_comes_before_the_cassette_is_the_test_s(project: pytest.Pytester) -> None:
    """In its setup, and in its teardown, which comes after that of the cassette."""
    project.makepyfile(test_it=HEAD + EARLY)
    project.runpytest_subprocess(*RECORD).assert_outcomes(passed=1)
    assert {"test_it/test_a": [("early", False), ("a", False), ("late", True)]} == _prompts(project.path)
    project.runpytest_subprocess(*QUIET).assert_outcomes(passed=1)


STOPPED = """
@pytest.fixture(scope="session")
def wide():
    yield
    send("teardown")

def test_a(wide, cassette): assert 0

def test_b(wide, cassette): send("b")
"""


def test_a_fixture_that_is_torn_down_at_the_end_of_a_stopped_run_is_answered(project: pytest.Pytester) -> None:
    """No test runs any more, and a miss counts nevertheless."""
    project.makepyfile(test_it=HEAD + STOPPED)
    run = project.runpytest_subprocess(*QUIET, "-x")
    run.assert_outcomes(failed=1, errors=1)
    assert "INTERNALERROR" not in run.stdout.str()
    run.stdout.fnmatch_lines(["POST /v1/messages is not in *recordings/test_it/fixture-wide.json (0 interactions)."])
    project.runpytest_subprocess(*RECORD, "-x").assert_outcomes(failed=1)
    assert {"test_it/fixture-wide": [("teardown", True)]} == _prompts(project.path)


FAILING_SAVE = """
@pytest.fixture(scope="module")
def wide():
    yield
    send("sk-ant-api03-Zm9vYmFyMTIzNDU2Nzg5aGlkZGVu")

def test_a(wide, cassette): send("a")
"""


def test_a_fixture_that_would_record_a_key_is_an_error(project: pytest.Pytester) -> None:
    """Its cassette is not written."""
    project.makepyfile(test_it=HEAD.replace("socket.getaddrinfo = look_up", "") + FAILING_SAVE)
    run = project.runpytest_inprocess("-p", "no:asyncio", *RECORD)
    run.assert_outcomes(passed=1, errors=1)
    run.stdout.fnmatch_lines(["*fixture-wide.json was not written*"])
    assert not list(project.path.rglob("fixture-wide.json"))


STOPPING = """
SESSIONS = []

def pytest_sessionstart(session): SESSIONS.append(session)

def pytest_runtest_logfinish(): SESSIONS[0].shouldstop = "enough"
"""


def test_a_miss_that_a_fixture_swallows_after_the_last_test_is_an_error(project: pytest.Pytester) -> None:
    """A plugin has stopped the run between two tests, so there is no test to fail."""
    project.makeconftest(STOPPING)
    tests = STOPPED.replace('    send("teardown")', '    swallow("teardown")').replace("assert 0", 'swallow("a")')
    marked = tests.replace("def test_a", "@pytest.mark.harness_misses\n@pytest.mark.harness_no_request\ndef test_a")
    project.makepyfile(test_it=HEAD.replace("socket.getaddrinfo = look_up", "") + marked)
    run = project.runpytest_inprocess("-p", "no:asyncio", *QUIET)
    run.assert_outcomes(passed=1, errors=1)
    run.stdout.fnmatch_lines(["POST /v1/messages is not in *recordings/test_it/fixture-wide.json (0 interactions)."])
