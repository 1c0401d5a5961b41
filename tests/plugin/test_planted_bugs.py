"""Bugs that agents have had, planted one at a time: the sweep finds each without the help of the test's assertions."""

from pathlib import Path

import pytest

AGENT = Path(__file__).parents[1] / "sweep" / "planted_agent.py"
SETTINGS = """
[tool.flag-harness.sweep]
tools = "real"
reported = ["planted_agent.AgentError"]
assertions = false
usage = "planted_agent:usage"
"""
SCENARIO = AGENT.with_name("sums.toml")
TEST = """
import asyncio

import pytest
from planted_agent import Agent


@pytest.fixture
def agent(cassette):
    return Agent()


@pytest.mark.scenario("sums")
def test_conversation(agent):
    async def talk():
        return [await agent.ask(prompt) for prompt in ("What is 2 + 3?", "And 4 + 5?", "Good.", "Are you there?")]

    answers = asyncio.run(talk())
    assert "5" in answers[0]
    assert "9" in answers[1]
"""
BUGS = {
    "orphan tool_use": ("unauthorized", "illegal request: *`tool_use` ids were found without `tool_result`*"),
    "cut stream as success": ("clean_end:at=inside_text,on=1", "cut answer kept: *"),
    "time in the cached prefix": ("baseline", "cached prefix changes: 11 of 12 requests *"),
    "more than four marks": ("baseline", "cache marks: a request has 5 cache marks; the API accepts 4*"),
    "signature dropped": ("baseline", "illegal request: *signature: Field required"),
    "truncated call run": ("cut_call", "cut call executed: the tool add ran although *"),
    "usage counted twice": ("baseline", "reported usage: the agent reports * output_tokens, and its answers have *"),
    "user turn duplicated": ("overloaded:on=1", "user turn repeated: *'What is 2 + 3?'*"),
    "error result with empty content": ("unknown_tool", "illegal request: *content cannot be empty *"),
    "retry-after ignored": ("rate_limited:retry_after=2,on=1", "retry-after ignored: retry-after said 2 s, *"),
    "watchdog missing": ("ping_only", "hang: the test takes 15,0* s"),
}
"""For each bug, the fault or the kind of trouble that shows it, and what the sweep prints."""
LIKE_ANOTHER = {"orphan tool_use", "error result with empty content"}
"""Illegal requests, as a dropped signature makes one."""
FIRST_KINDS = "baseline or clean_end or unknown_tool"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a project with the agent, a scenario of two rounds of tools and four prompts, and a test."""
    pytester.makepyprojecttoml(SETTINGS)
    pytester.path.joinpath("fixtures/scenarios").mkdir(parents=True)
    pytester.path.joinpath("fixtures/scenarios/sums.toml").write_bytes(SCENARIO.read_bytes())
    pytester.makepyfile(planted_agent=AGENT.read_text(), test_planted=TEST)
    return pytester


@pytest.mark.parametrize(
    "bug", [pytest.param(bug, marks=pytest.mark.deep) if bug in LIKE_ANOTHER else bug for bug in BUGS]
)
def test_a_planted_bug_is_found(bug: str, project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle that finds it is named, without the test's own assertions."""
    kinds, message = BUGS[bug]
    monkeypatch.setenv("BUG", bug)
    chosen = (f"--harness-fault={kinds}",) if ":" in kinds else ("-k", kinds)
    run = project.runpytest_subprocess("-p", "no:asyncio", "--harness-sweep", *chosen)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines([f"*: {message}"])


@pytest.mark.parametrize("kinds", [FIRST_KINDS, pytest.param("planted", marks=pytest.mark.deep)])
def test_the_agent_without_a_bug_survives(kinds: str, project: pytest.Pytester) -> None:
    """No oracle finds anything in an agent that does everything right."""
    run = project.runpytest_subprocess("-p", "no:asyncio", "--harness-sweep", "-k", kinds)
    assert pytest.ExitCode.OK == run.ret
    run.stdout.no_fnmatch_line("*failures by cause*")
