"""`--harness-provider-retries`: trials that the provider of the live API breaks are repeated, counted and shown."""

import json
from collections.abc import Iterator

import pytest

from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response

SUITE = """
import os
import httpx2, pytest

@pytest.mark.flag_matrix("streaming")
def test_agent(cassette):
    body = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi."}]}
    assert httpx2.post(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json=body).status_code == 200
"""
OPTIONS = ("--harness-upstream=live", "--harness-repeat=2", "--harness-record=run.jsonl")


class BrokenApi:
    """Stands for the live API. Is overloaded for the first requests, and then answers."""

    def __init__(self) -> None:
        self.requests, self.broken = 0, 0
        self.broken_stream: Response = ()

    def __call__(self, request: Request) -> Response:
        self.requests += 1
        if self.broken_stream and self.requests <= self.broken:
            return self.broken_stream
        status = 529 if self.requests <= self.broken else 200
        message = json.dumps({"type": "message", "content": []}).encode()
        return Head(0.0, status, (("content-type", "application/json"),)), Chunk(0.0, message), End(0.0)


@pytest.fixture
def api(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokenApi]:
    """A project with one test, and a live API on loopback. Nobody waits between retries."""
    monkeypatch.setattr("flag_harness.plugin.verdicts.provider_trouble.time.sleep", lambda seconds: None)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(test_it=SUITE)
    api = BrokenApi()
    with LoopbackServer(api, origin="live") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield api


def _provider_failures(pytester: pytest.Pytester) -> list[int]:
    lines = (pytester.path / "run.jsonl").read_text().splitlines()[1:]
    return [json.loads(line)["provider_failures"] for line in lines]


def test_a_broken_trial_is_repeated_and_the_verdict_counts_it(pytester: pytest.Pytester, api: BrokenApi) -> None:
    """The trial is no failure, and only its last run is recorded."""
    api.broken = 2
    run = pytester.runpytest_inprocess(*OPTIONS, "--harness-verdict=streaming", "--record-mode=once")
    run.stdout.fnmatch_lines(
        [
            "streaming: INCONCLUSIVE after 2 rounds*the same with and without the flag",
            "  trials that the provider broke: 2 repeated, 0 trials stayed broken, and are neither pass nor fail",
            "*= 4 passed in *",
        ]
    )
    assert [2, 0, 0, 0] == _provider_failures(pytester)
    assert 6 == api.requests


@pytest.mark.parametrize(
    "last",
    [
        (Cut(0.0, "eof"),),
        (Chunk(0.0, b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'), End(0.0)),
    ],
    ids=["cut", "error"],
)
def test_a_stream_that_breaks_off_is_no_failed_trial(pytester: pytest.Pytester, api: BrokenApi, last: Response) -> None:
    """Otherwise a flag that turns streaming on would look harmful. No part of the answer is kept for a resumed run."""
    pytester.makepyfile(test_it=SUITE.replace("status_code == 200", 'text.startswith("{")'))
    api.broken_stream = (Head(0.0, 200, (("content-type", "text/event-stream"),)), Chunk(0.0, b": \n\n"), *last)
    api.broken = 1
    options = (*OPTIONS, "--harness-provider-retries=0", "--harness-report-content=full")
    run = pytester.runpytest_inprocess(*options, "--harness-verdict=streaming", "--disable-recording")
    run.stdout.fnmatch_lines(["  trials that the provider broke: 0 repeated, 1 trial stayed broken*"])
    assert 3 == len((pytester.path / "run.answers.jsonl").read_text().splitlines())


def test_a_trial_that_stays_broken_is_neither_pass_nor_fail(pytester: pytest.Pytester, api: BrokenApi) -> None:
    """Its round does not count, and nothing is recorded of it. Without a verdict, it fails."""
    api.broken = 2
    options = (*OPTIONS, "--harness-provider-retries=1")
    run = pytester.runpytest_inprocess(*options, "--harness-verdict=streaming", "--record-mode=once")
    run.stdout.fnmatch_lines(
        [
            "streaming: INCONCLUSIVE after 1 round;*",
            "  trials that the provider broke: 1 repeated, 1 trial stayed broken, and is neither pass nor fail",
        ]
    )
    assert 3 == len(list((pytester.path / "recordings").rglob("test_agent*.json")))
    api.broken = api.requests + 2
    run = pytester.runpytest_inprocess(*options, "--disable-recording")
    run.stdout.fnmatch_lines(["trials that the provider broke: 1 repeated, 1 trial stayed*", "*1 failed, 3 passed*"])
    run.stdout.fnmatch_lines(["repeated: streaming: 2 runs of 1 test: pass rate 100.0%*"])


def test_a_negative_number_of_retries_is_refused(pytester: pytest.Pytester) -> None:
    """The message says what to give."""
    run = pytester.runpytest_inprocess("--harness-provider-retries=-1")
    run.stderr.fnmatch_lines(["*--harness-provider-retries=-1: give a number of retries from 0"])


def test_a_run_that_the_cost_limit_refused_is_not_one_that_the_provider_broke(
    pytester: pytest.Pytester, api: BrokenApi
) -> None:
    """It counts as neither pass nor fail, and runs again if the run is resumed."""
    run = pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", "--harness-max-cost=0.000001")
    assert "stayed broken" not in run.stdout.str()
    assert "pass rate" not in run.stdout.str()
    rows = [json.loads(line) for line in (pytester.path / "run.jsonl").read_text().splitlines()[1:]]
    assert [("failed", 1)] * 4 == [(row["outcome"], row["refusals"]) for row in rows if "outcome" in row]
    resume = (*OPTIONS[:2], "--harness-resume=run.jsonl", "--disable-recording", "--harness-max-cost=1")
    pytester.runpytest_inprocess(*resume).stdout.fnmatch_lines(["resumed: 0 runs of run.jsonl*", "*= 4 passed*"])
