"""What a run reports of flags that are read through OpenFeature, and how other processes and the sweep read them."""

from pathlib import Path

import pytest

from flag_harness.errors import FlagError
from flag_harness.flag import Flag
from flag_harness.matrix import Combination
from flag_harness.sweep import SweepContext, run_trial

api = pytest.importorskip("openfeature.api", reason="pip install 'flag-harness[openfeature]'")

FLAGS = """
[tool.flag-harness.flags]
ranker = { openfeature = "ranker", values = ["a", "b"] }
limit = { openfeature = "limit", values = [1, 2] }
theme = { openfeature = "theme" }
"""
SUITE = """
import pytest
from openfeature import api

client = api.get_client()

@pytest.mark.flag_matrix("ranker")
def test_rank(flags):
    if flags["ranker"] == "b":
        assert 1 == client.get_integer_value("limit", 0)
    assert flags["ranker"] == client.get_string_value("ranker", "")

def test_typo(flags):
    assert "none" == client.get_string_value("rankr", "none")
"""
LINES = [
    "*flags read through OpenFeature*",
    "'rankr' was read but is not declared; the nearest is 'ranker'; known: *: test_agent.py::test_typo",
    "ranker was not read in 1 of 2 tests: test_agent.py::test_typo",
    "limit was not read in 1 of 2 tests: test_agent.py::test_typo",
    "theme was never read: test_agent.py::test_rank[[]*[]], test_agent.py::test_typo",
]
SERVED = """
import json
import urllib.error
import urllib.request

import pytest

def post(url):
    request = urllib.request.Request(url, data=b"{}", method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)

@pytest.mark.flags(ranker="b")
@pytest.mark.harness_no_request
def test_server(cassette_server, flags):
    url = f"{cassette_server.url}/ofrep/v1/evaluate/flags"
    status, found = post(f"{url}/ranker")
    metadata = {"flag": "ranker", "combination": "ranker=b"}
    assert (200, "b") == (status, found["value"])
    assert {"key": "ranker", "value": "b", "reason": "STATIC", "variant": "b", "metadata": metadata} == found
    assert (404, "FLAG_NOT_FOUND") == (lambda status, body: (status, body["errorCode"]))(*post(f"{url}/rankr"))
    assert ["ranker", "limit", "theme"] == [one["key"] for one in post(url)[1]["flags"]]
"""
AGENT = """
import anthropic
from openfeature import api

READ = []

class Agent:
    def __init__(self, context):
        self.client = anthropic.AsyncAnthropic(http_client=context.http_client(), api_key="x")

    async def run(self, prompt):
        READ.append(api.get_client().get_string_value("ranker", "none"))
        with open("read.txt", "a") as file:
            file.write(READ[-1])
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_reads_that_do_not_fit_are_listed(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Each with the tests, whichever worker ran them; a test's combinations count together."""
    pytester.makepyprojecttoml(FLAGS)
    pytester.makepyfile(test_agent=SUITE)
    run = pytester.runpytest_subprocess("-p", "no:asyncio", *workers)
    run.assert_outcomes(passed=3)
    run.stdout.fnmatch_lines(LINES)


def test_a_run_that_reads_what_it_declares_says_nothing(pytester: pytest.Pytester) -> None:
    """No section without lines."""
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\nranker = { openfeature = "ranker", values = ["a", "b"] }')
    suite = SUITE.partition("def test_typo")[0].replace('assert 1 == client.get_integer_value("limit", 0)', "pass")
    pytester.makepyfile(suite)
    assert "flags read through" not in pytester.runpytest_inprocess("-p", "no:asyncio").stdout.str()


def test_other_processes_read_flags_from_the_server(pytester: pytest.Pytester) -> None:
    """In the protocol of OpenFeature's remote providers, all at once or by key."""
    pytester.makepyprojecttoml(FLAGS)
    pytester.makepyfile(SERVED)
    options = ("--disable-recording", "--harness-upstream=simulator")
    pytester.runpytest_subprocess("-p", "no:asyncio", *options).assert_outcomes(passed=1)


def test_the_sweep_sets_openfeature_flags(pytester: pytest.Pytester) -> None:
    """The agent reads each combination's value."""
    pytester.makepyprojecttoml(FLAGS.split("limit")[0] + '[tool.flag-harness]\nagent = "swept_agent:Agent"\n')
    pytester.makepyfile(swept_agent=AGENT)
    pytester.runpytest_subprocess("-p", "no:asyncio", "--harness-sweep=faults", "--harness-fault=overloaded:on=1")
    assert {"a", "b"} == set((pytester.path / "read.txt").read_text())


def test_a_wrong_read_ends_a_trial_of_the_sweep(tmp_path: Path) -> None:
    """The agent would go on with the default."""

    class WrongAgent:
        def __init__(self, context: SweepContext) -> None:
            self.context = context

        async def run(self, prompt: str) -> None:
            api.get_client().get_boolean_value("ranker", True)

    combination = Combination((Flag("ranker", openfeature="ranker", values=("a", "b"), default="a"),), (1,))
    with pytest.raises(FlagError, match="'ranker' as boolean failed"):
        run_trial(WrongAgent, None, combination, tmp_path)
