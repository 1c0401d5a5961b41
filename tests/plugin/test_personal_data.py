"""Twelve kinds of personal data and three keys, wherever a test can put them; no view of the run shows any."""

import base64
import json
import os
import re
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main

PERSONAL_DATA = {
    "name": "Ada Planted",
    "email": "ada.planted@example.org",
    "phone": "+31 20 624 1111",
    "card": "4111 1111 1111 1111",
    "iban": "NL91ABNA0417164300",
    "social_security": "078-05-1120",
    "address": "12 St James Square",
    "passport": "NX1234567",
    "ip_address": "203.0.113.77",
    "birthday": "1815-12-10",
    "medical_record": "MRN-889900",
    "customer": "user_4711_ada",
}
CONFIGURATION = r"""
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator -p no:asyncio"
[tool.flag-harness.flags]
streaming = "STREAMING"
[tool.flag-harness.filters]
json = ["metadata.user_id"]
patterns = ["NX[0-9]{7}"]
headers = ["x-forwarded-for"]
[tool.flag-harness.privacy]
name = { function = "people:find_people" }
email = '[\w.+-]+@[\w-]+\.[\w.]+'
phone = { pattern = '\+[0-9][0-9 ]{8,}', action = "refuse" }
card = '[0-9]{4} [0-9]{4} [0-9]{4} [0-9]{4}'
iban = 'NL[0-9]{2}[A-Z]{4}[0-9]{10}'
social_security = { pattern = '[0-9]{3}-[0-9]{2}-[0-9]{4}', action = "refuse" }
address = '[0-9]+ St James Square'
ip_address = '203(\.[0-9]+){3}'
birthday = '18[0-9]{2}-[0-9]{2}-[0-9]{2}'
medical_record = { pattern = "MRN-[0-9]{6}", action = "refuse" }
customer = 'user_[0-9]+_[a-z]+'
"""
PEOPLE = """
def find_people(text):
    return ["Ada Planted"] if "Ada Planted" in text else []
"""
KEYS = {"Anthropic": "sk-ant-api03-" + "k" * 93 + "AA", "AWS": "AKIAIOSFODNN7PLANTED", "named": "hunter2-Very-Secret-9"}
ALL = ", ".join([*PERSONAL_DATA.values(), KEYS["Anthropic"], KEYS["AWS"]])
TEST = f"""
import logging
import os
import warnings

import anthropic
import pytest

DATA = {PERSONAL_DATA!r}
ALL = {ALL!r}
TOOLS = [{{"name": "look_up", "description": ALL, "input_schema": {{"type": "object", "properties": {{}}}}}}]
log = logging.getLogger("shop." + "agent")


@pytest.mark.flag_matrix("streaming")
@pytest.mark.scenario("echo")
@pytest.mark.parametrize("who", [pytest.param(ALL, id=ALL)])
def test_ask(cassette, flags, who, tmp_path, record_property, capsys):
    record_property("customer", who)
    log.error("cannot serve %s", who)
    log.warning(f"no document of {{who}}", extra={{"customer": who}})
    print("serving", who)
    warnings.warn(f"slow for {{who}}")
    (tmp_path / DATA["email"]).write_text(who)
    client = anthropic.Anthropic(default_headers={{"x-customer": who, "x-forwarded-for": DATA["ip_address"]}})
    body = dict(
        model="claude-sonnet-4-5", max_tokens=3000, tools=TOOLS, metadata={{"user_id": DATA["customer"]}},
        thinking={{"type": "enabled", "budget_tokens": 1024}},
        system=[{{"type": "text", "text": f"You talk to {{who}}. " * 9, "cache_control": {{"type": "ephemeral"}}}}],
    )
    messages = [{{"role": "user", "content": f"Where is my refund? {{who}}"}}]
    while True:
        if "STREAMING" in os.environ:
            with client.messages.stream(messages=messages, **body) as stream:
                answer = stream.get_final_message()
        else:
            answer = client.messages.create(messages=messages, **body)
        if answer.stop_reason != "tool_use":
            break
        call = answer.content[-1]
        result = {{"type": "tool_result", "tool_use_id": call.id, "content": f"{{who}}; password={KEYS["named"]}"}}
        messages += [{{"role": "assistant", "content": answer.content}}, {{"role": "user", "content": [result]}}]
        body["system"][0]["text"] = f"You still talk to {{who}}. " * 9
    text = answer.content[-1].text
    assert "STREAMING" not in os.environ or text == "nothing", f"{{who}} got {{text}}"
"""
SCENARIO = f"""
[[turn]]
when = {{ result_of = "look_up" }}
thinking = "It goes to {ALL}."
text = "It is on its way to {ALL}"
[[turn]]
thinking = "I know {ALL}."
text = "Let me look up {ALL}."
call = [{{ name = "look_up", input = {{ who = {ALL!r}, list = {list(PERSONAL_DATA.values())!r} }} }}]
"""
NOT_ALONE = ("-p", "no:flag-harness-alone")
"""A failed test is not run in a second process, of whose output nothing is shown."""
OTHER_REPORTER = """
def pytest_runtest_logreport(report):
    with open("out/ctrf.txt", "a") as file:
        file.write(f"{report.nodeid} {report.longreprtext} {report.sections} {report.user_properties}\\n")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, warm_run: Callable[..., Any]) -> Path:
    """Run the project in CI with every report that there is, and return its folder."""
    project = tmp_path_factory.mktemp("project")
    (project / "fixtures" / "scenarios").mkdir(parents=True)
    (project / "out").mkdir()
    files = {"pyproject.toml": CONFIGURATION, "people.py": PEOPLE, "test_agent.py": TEST, "conftest.py": OTHER_REPORTER}
    for name, text in (files | {"fixtures/scenarios/echo.toml": SCENARIO}).items():
        (project / name).write_text(text, encoding="utf-8")
    environ = {**os.environ, "CI": "true", "GITHUB_STEP_SUMMARY": "out/summary.md", "GITHUB_ACTIONS": "true"}
    reports = ["--harness-record=out/run.jsonl", "--harness-report=out/full.html", "--junitxml=out/junit.xml"]
    command = [sys.executable, "-m", "pytest", "-ra", "--harness-report-content=full", *NOT_ALONE, *reports]
    done = warm_run(command, cwd=project, env=environ, capture_output=True, text=True)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    (project / "out" / "terminal.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    return project


def _read_views(project: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file that the run has left, and the hidden data of pages."""
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project).as_posix()
        yield f"name of {name}", name
        if path.is_file() and path.suffix not in (".pyc", ".py", ".toml"):
            text = path.read_text("utf-8")
            yield name, text + json.dumps(text)
            for details in re.findall(r'id="details-data">([^<]*)', text):
                yield f"details of {name}", zlib.decompress(base64.b64decode(details)).decode()


def test_no_view_of_a_run_shows_personal_data_or_keys(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], warm_run: Callable[..., Any]
) -> None:
    """What the run prints and writes, and all that is made of its record; the conversations are there, masked."""
    monkeypatch.chdir(project)
    shutil.copy("out/run.jsonl", "base.jsonl")
    commands = {
        **{name: ["build", "out/run.jsonl", "-o", f"out/built.{name}"] for name in ("html", "md", "json")},
        "open": ["open", "out/run.jsonl"],
        "logs": ["logs", "out/run.jsonl"],
        "logs as JSON": ["logs", "out/run.jsonl", "--json"],
        "metrics": ["metrics", "out/run.jsonl"],
        "diff": ["diff", "base.jsonl", "out/run.jsonl"],
        "diff as Markdown": ["diff", "base.jsonl", "out/run.jsonl", "--markdown"],
        "merge": ["merge", "out/run.jsonl", "-o", "merged.jsonl"],
    }
    views = {}
    for name, command in commands.items():
        code = main(["report", *command])
        views[name] = "".join(capsys.readouterr())
        assert 0 == code, views[name]
    again = [sys.executable, "-m", "pytest", "--harness-rerun=out", *NOT_ALONE]
    views["rerun"] = warm_run(again, capture_output=True, text=True).stdout
    views |= dict(_read_views(project))
    expected = {"out/run.conversations.jsonl", "out/ctrf.txt", "details of out/full.html", "details of out/built.html"}
    assert expected < views.keys()
    assert any(name.startswith("out/run.cassettes/") for name in views)
    secrets = PERSONAL_DATA | KEYS
    assert [] == [(name, kind) for name, text in views.items() for kind, one in secrets.items() if one in text]
    assert "You still talk to REDACTED" in views["out/run.jsonl"], "the words around a change that broke the cache"
    assert "It is on its way to REDACTED" in views["details of out/full.html"]
    assert "REDACTED got It is on its way to REDACTED" in views["rerun"]
    assert "REDACTED got It is on its way to REDACTED, REDACTED" in views["out/ctrf.txt"]
