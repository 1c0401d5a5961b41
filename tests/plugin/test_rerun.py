"""`flag-harness report open` and `--harness-rerun`: a red run that somebody else looks at, and runs again."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main

Run = Callable[..., "subprocess.CompletedProcess[str]"]

KEYS = ("sk-ant-api03-" + "k" * 93 + "AA", "AKIAIOSFODNN7PLANTED", "hunter2-Very-Secret-9")
PERSONAL_DATA = (
    "Ada Planted",
    "ada.planted@example.org",
    "+31 20 624 1111",
    "NL91ABNA0417164300",
    "4111 1111 1111 1111",
    "078-05-1120",
    "1815-12-10",
    "12 St James Square",
    "patient-889900",
    "passport NX1234567",
    "user_4711_ada",
    "51.5074,-0.1278",
    "session-4711-77",
)
CONFIGURATION = r"""
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator -p no:asyncio"
[tool.flag-harness.flags]
streaming = "ENABLE_STREAMING"
[tool.flag-harness.filters]
json = ["metadata.user_id"]
headers = ["x-session"]
patterns = ["passport [A-Z0-9]+"]
[tool.flag-harness.privacy]
name = "Ada Planted"
email = '[\w.+-]+@[\w-]+\.[\w.]+'
phone = { pattern = '\+[0-9][0-9 ]{8,}', action = "refuse" }
iban = 'NL[0-9]{2}[A-Z]{4}[0-9]{10}'
card = '[0-9]{4} [0-9]{4} [0-9]{4} [0-9]{4}'
number = { pattern = '[0-9]{3}-[0-9]{2}-[0-9]{4}', action = "mask" }
birthday = { pattern = '18[0-9]{2}-[0-9]{2}-[0-9]{2}', action = "mask" }
address = '[0-9]+ St James Square'
patient = { pattern = "patient-[0-9]{6}", action = "refuse" }
place = { function = "places:find_places", action = "mask" }
"""
PLACES = """
def find_places(text):
    return [one for one in ("51.5074,-0.1278",) if one in text]
"""
AGENT = f"""
import os

import anthropic
import pytest

TOOLS = [{{"name": "look_up", "input_schema": {{"type": "object", "properties": {{"who": {{"type": "string"}}}}}}}}]

@pytest.fixture(scope="module")
def model():
    return anthropic.Anthropic().models.list().data[0].id

@pytest.mark.flag_matrix("streaming")
@pytest.mark.scenario("echo")
def test_ask(cassette, flags, model):
    client = anthropic.Anthropic(default_headers={{"x-session": {PERSONAL_DATA[12]!r}}})
    messages = [{{"role": "user", "content": "Where is my refund? " + {" ".join((*PERSONAL_DATA, *KEYS[:2]))!r}}}]
    body = dict(
        model="claude-haiku-4-5", max_tokens=100, tools=TOOLS, messages=messages,
        metadata={{"user_id": {PERSONAL_DATA[10]!r}}},
    )
    first = client.messages.create(**body)
    call = first.content[-1]
    result = {{"type": "tool_result", "tool_use_id": call.id, "content": '{{"password": "{KEYS[2]}"}}'}}
    messages += [{{"role": "assistant", "content": first.content}}, {{"role": "user", "content": [result]}}]
    answer = client.messages.create(**body).content[0].text
    if os.environ.get("ENABLE_STREAMING"):
        assert "lost" in answer, f"it says {{answer}}"
"""
SCENARIO = f"""
[[turn]]
when = {{ result_of = "look_up" }}
text = "It is on its way to {" ".join((*PERSONAL_DATA, *KEYS[:2]))}"
[[turn]]
text = "Let me look."
call = [{{ name = "look_up", input = {{ who = "{PERSONAL_DATA[0]}" }} }}]
"""


def _make_project(folder: Path, *, has_scenario: bool) -> Path:
    (folder / "fixtures" / "scenarios").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(CONFIGURATION, encoding="utf-8")
    (folder / "places.py").write_text(PLACES, encoding="utf-8")
    (folder / "test_agent.py").write_text(AGENT, encoding="utf-8")
    if has_scenario:
        (folder / "fixtures" / "scenarios" / "echo.toml").write_text(SCENARIO, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run_module(warm_run: Callable[..., Any]) -> Run:
    """Return a function that runs `python -m COMMAND` in a folder, outside of CI and without a key."""

    def run(folder: Path, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        variables = {name: value for name, value in os.environ.items() if name not in ("CI", "ANTHROPIC_API_KEY")}
        options = {"cwd": folder, "env": variables | environment, "capture_output": True, "text": True}
        return warm_run([sys.executable, "-m", *command], **options)

    return run


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory, run_module: Run) -> Path:
    """Run the project in CI, red under one combination, and return the folder that the job uploads."""
    project = _make_project(tmp_path_factory.mktemp("ci"), has_scenario=True)
    options = ["--harness-record=out/run.jsonl", "--junitxml=out/junit.xml"]
    done = run_module(project, "pytest", *options, CI="true")
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    (project / "out" / "terminal.txt").write_text(done.stdout, encoding="utf-8")
    folder = tmp_path_factory.mktemp("uploaded") / "artifact"
    shutil.move(project / "out", folder)
    shutil.rmtree(project)
    return folder


@pytest.fixture
def project(tmp_path: Path, uploaded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project on another machine, without scenario and recordings, with the artifact."""
    project = _make_project(tmp_path / "project", has_scenario=False)
    shutil.copytree(uploaded, project / "artifact")
    monkeypatch.chdir(project)
    return project


def test_a_red_run_is_shown_and_run_again_elsewhere(
    project: Path, capsys: pytest.CaptureFixture[str], run_module: Run
) -> None:
    """A copy of the project gets the same failure from the artifact alone."""
    assert 0 == main(["report", "open", "artifact"])
    shown = capsys.readouterr().out
    assert "artifact: 1 of 2 runs failed" in shown
    assert "FAILED test_agent.py::test_ask[streaming]" in shown
    assert "user        Where is my refund? REDACTED" in shown
    assert "tool_use" in shown
    assert "assistant   It is on its way to REDACTED" in shown
    [command] = re.findall("^  (pytest .*)$", shown, re.MULTILINE)
    again = run_module(project, *command.split())
    assert 1 == again.returncode
    assert "rerun: " in again.stdout
    assert "AssertionError: it says It is on its way to REDACTED" in again.stdout
    assert "FAILED test_agent.py::test_ask[streaming]" in again.stdout
    assert "1 failed" in again.stdout.splitlines()[-1]
    assert not (project / "recordings").exists()


def test_the_failure_is_gone_once_the_code_is_mended(project: Path, run_module: Run) -> None:
    """So the kept answers also show that a change mends it; a node id and workers select the same test."""
    test = project / "test_agent.py"
    test.write_text(test.read_text("utf-8").replace('"lost" in answer', '"way" in answer'), encoding="utf-8")
    for options in (["test_agent.py::test_ask[streaming]"], ["-n", "1"]):
        again = run_module(project, "pytest", "--harness-rerun=artifact/run.jsonl", *options)
        assert 0 == again.returncode, again.stdout
        assert "1 passed" in again.stdout.splitlines()[-1]


def test_the_record_that_is_run_again_is_not_replaced(project: Path, run_module: Run) -> None:
    """As it would be if `addopts` named it; its kept answers stay."""
    before = sorted(project.rglob("artifact/**/*"))
    again = run_module(project, "pytest", "--harness-rerun=artifact", "--harness-record=artifact/run.jsonl")
    assert 4 == again.returncode
    assert "--harness-record=artifact/run.jsonl would replace that run; name another file" in again.stderr
    assert before == sorted(project.rglob("artifact/**/*"))


def test_a_run_without_failures_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run_module: Run
) -> None:
    """The error says so; so does `open`, and a folder without a record is named."""
    project = _make_project(tmp_path / "green", has_scenario=True)
    done = run_module(project, "pytest", "--harness-record=run.jsonl", "-k", "off")
    assert 0 == done.returncode, done.stdout
    again = run_module(project, "pytest", "--harness-rerun=run.jsonl")
    assert "no test failed in this run, so there is nothing to run again" in again.stderr
    monkeypatch.chdir(project)
    assert 0 == main(["report", "open", "run.jsonl"])
    assert capsys.readouterr().out.startswith("run.jsonl: 0 of 1 run failed")
    assert 2 == main(["report", "open", "fixtures"])
    assert "fixtures: there is no run record in this folder" in capsys.readouterr().err
