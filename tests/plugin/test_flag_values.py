"""Flags with several values, from their declaration to the report of a run."""

import json

import pytest

from flag_harness.cli import main

CONFIGURATION = """
[tool.flag-harness.flags]
streaming = "STREAM"
model = { env = "MODEL", values = { haiku = "claude-haiku-4-5", sonnet = "claude-sonnet-5" } }
tokens = { env = "TOKENS", values = [100, 200] }
"""
TEST = """
import os

import anthropic
import pytest

@pytest.mark.flag_matrix
def test_ask(cassette, flags):
    client = anthropic.Anthropic(max_retries=0)
    client.messages.create(
        model=os.environ["MODEL"],
        max_tokens=int(os.environ["TOKENS"]),
        stream=bool(os.environ.get("STREAM")),
        messages=[{"role": "user", "content": "Hello."}],
    )
    assert flags["model"] == os.environ["MODEL"]
    assert not CONDITION
"""
SIMULATED = ("--disable-recording", "--harness-upstream=simulator")
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with a switch, a choice of models and a choice of numbers."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_ask=TEST.replace("CONDITION", "False"))
    return pytester


def test_effects_name_the_value_that_has_them(repository: pytest.Pytester) -> None:
    """`model=sonnet`, beside the flags that are switches."""
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(passed=8)
    run.stdout.fnmatch_lines(
        [
            "streaming     stream: False → True (4 of 4 pairs)",
            "model=sonnet  model: claude-haiku-4-5 → claude-sonnet-5 (4 of 4 pairs)",
            "tokens=200    max_tokens: 100 → 200 (4 of 4 pairs)",
        ]
    )


def test_a_failure_is_blamed_on_a_value(repository: pytest.Pytester) -> None:
    """With the command that reproduces it."""
    condition = "(os.environ['MODEL'].startswith('claude-s') and flags['tokens'] == 100)"
    repository.makepyfile(test_ask=TEST.replace("CONDITION", condition))
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(passed=6, failed=2)
    run.stdout.fnmatch_lines(
        [
            "fails when model=sonnet and tokens=100: 1 test (test_ask.py::test_ask[[]*[]])",
            "  To reproduce: pytest 'test_ask.py::test_ask[[]model=sonnet[]]'*",
        ]
    )


def test_recordings_are_found_again_after_a_flag_is_added_at_its_default(repository: pytest.Pytester) -> None:
    """The names of the old combinations stay what they were, also if a value is added."""
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=8)
    names = sorted(path.stem for path in repository.path.glob("recordings/*/*.json"))
    assert "test_ask[streaming+model=sonnet+tokens=200]" in names
    more = 'planner = "PLANNER"\nsearch = { env = "SEARCH", values = ["a", "b"] }\n'
    repository.makepyprojecttoml(CONFIGURATION.replace("[100, 200]", "[100, 200, 300]") + more)
    run = repository.runpytest_subprocess("-k", "not planner and not search=b and not tokens=300")
    run.assert_outcomes(passed=8, deselected=40)


@pytest.mark.parametrize(
    ("expression", "count"),
    [("model=sonnet", 4), ("streaming+model=sonnet", 2), ("streaming and not model=sonnet", 2), ("tokens", 4)],
)
def test_k_selects_by_value(repository: pytest.Pytester, expression: str, count: int) -> None:
    """pytest alone refuses an expression with `=`."""
    run = repository.runpytest_subprocess(*SIMULATED, "-k", expression)
    run.assert_outcomes(passed=count, deselected=8 - count)


def test_effects_are_learnt_from_recordings_with_values(
    repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`flag-harness cassette effects` reads the ids back."""
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=8)
    monkeypatch.chdir(repository.path)
    capsys.readouterr()
    assert 0 == main(["cassette", "effects", "--json"])
    document = json.loads(capsys.readouterr().out)
    found = {effect["setting"]: (effect["value"], effect["path"]) for effect in document["effects"]}
    assert {
        "streaming": (True, "stream"),
        "model=sonnet": ("claude-sonnet-5", "model"),
        "tokens=200": (200, "max_tokens"),
    } == found


def test_a_mark_pins_a_value(repository: pytest.Pytester) -> None:
    """By the value, or by its name."""
    repository.makepyfile(
        test_pin="""
        import os
        import pytest

        @pytest.mark.flags(model="sonnet", tokens=200)
        def test_pinned(flags):
            assert ("claude-sonnet-5", "200") == (os.environ["MODEL"], os.environ["TOKENS"])
            assert flags.id == "model=sonnet+tokens=200"
        """
    )
    repository.runpytest_subprocess("test_pin.py").assert_outcomes(passed=1)
