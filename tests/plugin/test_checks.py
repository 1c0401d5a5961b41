"""The end of a test: what it swallowed, left undone or left out fails it, and each reason has a mark that allows it."""

import textwrap
from typing import Any

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.match.miss import BUG_ADVICE
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request

URL = "https://api.anthropic.com/v1/messages"
HEAD = Head(0.1, 200, (("content-type", "application/json"),))
MISS = """POST /v1/messages is not in {path} (1 interaction).
The nearest is interaction 0; it differs in:
  n: recorded 1, sent {sent}
To record it: pytest test_it.py::test_it --record-mode=rewrite --harness-upstream=live"""
UNPLAYED = """1 of 1 recorded interactions of {path} were not played: 0.
To record what the test does now: pytest test_it.py::test_it --record-mode=rewrite --harness-upstream=live"""
NO_REQUEST = (
    "The test sent no request. If that is its point, mark it @pytest.mark.harness_no_request; if a program that it "
    "starts sends requests, in Python or another language, write def test_it(cassette, cassette_server); if neither, "
    "its client is not one of httpx2 or httpx, or was never called."
)
NETWORK = (
    "this test plays recordings, but tried to reach 192.0.2.1:80; it is no host of the API: replace that "
    "call in the test, list the host in allowed_hosts of [tool.flag-harness], or let it through "
    "with @pytest.mark.harness_network"
)


def _recorded(pytester: pytest.Pytester, *pieces: Piece, upstream: Any = "live") -> str:
    """A cassette for `test_it.py::test_it` with one interaction, `{"n":1}`; its path."""
    path = pytester.path / "recordings" / "test_it" / "test_it.json"
    request = Request("POST", "/v1/messages", (("content-type", "application/json"),), b'{"n":1}')
    response = pieces or (HEAD, Chunk(0.2, b'{"id":"msg_01"}'), End(0.3))
    Cassette(CassetteMetadata(upstream, "2026-01-02T03:04:05Z"), (Interaction(request, response),)).save(path)
    return str(path.relative_to(pytester.path))


def _run(pytester: pytest.Pytester, body: str, *marks: str, asynchronous: bool = False) -> pytest.RunResult:
    lines = ["import asyncio, socket", "import httpx2, pytest", f"URL = {URL!r}"]
    lines += ["from flag_harness.faults import clean_end, overloaded, stream_error"]
    lines += [f"@pytest.mark.{mark}" for mark in (*marks, *(["asyncio"] if asynchronous else []))]
    lines += [
        f"{'async ' if asynchronous else ''}def test_it(cassette):",
        textwrap.indent(textwrap.dedent(body), "    "),
    ]
    pytester.makepyfile(test_it="\n".join(lines))
    plugins = ("cacheprovider", "hypothesispytest", "anyio", "respx")  # each costs more than the tests
    return pytester.runpytest_subprocess("-q", *(f"-pno:{name}" for name in plugins))


def _failure(run: pytest.RunResult) -> str:
    """What the one test failed with, without the line that names the code that sent a request."""
    run.assert_outcomes(failed=1)
    lines = run.stdout.lines
    start = next(place for place, line in enumerate(lines) if line.strip("_") == " test_it ")
    stop = next(place for place, line in enumerate(lines) if place > start and line.startswith(("===", "---")))
    return "\n".join(line for line in lines[start + 1 : stop] if not line.startswith(BUG_ADVICE))


SWALLOWING = """
    try:
        httpx2.post(URL, json={"n": 2})
    except BaseException:
        pass
"""
UNAWAITED = """
    client = cassette.async_http_client()
    asyncio.create_task(client.post(URL, json={"n": 2}))
    for _ in range(20):
        await asyncio.sleep(0)
"""
IN_A_THREAD = """
    import threading
    threading.excepthook = lambda arguments: None
    thread = threading.Thread(target=httpx2.post, args=(URL,), kwargs={"json": {"n": 2}})
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("body", [SWALLOWING, UNAWAITED, IN_A_THREAD], ids=["swallowing", "unawaited", "thread"])
def test_a_miss_that_nobody_saw_fails_the_test(pytester: pytest.Pytester, body: str) -> None:
    """With what the miss left unplayed."""
    path = _recorded(pytester)
    run = _run(pytester, body, asynchronous=body is UNAWAITED)
    assert f"{MISS.format(path=path, sent=2)}\n\n{UNPLAYED.format(path=path)}" == _failure(run)


def test_a_miss_is_allowed_by_its_mark(pytester: pytest.Pytester) -> None:
    """What it left unplayed has a mark of its own."""
    path = _recorded(pytester)
    assert UNPLAYED.format(path=path) == _failure(_run(pytester, SWALLOWING, "harness_misses"))
    _run(pytester, SWALLOWING, "harness_misses", "harness_unplayed").assert_outcomes(passed=1)


def test_no_request_fails_the_test(pytester: pytest.Pytester) -> None:
    """Where there is a cassette and where there is none."""
    assert NO_REQUEST == _failure(_run(pytester, "pass"))
    _recorded(pytester)
    assert NO_REQUEST == _failure(_run(pytester, "pass"))
    _run(pytester, "pass", "harness_no_request", "harness_unplayed").assert_outcomes(passed=1)


def test_the_network_fails_the_test(pytester: pytest.Pytester) -> None:
    """Though the attempt was swallowed, and everything recorded was played; its mark lets it through."""
    _recorded(pytester)
    body = """
        httpx2.post(URL, json={"n": 1})
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=0.1)
        except BaseException:
            pass
    """
    assert NETWORK == _failure(_run(pytester, body))
    reached = body.replace("except BaseException", "except OSError")
    _run(pytester, reached, "harness_network").assert_outcomes(passed=1)


READ_ON = """POST /v1/messages: the answer of interaction 0 of {path} \
ends where the recorded client stopped reading; this client read on.
To record it: pytest test_it.py::test_it --record-mode=rewrite --harness-upstream=live"""
READING = {
    "sync": """
        with cassette.http_client() as client, client.stream("POST", URL, json={"n": 1}) as response:
            for number, data in enumerate(response.iter_raw()):
                assert data == b"abc"
                if number == STOP: break
    """,
    "async": """
        async with cassette.async_http_client() as client, client.stream("POST", URL, json={"n": 1}) as response:
            number = 0
            async for data in response.aiter_raw():
                assert data == b"abc"
                if number == STOP: break
                number += 1
    """,
    "intercepted": """
        with httpx2.stream("POST", URL, json={"n": 1}) as response:
            for number, data in enumerate(response.iter_raw()):
                assert data == b"abc"
                if number == STOP: break
    """,
}


@pytest.mark.parametrize("way", READING)
def test_who_reads_on_where_the_recorded_client_stopped_misses(pytester: pytest.Pytester, way: str) -> None:
    """Who stops there too, or earlier, does not; and the miss is kept, though it be swallowed."""
    path = _recorded(pytester, HEAD, Chunk(0.2, b"abc"), Chunk(0.3, b"abc"), End(0.4, is_abandoned=True))
    body = textwrap.dedent(READING[way])
    swallowed = "try:\n" + textwrap.indent(body.strip(), "    ") + "\nexcept BaseException: pass"
    asynchronous = way == "async"
    for stop in (0, 1):
        _run(pytester, body.replace("STOP", str(stop)), asynchronous=asynchronous).assert_outcomes(passed=1)
    for source in (body, swallowed):
        run = _run(pytester, source.replace("STOP", "9"), asynchronous=asynchronous)
        assert READ_ON.format(path=path) == _failure(run)


def test_who_was_never_answered_misses(pytester: pytest.Pytester) -> None:
    """The recorded client had gone before anything came."""
    path = _recorded(pytester, End(0.4, is_abandoned=True))
    assert READ_ON.format(path=path) == _failure(_run(pytester, 'httpx2.post(URL, json={"n": 1})'))


def test_a_recorded_cut_is_no_miss(pytester: pytest.Pytester) -> None:
    """It is played as what it was."""
    _recorded(pytester, HEAD, Cut(0.4, "reset"))
    body = 'with pytest.raises(httpx2.ReadError):\n    httpx2.post(URL, json={"n": 1})'
    _run(pytester, body).assert_outcomes(passed=1)


STREAM = [
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_01","content":[],"usage":{}}}\n\n',
    'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta"}}\n\n',
    'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}\n\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]
TWICE = """
    seen = [httpx2.post(URL, json={"n": 1}).text for _ in range(TIMES)]
    assert ["message_stop" in text for text in seen] == EXPECTED
"""


def _streamed(pytester: pytest.Pytester) -> str:
    head = Head(0.1, 200, (("content-type", "text/event-stream"),))
    return _recorded(pytester, head, *(Chunk(0.2, event.encode()) for event in STREAM), End(0.3))


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ("clean_end(on=1)", [False, True]),
        ("clean_end(on=[1, 2])", [False, False, True]),
        ("clean_end(on=1), stream_error(on=1)", [False, True]),
        ("overloaded(on=1)", [False, True]),
    ],
)
def test_an_answer_that_a_fault_spoiled_is_served_again(
    pytester: pytest.Pytester, faults: str, expected: list[bool]
) -> None:
    """As often as it was spoiled, and not once more."""
    path = _streamed(pytester)
    body = TWICE.replace("EXPECTED", repr(expected))
    _run(pytester, body.replace("TIMES", str(len(expected))), f"faults({faults})").assert_outcomes(passed=1)
    run = _run(pytester, body.replace("TIMES", str(len(expected) + 1)), f"faults({faults})")
    assert (
        f"POST /v1/messages is not in {path} (1 interaction).\n"
        "It was recorded 1 time, and each answer has been played.\n"
        "To record it: pytest test_it.py::test_it --record-mode=rewrite --harness-upstream=live" == _failure(run)
    )


def test_what_a_failed_test_swallowed_is_told_once(pytester: pytest.Pytester) -> None:
    """Its failure says so, and an error of its teardown does not say it again."""
    _recorded(pytester)
    pytester.makepyfile(
        test_it=f"""
        import contextlib, httpx2, pytest

        @pytest.fixture
        def broken(cassette):
            yield
            raise RuntimeError("in the teardown")

        def test_it(broken):
            with contextlib.suppress(BaseException):
                httpx2.post({URL!r}, json={{"n": 2}})
            assert False
        """
    )
    run = pytester.runpytest_inprocess("-p", "no:asyncio", "-q")
    run.assert_outcomes(failed=1, errors=1)
    assert 1 == sum("POST /v1/messages is not in" in line for line in run.outlines)
