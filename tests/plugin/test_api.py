"""docs/api.md: its examples run, and it lists what there is."""

import re
from pathlib import Path

import pytest

import flag_harness

API = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
ASK = """
import anthropic, pytest
def ask(text):
    content = [{"role": "user", "content": text}]
    anthropic.Anthropic().messages.create(model="claude-haiku-4-5", max_tokens=64, messages=content)
"""


def _example(name: str) -> str:
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```", API, re.DOTALL | re.MULTILINE)
    return next(block for block in blocks if name in block)


def test_the_example_of_respx_routes_runs(pytester: pytest.Pytester) -> None:
    """As it is pasted."""
    pytester.makepyfile(_example("harness_respx"))
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_usage_and_cost_are_those_of_the_answers(pytester: pytest.Pytester) -> None:
    """The example runs, played and recorded; a body is decoded once; the figures grow with each answer."""
    more = """
    assert cassette.bodies[0] is cassette.bodies[0]
    first = cassette.usage.output_tokens, cassette.cost
    ask("Hello.")
    assert (first[0] * 2, first[1] * 2) == (cassette.usage.output_tokens, cassette.cost)
    assert [2, "POST"] == [len(cassette.bodies), cassette.exchanges[1][0].method]
"""
    pytester.makepyfile(ASK + _example("costs_less") + more)
    for options in (("--record-mode=once", "--harness-upstream=simulator"), ()):
        pytester.runpytest_subprocess("-p", "no:cacheprovider", *options).assert_outcomes(passed=1)


def test_public_fixtures_are_listed_by_pytest(pytester: pytest.Pytester) -> None:
    """Each with its first sentence; the page names each, too."""
    shown = pytester.runpytest_subprocess("--fixtures", "-p", "no:cacheprovider").stdout.str()
    names = set(re.findall(r"^(\w+)(?: \[\w+ scope\])? -- .*flag_harness/plugin", shown, re.MULTILINE))
    assert {
        "cassette",
        "cassette_server",
        "flags",
        "harness_cassette",
        "harness_cassette_path",
        "harness_cassette_server",
        "harness_combination",
        "harness_filters",
        "harness_normalisers",
        "harness_respx",
        "harness_scenarios",
        "harness_score",
        "harness_set_flags",
    } == names
    assert [] == [name for name in sorted(names) if f"`{name}`" not in API]
    assert "no docstring available" not in shown[shown.index("flag_harness") :].partition("fixtures defined")[0]


def test_every_public_name_is_on_the_page() -> None:
    """What can be imported is described."""
    assert [] == [name for name in flag_harness.__all__ if f"`{name}`" not in API]
