"""`--harness-verify`: requests are sent again; drift fails, what cannot be told is inconclusive, nothing is written."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from flag_harness.simulator import simulate
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response, header_value

anthropic.Anthropic(api_key="x").close()  # all that this loads is loaded once, not by each of the runs in this process

KEY = "sk-ant-api03-notarealkeynotarealkey0000"
TEST = """
import anthropic
import pathlib
import pytest

@pytest.mark.scenario("talk")
def test_talk(cassette, tmp_path):
    pathlib.Path("ran").touch()
    messages = [{"role": "user", "content": "Hello."}]
    with anthropic.Anthropic(max_retries=0) as client:
        first = client.messages.create(model="claude-sonnet-5-5", max_tokens=200, messages=messages)
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": "Again."}]
        with client.messages.stream(model="claude-sonnet-5-5", max_tokens=200, messages=messages) as stream:
            assert "Hi" in stream.get_final_text()
"""
SCENARIO = '[[turn]]\nwhen = { user_contains = "." }\ntext = "Hi."\n'
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")
SIMULATED = ("--harness-verify", "--harness-upstream=simulator")
LIVE = ("--harness-verify",)


class Repository:
    """A stranger's repository in which one test was recorded from the simulator."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester, self.path = pytester, pytester.path
        pytester.makepyprojecttoml(
            """
            [tool.pytest.ini_options]
            addopts = "--strict-markers -p no:cacheprovider"
            asyncio_default_fixture_loop_scope = "function"
            """
        )
        self.cassette = self.path / "recordings" / "test_talk" / "test_talk.json"

    def record(self, source: str = TEST, scenario: str = SCENARIO) -> None:
        """Record it; what verifying must not do is taken away again."""
        self.scenario(scenario)
        self.pytester.makepyfile(test_talk=source)
        self.pytester.runpytest_inprocess(*RECORD).assert_outcomes(passed=1)
        (self.path / "ran").unlink(missing_ok=True)

    def scenario(self, text: str) -> None:
        """Let the simulator answer otherwise from now on."""
        path = self.path / "fixtures" / "scenarios" / "talk.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def verify(self, *options: str) -> tuple[int, str]:
        """Exit code and output. Holds that nothing is written, and that no line of the test is run."""
        before = _files(self.path)
        run = self.pytester.runpytest_inprocess(*options)
        assert before == _files(self.path)
        return int(run.ret), run.stdout.str()


def _files(path: Path) -> dict[str, tuple[bytes, int]]:
    kept = (one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts)
    return {str(one): (one.read_bytes(), one.stat().st_mtime_ns) for one in kept}


@pytest.fixture
def repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """One without a key."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return Repository(pytester)


class Live:
    """What stands on loopback in the place of the live API, and what it was sent."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.requests: list[Request] = []
        self._answer = answer

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return self._answer(request)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Request], Response]], Live]]:
    """Starts a server that `ANTHROPIC_BASE_URL` names, and sets a key."""
    servers: list[LoopbackServer] = []

    def start(answer: Callable[[Request], Response]) -> Live:
        one = Live(answer)
        servers.append(LoopbackServer(one).__enter__())
        monkeypatch.setenv("ANTHROPIC_BASE_URL", servers[-1].url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        return one

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def _error(status: int, kind: str) -> Response:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "No."}}).encode()
    return Head(0.0, status, (("content-type", "application/json"),)), Chunk(0.0, body), End(0.0)


def test_an_upstream_that_answers_as_it_did_has_not_drifted(repository: Repository) -> None:
    """Plain and streamed; the words may be others."""
    repository.record()
    repository.scenario(SCENARIO.replace("Hi.", "Hi there, how are you?"))
    code, output = repository.verify(*SIMULATED)
    assert 0 == code, output
    assert "1 passed" in output
    assert "answered: 1 run by the simulator" in output
    assert "--harness-verify: 2 requests of 1 test sent to: simulator; no answer has changed" in output


@pytest.mark.parametrize(
    ("scenario", "lines"),
    [
        (
            SCENARIO + 'call = [{ name = "look", input = {} }]\n',
            [
                "content: recorded ['text'], now ['text', 'tool_use:look']",
                "stop_reason: recorded end_turn, now tool_use",
            ],
        ),
        (
            'profile = "2025-05"\n' + SCENARIO,
            ["usage.cache_creation: recorded an object, now nothing"],
        ),
        (
            SCENARIO + '[turn.error]\nstatus = 400\ntype = "invalid_request_error"\nmessage = "Not so."\n',
            ["status: recorded 200, now 400 invalid_request_error: Not so."],
        ),
    ],
    ids=["blocks", "usage", "status"],
)
def test_drift_is_reported_by_path(repository: Repository, scenario: str, lines: list[str]) -> None:
    """With what was recorded, what comes now, and what to type; the test fails."""
    repository.record()
    if "turn.error" in scenario:
        scenario = scenario.replace('text = "Hi."\n', "")
    repository.scenario(scenario)
    code, output = repository.verify(*SIMULATED)
    assert 1 == code
    assert "1 failed" in output
    assert "  interaction 0, POST /v1/messages:" in output
    assert [] == [line for line in lines if line not in output], output
    command = "pytest test_talk.py::test_talk --record-mode=rewrite --harness-upstream=simulator"
    assert f"Nothing was written. To record what it answers now: {command}" in output


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate_limit_error"), (529, "overloaded_error"), (401, "authentication_error")]
)
def test_a_refusal_of_the_moment_is_inconclusive(repository: Repository, live: Any, status: int, kind: str) -> None:
    """It fails the run though nothing has drifted, and the upstream is left alone from then on."""
    repository.record()
    upstream = live(lambda request: _error(status, kind))
    code, output = repository.verify(*LIVE)
    assert 1 == code
    assert "1 inconclusive" in output
    assert "passed" not in output.splitlines()[-1]
    assert f"interaction 0, POST /v1/messages: inconclusive: it was answered with {status} {kind}: No." in output
    assert "1 more request was not sent" in output
    assert 1 == len(upstream.requests)


def test_a_refused_connection_is_inconclusive(
    repository: Repository, live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens there."""
    repository.record()
    live(lambda request: _error(500, "api_error"))
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    code, output = repository.verify(*LIVE)
    assert 1 == code
    assert "inconclusive: there was no answer (refused)" in output


def test_without_a_key_nothing_is_sent(repository: Repository, live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named."""
    repository.record()
    upstream = live(simulate())
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    code, output = repository.verify(*LIVE)
    assert 1 == code
    assert "inconclusive: there is no key for the live API: set ANTHROPIC_API_KEY" in output
    assert [] == upstream.requests


def test_the_live_api_is_asked_with_the_recorded_bytes_and_the_key(repository: Repository, live: Any) -> None:
    """And with the headers that the SDK adds; what it answers is compared."""
    repository.record()
    upstream = live(simulate(repository.path / "fixtures" / "scenarios" / "talk.toml"))
    code, output = repository.verify(*LIVE)
    assert 0 == code, output
    recorded = json.loads(repository.cassette.read_bytes())["interactions"]
    assert [one["request"]["json"] for one in recorded] == [json.loads(one.body) for one in upstream.requests]
    keys = {header_value(one.headers, "authorization").removeprefix("Bearer ") for one in upstream.requests}
    keys |= {header_value(one.headers, "x-api-key") for one in upstream.requests} - {""}
    assert {KEY} == keys - {""}
    assert all(header_value(one.headers, "anthropic-version") for one in upstream.requests)
    assert KEY not in output


@pytest.mark.parametrize(("dollars", "sent"), [("0", 0), ("0.00012", 1)])
def test_a_spending_cap_stops_before_the_request(repository: Repository, live: Any, dollars: str, sent: int) -> None:
    """It is asked before each one, and says what was spent."""
    repository.record()
    upstream = live(simulate(repository.path / "fixtures" / "scenarios" / "talk.toml"))
    code, output = repository.verify(*LIVE, f"--harness-verify-budget={dollars}")
    assert 1 == code
    assert f"interaction {sent}, POST /v1/messages: inconclusive: it would cost about $0.0" in output
    assert "are spent; allow more with --harness-verify-budget=DOLLARS" in output
    assert sent == len(upstream.requests)


def test_a_model_without_a_price_is_not_asked(repository: Repository, live: Any) -> None:
    """Nobody could keep a cap."""
    repository.record()
    upstream = live(simulate())
    text = repository.cassette.read_text().replace('"model": "claude-sonnet-5-5"', '"model": "claude-unheard-of"')
    repository.cassette.write_text(text)
    code, output = repository.verify(*LIVE)
    assert 1 == code
    assert "inconclusive: no list price is known for its model, so its cost cannot be estimated" in output
    assert [] == upstream.requests


def test_thinking_that_the_simulator_signed_is_not_sent_to_the_live_api(repository: Repository, live: Any) -> None:
    """The API would refuse it; what came before it is verified all the same."""
    thinking = SCENARIO + 'thinking = "A greeting."\n'
    source = TEST.replace("max_tokens=200,", 'max_tokens=200, thinking={"type": "adaptive"},')
    repository.record(source, thinking)
    upstream = live(simulate(repository.path / "fixtures" / "scenarios" / "talk.toml"))
    code, output = repository.verify(*LIVE)
    assert 1 == code
    sealed = "it contains a thinking block signed by the simulator, which the live upstream would refuse"
    assert f"interaction 1, POST /v1/messages: inconclusive: {sealed}" in output
    assert "interaction 0" not in output
    assert 1 == len(upstream.requests)


def test_tests_without_a_cassette_are_left_out_and_missing_ones_are_inconclusive(repository: Repository) -> None:
    """Async tests, classes and parameters are verified like any other."""
    repository.pytester.makepyfile(
        """
        import pytest

        def test_other(): raise AssertionError("it is not run")

        @pytest.mark.harness_no_request
        def test_quiet(cassette): raise AssertionError("it is not run")

        class TestAll:
            @pytest.fixture(autouse=True)
            def broken(self): raise AssertionError("it is not run")

            @pytest.mark.asyncio
            @pytest.mark.parametrize("one", [1, 2])
            async def test_it(self, cassette, one): raise AssertionError("it is not run")
        """
    )
    code, output = repository.verify(*SIMULATED, "-v")
    assert 1 == code
    assert {"2 deselected", "2 inconclusive"} <= set(re.split(", | in ", output.splitlines()[-1].strip("= ")))
    assert "TestAll::test_it[1] INCONCLUSIVE" in output
    assert ": nothing is recorded that could be verified" in output


def test_a_cassette_that_cannot_be_read_is_inconclusive(repository: Repository) -> None:
    """It says where."""
    repository.record()
    repository.cassette.write_text("{}")
    code, output = repository.verify(*SIMULATED)
    assert 1 == code
    assert "test_talk.json: cannot be read as a cassette" in output
    assert "1 inconclusive" in output


def test_workers_share_the_budget_and_hand_over_what_was_inconclusive(repository: Repository, live: Any) -> None:
    """Of a dollar's cap, each of two may spend half."""
    repository.record()
    upstream = live(simulate(repository.path / "fixtures" / "scenarios" / "talk.toml"))
    run = repository.pytester.runpytest_subprocess(*LIVE, "-n2", "--harness-verify-budget=0.00024", timeout=60)
    assert 1 == run.ret
    assert "1 inconclusive" in run.stdout.str()
    assert 1 == len(upstream.requests)


@pytest.mark.parametrize("dollars", ["-1", "inf", "nan"])
def test_a_budget_must_be_an_amount(repository: Repository, dollars: str) -> None:
    """A usage error, before anything is asked."""
    run = repository.pytester.runpytest_inprocess(*LIVE, f"--harness-verify-budget={dollars}")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    expected = f"ERROR: --harness-verify-budget={float(dollars)}: give US dollars, 0 or more, such as 0.50"
    assert expected in run.stderr.str()
