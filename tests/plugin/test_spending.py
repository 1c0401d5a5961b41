"""What a live run will cost, before it starts, and what it has cost, at its end."""

import json
from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.plugin.limits.spending import cost_by_recorded_nodeid
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

SUITE = """
import os
import httpx2

BODY = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi."}]}

def test_one(cassette):
    httpx2.post(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json=BODY)

def test_other(cassette):
    httpx2.post(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json=BODY)

def test_plain(): pass
"""
LIVE = "--harness-upstream=live"


def _answer(request: Request) -> Response:
    """Answer for half a dollar, at the list price of claude-haiku-4-5."""
    usage = {"input_tokens": 0, "output_tokens": 100_000}
    message = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": usage}
    return Head(0.0, 200, (("content-type", "application/json"),)), Chunk(0.0, json.dumps(message).encode()), End(0.0)


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(SUITE)
    return pytester


def _lines(run: pytest.RunResult, start: str) -> list[str]:
    return [line for line in run.outlines if line.startswith(start)]


def test_the_cost_is_said_before_a_live_run_and_after_it(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the recordings, and for a test without one by their average; a test that plays costs nothing."""
    with LoopbackServer(_answer) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        first = suite.runpytest_subprocess(LIVE, "--record-mode=once", "-k", "one")
        second = suite.runpytest_subprocess(LIVE, "--record-mode=once")
        third = suite.runpytest_subprocess(LIVE, "--record-mode=rewrite", "--harness-max-cost=5")
        played = suite.runpytest_subprocess(LIVE, "--record-mode=none", "--harness-max-cost=5")
        nothing_new = suite.runpytest_subprocess(LIVE, "--record-mode=once")
        workers = suite.runpytest_subprocess(LIVE, "--record-mode=rewrite", "-n2")
    start, advice = "live API, at list price: ", "; to limit it: --harness-max-cost=DOLLARS"
    assert [f"{start}an unknown amount for 1 test without a recording{advice}"] == _lines(first, start)
    assert [f"{start}about $0.5000 for 1 test without a recording, by the average{advice}"] == _lines(second, start)
    again = f"{start}about $1.0000 for 2 tests, as when they were recorded"
    assert [f"{again}; the limit is $5"] == _lines(third, start)
    assert [f"{again}{advice}"] == _lines(workers, start)
    assert [] == _lines(played, start) + _lines(nothing_new, start)
    assert ["spent at the live API: $1.0000 at list price, by 2 tests with 2 requests"] == _lines(third, "spent at")
    assert [] == _lines(played, "spent at")
    for run, count in ((played, 1), (third, 0), (nothing_new, 0)):
        assert count == len(_lines(run, "--harness-max-cost limits what the live API costs; nothing was sent there"))


def test_a_git_lfs_pointer_is_named_as_such(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to type, for a cassette that was cloned without its content."""
    with LoopbackServer(_answer) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        suite.runpytest_subprocess(LIVE, "--record-mode=once", "-k", "one").assert_outcomes(passed=1)
        (path,) = Path("recordings").rglob("*.json")
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", encoding="utf-8")
        run = suite.runpytest_subprocess("-k", "one")
    assert 1 == run.ret
    run.stdout.fnmatch_lines(["*it is a Git LFS pointer, and the content is not here; type `git lfs pull`*"])


def test_a_file_that_is_no_cassette_has_no_price(tmp_path: Path) -> None:
    """The other recordings have theirs."""
    body = {"model": "claude-haiku-4-5", "max_tokens": 100_000}
    request = Request("POST", "/v1/messages", (), json.dumps(body).encode())
    recorded = Interaction(request, _answer(request))
    Cassette(CassetteMetadata("live", "2026-01-02T03:04:05Z", case="test_a"), (recorded,)).save(tmp_path / "a.json")
    (tmp_path / "broken.json").write_text("{")
    assert {"test_a": 0.5} == cost_by_recorded_nodeid(sorted(tmp_path.glob("*.json")))
