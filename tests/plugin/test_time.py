"""Time in an ordinary test: the code under test waits in virtual time unless something is live."""

from textwrap import dedent

import pytest

RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")
PROJECT = "[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n"
HEAD = """
import asyncio, threading, time
from time import monotonic, sleep

import anthropic, anyio, pytest
from flag_harness.faults import rate_limited, stall

ASKED = dict(model="claude-haiku-4-5", max_tokens=10, messages=[{"role": "user", "content": "hello"}])
LIMITED = pytest.mark.faults(rate_limited(retry_after=8, on=1))

def client(**arguments):
    return anthropic.Anthropic(api_key="key", **arguments)

def async_client(**arguments):
    return anthropic.AsyncAnthropic(api_key="key", **arguments)

@pytest.fixture(autouse=True)
def quick():
    started = time.perf_counter()
    yield
    assert time.perf_counter() - started < 5  # real waits would take five seconds or more
"""
RETRIES = """
@LIMITED
def test_sdk(cassette):
    started, date = time.monotonic(), time.time()
    client().messages.create(**ASKED)
    assert 8 <= time.monotonic() - started < 14
    assert 8 <= time.time() - date < 14
    assert 8 <= cassette.clock.now() < 14

@LIMITED
def test_sdk_async(cassette):
    async def ask():
        started = time.monotonic(), asyncio.get_running_loop().time()
        await async_client().messages.create(**ASKED)
        return time.monotonic() - started[0], asyncio.get_running_loop().time() - started[1]
    assert all(8 <= one < 14 for one in asyncio.run(ask()))
    assert 8 <= cassette.clock.now() < 14

@LIMITED
def test_own_loop(cassette):
    started, sdk = monotonic(), client(max_retries=0)
    for _ in range(2):
        try:
            sdk.messages.create(**ASKED)
        except anthropic.RateLimitError as error:
            sleep(float(error.response.headers["retry-after"]))
    assert 8 <= monotonic() - started < 14

@LIMITED
def test_own_loop_async(cassette):
    async def ask():
        started, sdk = monotonic(), async_client(max_retries=0)
        for _ in range(2):
            try:
                await sdk.messages.create(**ASKED)
            except anthropic.RateLimitError as error:
                await asyncio.sleep(float(error.response.headers["retry-after"]))
        return monotonic() - started
    assert 8 <= asyncio.run(ask()) < 14

@LIMITED
@pytest.mark.parametrize("timeout", [lambda: asyncio.timeout(5), lambda: anyio.fail_after(5)])
def test_deadline(cassette, timeout):
    async def ask():
        with pytest.raises(TimeoutError):
            deadline = timeout()
            if hasattr(deadline, "__aenter__"):
                async with deadline:
                    await async_client().messages.create(**ASKED)
            with deadline:
                await async_client().messages.create(**ASKED)
        return cassette.clock.now()
    assert 5 <= asyncio.run(ask()) < 8

@LIMITED
def test_wait_for(cassette):
    async def ask():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(async_client().messages.create(**ASKED), 5)
    asyncio.run(ask())
    assert 5 <= cassette.clock.now() < 8

@LIMITED
def test_thread(cassette):
    async def ask():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(client().messages.create, **ASKED), 5)
    asyncio.run(ask())
    assert 8 <= cassette.clock.now() < 14

@pytest.mark.faults(stall(seconds=60))
def test_watchdog(cassette):
    async def ask():
        events = aiter(await async_client(max_retries=0).messages.create(stream=True, **ASKED))
        with pytest.raises(TimeoutError):
            while True:
                await asyncio.wait_for(anext(events), 5)
    asyncio.run(ask())
    assert cassette.clock.now() < 15
"""


def _run(pytester: pytest.Pytester, test: str, *options: str, settings: str = "") -> pytest.RunResult:
    pytester.makepyprojecttoml(PROJECT + settings)
    pytester.makepyfile(HEAD + dedent(test))
    return pytester.runpytest_subprocess("-pno:anyio", "-Wignore", *options)


@pytest.mark.parametrize("options", [RECORD, ("--disable-recording", "--harness-upstream=simulator")])
def test_waits_cost_nothing_and_deadlines_strike(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    """Of the SDK's retries, own loops and watchdogs, sync and async; the code's own clocks show what was waited."""
    _run(pytester, RETRIES, *options).assert_outcomes(passed=9)


def test_waits_of_a_recording_cost_nothing_either(pytester: pytest.Pytester) -> None:
    """What was recorded from the simulator is replayed at the same virtual times."""
    test = """
    @LIMITED
    def test_sdk(cassette):
        client().messages.create(**ASKED)
        assert 8 <= cassette.clock.now() < 14
    """
    _run(pytester, test, *RECORD).assert_outcomes(passed=1)
    assert list(pytester.path.glob("recordings/**/*.json"))
    _run(pytester, test).assert_outcomes(passed=1)


def test_waits_of_tenacity_cost_nothing(pytester: pytest.Pytester) -> None:
    """Sync and async, with a wait that the answer's header names, and with a deadline."""
    pytest.importorskip("tenacity")
    test = """
    import tenacity

    RETRY = tenacity.retry(
        wait=lambda state: float(state.outcome.exception().response.headers["retry-after"]),
        stop=tenacity.stop_after_attempt(2),
        retry=tenacity.retry_if_exception_type(anthropic.RateLimitError),
    )

    @LIMITED
    def test_sync(cassette):
        started = time.monotonic()
        RETRY(client(max_retries=0).messages.create)(**ASKED)
        assert 8 <= time.monotonic() - started < 14

    @LIMITED
    def test_async(cassette):
        @RETRY
        async def ask():
            return await async_client(max_retries=0).messages.create(**ASKED)
        started = time.monotonic()
        asyncio.run(ask())
        assert 8 <= time.monotonic() - started < 14

    @pytest.mark.faults(rate_limited(retry_after=8))
    def test_deadline(cassette):
        ask = tenacity.retry(wait=tenacity.wait_fixed(3), stop=tenacity.stop_after_delay(5))
        with pytest.raises(tenacity.RetryError):
            ask(client(max_retries=0).messages.create)(**ASKED)
        assert 6 <= cassette.clock.now() < 10
    """
    _run(pytester, test, *RECORD).assert_outcomes(passed=3)


REAL = """
def measure():
    started = time.perf_counter()
    time.sleep(0.05)
    return time.perf_counter() - started

{mark}
def test_real(cassette):
    client().messages.create(**ASKED)
    assert measure() >= 0.05

def test_without_fixture():
    assert time.sleep is BEFORE
    assert measure() >= 0.05

BEFORE = time.sleep
"""


@pytest.mark.parametrize(
    ("mark", "settings"),
    [("@pytest.mark.harness_real_time", ""), ("", '[tool.flag-harness]\ntime = "real"\n')],
    ids=["mark", "setting"],
)
def test_time_is_real_if_the_project_says_so(pytester: pytest.Pytester, mark: str, settings: str) -> None:
    """For one test by a mark, for all by a setting; a test without the fixtures has untouched clocks anyway."""
    _run(pytester, REAL.format(mark=mark), *RECORD, settings=settings).assert_outcomes(passed=2)


def test_a_wrong_setting_names_the_values(pytester: pytest.Pytester) -> None:
    """Before any test runs."""
    result = _run(pytester, "", settings='[tool.flag-harness]\ntime = "fast"\n')
    result.stderr.fnmatch_lines(['*pyproject.toml*[[]tool.flag-harness] time = *fast* must be "virtual" or "real"*'])


def test_time_is_real_beside_a_server_for_other_processes(pytester: pytest.Pytester) -> None:
    """A child that the server answers lives in real time, and the test waits for it."""
    pytest.importorskip("uvicorn")
    test = """
    def test_real(cassette, cassette_server):
        client(base_url=cassette_server.url).messages.create(**ASKED)
        started = time.perf_counter()
        time.sleep(0.05)
        assert time.perf_counter() - started >= 0.05
    """
    _run(pytester, test, *RECORD).assert_outcomes(passed=1)


def test_real_work_is_waited_for(pytester: pytest.Pytester) -> None:
    """Threads, pools, a local server and a child process keep their time, although the test sleeps for minutes."""
    test = """
    import subprocess, sys, urllib.request
    from concurrent.futures import ThreadPoolExecutor
    from http.server import BaseHTTPRequestHandler, HTTPServer

    REALLY = time.sleep

    def work():
        REALLY(0.1)
        return "done"

    @LIMITED
    def test_pool(cassette):
        with ThreadPoolExecutor() as pool:
            future = pool.submit(work)
            client().messages.create(**ASKED)
            assert future.done()

    @LIMITED
    def test_child(cassette):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.1)"])
        client().messages.create(**ASKED)
        assert child.poll() == 0

    class Service(BaseHTTPRequestHandler):
        def do_GET(self):
            REALLY(0.1)
            self.send_response(200)
            self.end_headers()
        def log_message(self, *arguments): pass

    @LIMITED
    def test_server(cassette):
        server = HTTPServer(("127.0.0.1", 0), Service)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5).status == 200
        client().messages.create(**ASKED)
        server.shutdown()
        server.server_close()

    def test_polling(cassette):
        client().messages.create(**ASKED)
        ready = threading.Event()
        threading.Thread(target=lambda: (REALLY(0.2), ready.set()), daemon=True).start()
        deadline = time.monotonic() + 5
        while not ready.is_set():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    """
    _run(pytester, test, *RECORD).assert_outcomes(passed=4)


def test_clocks_that_others_freeze_are_respected(pytester: pytest.Pytester) -> None:
    """Frozen clocks stand still; sleeps still cost nothing, and afterwards every clock is real."""
    pytest.importorskip("freezegun")
    test = """
    import datetime, freezegun

    BEFORE = time.sleep, time.time, time.monotonic

    @LIMITED
    def test_frozen(cassette):
        with freezegun.freeze_time("2030-01-01"):
            client().messages.create(**ASKED)
            assert datetime.datetime.now().year == 2030
        assert 8 <= cassette.clock.now() < 14

    @freezegun.freeze_time("2030-01-01")
    @LIMITED
    def test_decorated(cassette):
        client().messages.create(**ASKED)
        assert time.gmtime().tm_year == 2030

    def test_after():
        assert BEFORE == (time.sleep, time.time, time.monotonic)
    """
    _run(pytester, test, *RECORD).assert_outcomes(passed=3)
