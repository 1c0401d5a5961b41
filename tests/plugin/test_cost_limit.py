"""`--harness-max-cost`: how much a run may spend at the live API."""

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

import pytest

from flag_harness.analysis.spending import estimate_input_cost
from flag_harness.errors import Refusal
from flag_harness.models import find_model
from flag_harness.plugin.limits.cost_limit import CostLimit
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.layers import faulty
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, Upstream
from flag_harness.wire.usage import Usage

LIVE = ("--disable-recording", "--harness-upstream=live")

SUITE = """
import os
import httpx2

BODY = {"model": "claude-haiku-4-5", "max_tokens": 100000, "messages": [{"role": "user", "content": "Hi."}]}

def send():
    try:
        httpx2.post(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json=BODY)
    except Exception:
        pass

def test_one(cassette):
    send()
    send()

def test_other(cassette):
    send()
"""


@pytest.fixture(autouse=True)
def _without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has a share of the limit; the runs in here are not workers, wherever this test runs."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)


class PricedApi:
    """An API whose answers cost half a dollar each, at the list price of claude-haiku-4-5."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        usage = {"input_tokens": 0, "output_tokens": 100_000}
        message = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": usage}
        return (
            Head(0.0, 200, (("content-type", "application/json"),)),
            Chunk(0.0, json.dumps(message).encode()),
            End(0.0),
        )


def test_no_request_is_sent_once_the_answers_have_cost_the_limit(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third request of a run is refused: it fails the test that sends it, which cannot swallow that."""
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(SUITE)
    api = PricedApi()
    with LoopbackServer(api) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        run = pytester.runpytest_subprocess(*LIVE, "--harness-max-cost=0.75")
    run.assert_outcomes(passed=1, failed=1)
    assert 2 == len(api.requests)
    run.stdout.fnmatch_lines(
        [
            "POST /v1/messages was not sent: it would cost about $0.0*; $1.0000 of $0.75 are spent.",
            "To allow more: --harness-max-cost=DOLLARS; to spend nothing: --harness-upstream=simulator",
        ]
    )


def test_a_model_without_a_price_is_refused(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that cannot be held lets nothing through."""
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(SUITE.replace("claude-haiku-4-5", "somebody-elses-model"))
    api = PricedApi()
    with LoopbackServer(api) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        run = pytester.runpytest_subprocess(*LIVE, "--harness-max-cost=0.75")
    run.assert_outcomes(failed=2)
    assert [] == api.requests
    run.stdout.fnmatch_lines(["POST /v1/messages was not sent: no list price is known for its model*"])


def test_the_simulator_costs_nothing(pytester: pytest.Pytester) -> None:
    """The limit is for the live API alone."""
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(SUITE.replace('os.environ["ANTHROPIC_BASE_URL"]', '"https://api.anthropic.com"'))
    run = pytester.runpytest_subprocess(
        "--disable-recording", "--harness-upstream=simulator", "--harness-max-cost=0.000001"
    )
    run.assert_outcomes(passed=2)


@pytest.mark.parametrize("amount", ["0", "-1", "nan", "inf"])
def test_what_is_not_an_amount_is_a_usage_error(pytester: pytest.Pytester, amount: str) -> None:
    """With what to type."""
    run = pytester.runpytest_subprocess(f"--harness-max-cost={amount}")
    assert 4 == run.ret
    run.stderr.fnmatch_lines(["ERROR: --harness-max-cost=*: not an amount; type dollars, such as 0.50"])


def test_requests_at_the_same_time_exceed_the_limit_by_one_at_most() -> None:
    """In 200 runs of one worker with four threads each."""
    exceeded, refused = [], 0
    for seed in range(200):
        api, random, refusals = CountingApi(seed), Random(seed), list[Refusal]()
        upstream = faulty(api, CostLimit(0.05).make_cost_limit_layer(refusals))
        requests = [_request(random.randrange(1, 3000), random.randrange(1, 2000)) for _ in range(12)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(partial(_send, upstream), requests))
        refused += bool(refusals)
        if sum(api.costs) > 0.05 + max(api.costs):
            exceeded.append(seed)
    assert [] == exceeded
    assert refused > 100


def _request(max_tokens: int, words: int) -> Request:
    messages = [{"role": "user", "content": "word " * words}]
    body = {"model": "claude-sonnet-4-5", "max_tokens": max_tokens, "messages": messages}
    return Request("POST", "https://api.anthropic.com/v1/messages", (), json.dumps(body).encode())


def _send(upstream: Upstream, request: Request) -> None:
    with contextlib.suppress(Refusal):
        upstream(request)


RANDOM_SUITE = """
import os
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx2
import pytest

RANDOM = Random({seed})

def send(model, tokens, words):
    body = {{"model": model, "max_tokens": tokens, "messages": [{{"role": "user", "content": "word " * words}}]}}
    try:
        httpx2.post(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json=body)
    except Exception:
        pass

@pytest.mark.harness_no_request
@pytest.mark.parametrize("number", range(8))
def test_it(cassette, number):
    calls = [
        (RANDOM.choice(["claude-haiku-4-5", "claude-sonnet-4-5"]), RANDOM.randrange(1, 3000), RANDOM.randrange(1, 2000))
        for _ in range(RANDOM.randrange(1, 6))
    ]
    if RANDOM.random() < 0.5:
        for call in calls:
            send(*call)
    else:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda call: send(*call), calls))
"""


class CountingApi:
    """An API that adds up what its answers cost. They have up to `max_tokens`, and take a moment."""

    def __init__(self, seed: int) -> None:
        self.costs: list[float] = []
        self._random = Random(seed)

    def __call__(self, request: Request) -> Response:
        body = json.loads(request.body)
        usage = Usage(len(request.body) // 4, self._random.randrange(body["max_tokens"]) + 1)
        cost = find_model(body["model"]).cost(usage)
        assert cost is not None
        self.costs.append(cost)
        time.sleep(0.005)
        reported = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        message = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": reported}
        return (
            Head(0.0, 200, (("content-type", "application/json"),)),
            Chunk(0.0, json.dumps(message).encode()),
            End(0.0),
        )


@pytest.mark.parametrize("workers", [0, 2])
def test_no_run_spends_more_than_the_limit_and_one_request_a_worker(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, deep: bool, workers: int
) -> None:
    """Five runs (200 in a deep run) with requests one after another and at once; most of them hit the limit."""
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    runs = (160 if deep else 4) if workers == 0 else (40 if deep else 1)
    refused = 0
    for seed in range(runs):
        pytester.makepyfile(RANDOM_SUITE.format(seed=seed))
        api = CountingApi(seed)
        with LoopbackServer(api, threaded=True) as server:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            run = pytester.runpytest_subprocess(*LIVE, "--harness-max-cost=0.05", "-q", "-n", str(workers))
        outcomes = run.parseoutcomes()
        assert 8 == sum(outcomes.get(name, 0) for name in ("passed", "failed"))
        assert sum(api.costs) <= 0.05 + max(workers, 1) * max(api.costs), f"seed {seed}: {api.costs}"
        assert sum(api.costs) > 0.0
        refused += bool(outcomes.get("failed"))
    assert refused > runs // 2


def test_an_answer_that_was_cut_costs_its_input() -> None:
    """Its usage is not known, so the expected cost stays."""
    limit, request = CostLimit(1.0), _request(100, 1000)
    upstream = faulty(lambda request: (Cut(0.1, "reset"),), limit.make_cost_limit_layer([]))
    list(upstream(request))
    assert estimate_input_cost(request) == limit._budget.spent
