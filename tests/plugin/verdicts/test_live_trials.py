"""`--harness-verdict` at the live API: trials are unpaired, and the arms alternate over the whole run."""

import json
from collections.abc import Iterator
from random import Random

import pytest

from flag_harness.record import load_record
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

SUITE = """
import os
import httpx2, pytest

@pytest.fixture(scope="module")
def client():
    with httpx2.Client(base_url=os.environ["ANTHROPIC_BASE_URL"]) as client:
        yield client

@pytest.mark.flag_matrix("streaming")
@pytest.mark.parametrize("name", ["a", "b"])
def test_agent(cassette, client, flags, name):
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Refund."}]}
    response = client.post("/v1/messages", json=body, headers={"x-arm": f"{name} {'streaming' in flags}"})
    assert "refunded" in response.json()["content"][0]["text"]
"""
ROUNDS = 8


class RandomApi:
    """Stands for the live API: answers at random, and notes the arm and the bytes of each request."""

    def __init__(self) -> None:
        self.arms: list[str] = []
        self.requests: set[tuple[bytes, tuple[str, ...]]] = set()
        self.random = Random(5)

    def __call__(self, request: Request) -> Response:
        headers = dict(request.headers)
        self.arms.append(headers.pop("x-arm"))
        self.requests.add((request.body, tuple(sorted(headers))))
        text = "refunded" if self.random.random() < 0.6 else "no"
        content = [{"type": "text", "text": text}]
        usage = {"input_tokens": 10, "output_tokens": 10}
        message = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
        return (
            Head(0.0, 200, (("content-type", "application/json"),)),
            Chunk(0.0, json.dumps(message).encode()),
            End(0.0),
        )


@pytest.fixture
def api(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[RandomApi]:
    """A project with two tests under a flag, and a live API on loopback that answers at random."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(test_it=SUITE)
    api = RandomApi()
    with LoopbackServer(api, origin="live") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield api


def test_the_arms_of_live_trials_alternate_and_share_no_answer(pytester: pytest.Pytester, api: RandomApi) -> None:
    """Each round has each test once in each arm; no arm always comes first; nothing in a request pairs two trials."""
    options = ("--harness-upstream=live", "--disable-recording", "--harness-record=run.jsonl")
    run = pytester.runpytest_inprocess(*options, "--harness-verdict=streaming", f"--harness-repeat={ROUNDS}")
    run.stdout.fnmatch_lines([f"streaming: INCONCLUSIVE after {ROUNDS} rounds*"])
    run.stdout.no_fnmatch_line("*simulator*")
    off_first = ["a False", "b False", "a True", "b True"]
    rounds = [api.arms[start : start + 4] for start in range(0, len(api.arms), 4)]
    assert [sorted(off_first)] * ROUNDS == [sorted(one) for one in rounds]
    assert ["False", "True"] * (ROUNDS // 2) == [one[0].split()[1] for one in rounds]
    assert 1 == len(api.requests)
    record = load_record(pytester.path / "run.jsonl")
    assert [False] == [one.is_simulated for one in record.header.verdicts]
    passed = {(row.case, row.repetition): row.outcome == "passed" for row in record.rows}
    pairs = {(passed[case, number], passed[case.replace("off", "streaming"), number]) for case, number in passed}
    assert {(False, True), (True, False)} <= pairs
