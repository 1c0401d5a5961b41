"""An agent of its own in a process, killed while its answers arrive, and started again by its own command."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "sweep"
PROMPTS = ("What is 2 + 3?", "And 4 + 5?", "Good.", "Are you there?")
TEST = """
import subprocess
import sys

import pytest


@pytest.mark.scenario("sums")
def test_conversation(cassette_server, tmp_path):
    command = [sys.executable, "-I", "-S", "foreign_agent.py", str(tmp_path / "state.json"), *PROMPTS]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert ["It is 5.", "It is 9.", "Thanks a lot.", "Yes, I am."] == run.stdout.splitlines()[-4:]
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a project with the agent, and the scenario of its four prompts."""
    pytester.makepyprojecttoml('[tool.flag-harness.sweep]\ntools = "real"\n')
    pytester.path.joinpath("fixtures/scenarios").mkdir(parents=True)
    for name, folder in (("foreign_agent.py", "."), ("sums.toml", "fixtures/scenarios")):
        pytester.path.joinpath(folder, name).write_bytes((FOLDER / name).read_bytes())
    return pytester


def _run_test(project: pytest.Pytester, *options: str, rounds: int = 1) -> pytest.RunResult:
    """Sweep the test, with its prompts repeated `rounds` times."""
    project.makepyfile(test_foreign=TEST.replace("PROMPTS", repr(PROMPTS * rounds)))
    return project.runpytest_subprocess("-p", "no:asyncio", *options)


def test_an_agent_in_a_process_survives_kills(project: pytest.Pytester) -> None:
    """Ten kills, in the answer that calls a tool and in the one after its result, cost it no turn."""
    points = ("before_first_block", "inside_text", "mid_partial_json", "before_message_delta", "after_message_stop")
    kills = [f"--harness-interrupt=sigkill/{point}:on={number}" for number in (1, 2) for point in points]
    run = _run_test(project, "--harness-sweep", *kills)
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["9 troubles in 1 test"])


def test_a_kill_shows_a_call_without_a_result(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that saves answers only comes back with a request that the API refuses."""
    monkeypatch.setenv("BUG", "orphan")
    run = _run_test(project, "--harness-sweep", "--harness-interrupt=sigkill/inside_text:on=2")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["sigkill:at=inside_text,on=2: illegal request: *`tool_use` ids were found without *"])


@pytest.mark.deep
def test_an_agent_in_a_process_survives_two_hundred_kills(project: pytest.Pytester) -> None:
    """It is killed at each point of each of 24 answers, and every time its next process carries on."""
    run = _run_test(project, "--harness-sweep=kills", rounds=4)
    assert pytest.ExitCode.OK == run.ret
    [kills] = re.findall(r"^(\d+) troubles in 1 test$", run.stdout.str(), re.MULTILINE)
    assert int(kills) >= 200
