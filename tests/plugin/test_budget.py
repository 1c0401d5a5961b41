"""`@pytest.mark.budget`: what the requests of one test may use."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from flag_harness.plugin.limits.budget import _amount_texts_per_request
from flag_harness.wire.usage import Usage

CONFIGURATION = """
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator -p no:cacheprovider"
[tool.flag-harness]
"""
TEST = """
import anthropic, pytest

def ask(text="hello"):
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    anthropic.Anthropic().messages.create(**body)

"""


def _run(pytester: pytest.Pytester, test: str, settings: str = "", arguments: Sequence[str] = ()) -> pytest.RunResult:
    pytester.makepyprojecttoml(CONFIGURATION + settings)
    pytester.makepyfile(test_it=TEST + test)
    return pytester.runpytest(*arguments)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("requests=1", "The test's number of requests is 2, over its budget of 1."),
        (
            "cost=0.00001",
            "The test's cost at list price is $0.000*, over its budget of $0.0000 (by request: $0.0*, $0.0*).",
        ),
        ("input_tokens=3", "The test's number of input tokens is *, over its budget of 3 (by request: *, *)."),
        ("output_tokens=3", "The test's number of output tokens is *, over its budget of 3 (by request: *, *)."),
        ("seconds=0.001", "The test's time for answers is * s, over its budget of 0.00 s (by request: * s, * s)."),
    ],
)
def test_a_test_above_its_budget_fails(pytester: pytest.Pytester, limit: str, words: str) -> None:
    """The message says how much each request used, and how to allow it."""
    test = f"@pytest.mark.budget({limit})\ndef test_two(cassette): ask(); ask()"
    run = _run(pytester, test)
    run.assert_outcomes(failed=1)
    name = limit.partition("=")[0]
    run.stdout.fnmatch_lines([words.replace("[", "[[]"), f"To allow it: @pytest.mark.budget({name}=...), or *"])


def test_the_nearest_mark_counts_and_the_configuration_is_the_default(pytester: pytest.Pytester) -> None:
    """A mark on a test goes before one on its module, and both before the configuration."""
    test = """
pytestmark = pytest.mark.budget(requests=2)
@pytest.mark.budget(requests=3)
def test_three(cassette): ask(); ask(); ask()
def test_two(cassette): ask(); ask()
def test_many_tokens(cassette): ask("word " * 500)
"""
    run = _run(pytester, test, "budget = { requests = 1, input_tokens = 400 }")
    run.assert_outcomes(passed=2, failed=1)
    run.stdout.fnmatch_lines(["The test's number of input tokens is *, over its budget of 400*"])


def test_a_cost_without_a_price_is_not_within_a_budget(pytester: pytest.Pytester) -> None:
    """It may be anything."""
    test = """
@pytest.mark.budget(cost=1)
def test_it(cassette):
    body = {"model": "claude-mythos-preview", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
    anthropic.Anthropic().messages.create(**body)
"""
    run = _run(pytester, test)
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["The test's cost at list price is unknown, so it may be over its budget of $1.0000: *"])


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("budget(costs=1)", "*@pytest.mark.budget has no limit 'costs'; the nearest is 'cost'*"),
        ("budget(cost='$1')", "*@pytest.mark.budget: cost='$1' must be a number from 0"),
        ("budget(1)", "*@pytest.mark.budget takes limits by name (cost, requests*"),
        ("budget(requests=-1)", "*requests=-1 must be a number from 0"),
    ],
)
def test_a_wrong_budget_is_one_clear_error(pytester: pytest.Pytester, mark: str, words: str) -> None:
    """Before the first test."""
    run = _run(pytester, f"@pytest.mark.{mark}\ndef test_it(cassette): ask()")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([words])


def test_a_budget_of_a_test_without_the_fixture_is_an_error(pytester: pytest.Pytester) -> None:
    """Nothing would be counted."""
    run = _run(pytester, "@pytest.mark.budget(requests=1)\ndef test_it(): pass")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(["*test_it.py::test_it: @pytest.mark.budget counts the requests of the fixture cassette*"])


def test_a_wrong_setting_is_named(pytester: pytest.Pytester) -> None:
    """With the nearest key."""
    run = _run(pytester, "", "budget = { cost = -1 }")
    run.stderr.fnmatch_lines(["*[[]tool.flag-harness.budget[]] cost = -1 must be a number from 0"])
    run = _run(pytester, "", "budget = { costs = 1 }")
    run.stderr.fnmatch_lines(["*[[]tool.flag-harness.budget[]] has no key 'costs'; the nearest is 'cost'*"])


def test_a_budget_does_not_stop_a_verification(pytester: pytest.Pytester) -> None:
    """Its items use no fixture of the test, so the mark cannot be checked."""
    run = _run(
        pytester, "@pytest.mark.budget(requests=1)\ndef test_one(cassette): ask()", arguments=["--harness-verify"]
    )
    run.assert_outcomes()
    run.stdout.fnmatch_lines(["*1 inconclusive*"])


def test_a_request_without_a_price_is_said_to_be_unknown() -> None:
    """Beside the others, which have one."""
    known, unknown = SimpleNamespace(usage=Usage(1, 2), cost=0.5), SimpleNamespace(usage=None, cost=None)
    traffic = SimpleNamespace(request_metrics=[known, unknown])
    assert ["$0.5000", "unknown"] == list(_amount_texts_per_request("cost", traffic))  # type: ignore[arg-type]
