"""`--harness-report-content`: what a report keeps of the conversations of failed tests."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main
from flag_harness.record.conversation import load_conversations

KEY = "sk-ant-api03-" + "a" * 93 + "AA"
SECRETS = {
    "what a pattern of the project finds": "ticket-4711",
    "what a field of the filters holds": "jane.roe",
    "what a detector masks": "NL91ABNA0417164300",
    "what a detector refuses": "patient-889900",
    "what a detector warns of": "jane@example.org",
    "a key": KEY,
}
CONFIGURATION = """
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator -p no:asyncio"
[tool.flag-harness.flags]
streaming = "ENABLE_STREAMING"
[tool.flag-harness.filters]
json = ["metadata.user_id"]
patterns = ["ticket-[0-9]+"]
[tool.flag-harness.privacy]
iban = { pattern = "NL[0-9]{2}[A-Z]{4}[0-9]{10}", action = "mask" }
patient = { pattern = "patient-[0-9]{6}", action = "refuse" }
mail = { pattern = "[a-z]+@example\\\\.org", action = "warn" }
"""
TEST = f"""
import os, anthropic, pytest

@pytest.mark.flag_matrix("streaming")
@pytest.mark.scenario("echo")
def test_ask(cassette, flags):
    client = anthropic.Anthropic()
    text = "Where is my refund? " + {" ".join(SECRETS.values())!r}
    body = dict(
        model="claude-haiku-4-5", max_tokens=100, system="Answer in one line.",
        messages=[{{"role": "user", "content": text}}], metadata={{"user_id": "jane.roe"}},
    )
    if os.environ.get("ENABLE_STREAMING"):
        with client.messages.stream(**body) as stream:
            stream.until_done()
        assert False
    client.messages.create(**body)
"""
SCENARIO = f"""
[[turn]]
text = "It is on its way. {" ".join(SECRETS.values())}"
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST)
    (pytester.path / "fixtures" / "scenarios").mkdir(parents=True)
    (pytester.path / "fixtures" / "scenarios" / "echo.toml").write_text(SCENARIO, encoding="utf-8")
    return pytester


def _details(page: Path) -> Any:
    [packed] = re.findall(r'id="details-data">([^<]*)', page.read_text("utf-8"))
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def _run(suite: pytest.Pytester, *options: str) -> None:
    suite.runpytest_subprocess(*options).assert_outcomes(passed=1, failed=1)


def _conversation(details: Any, case: str) -> Any:
    """Return the conversation that the cell of a test opens."""
    [row] = [row for row in details["rows"] if row["case"] == case]
    return details["conversations"][row["conversation"]]


def test_a_report_shows_the_conversation_of_each_test(suite: pytest.Pytester) -> None:
    """Of those that passed as well, in workers too. Beside the record are the failed and the nearest passing run."""
    for workers in ("0", "2"):
        _run(suite, "--harness-report=out.html", "--harness-record=run.jsonl", "-n", workers)
        details = _details(suite.path / "out.html")
        for combination in ("off", "streaming"):
            [turn] = _conversation(details, f"test_it.py::test_ask[{combination}]")["turns"]
            system, question = (details["passages"][index] for index in turn["request"])
            [answer] = (details["passages"][index] for index in turn["answer"])
            assert ["system", "text", "Answer in one line."] == system
            assert question[2].startswith("Where is my refund?")
            assert ["assistant", "text"] == answer[:2]
            assert answer[2].startswith("It is on its way.")
        kept = load_conversations(suite.path / "run.jsonl")
        assert ["test_it.py::test_ask[off]", "test_it.py::test_ask[streaming]"] == sorted(kept)


def test_each_repetition_has_its_own_conversation(suite: pytest.Pytester) -> None:
    """Whichever of them failed."""
    source = TEST.replace("assert False", "assert 'repeat2' not in os.environ['PYTEST_CURRENT_TEST']")
    suite.makepyfile(test_it=source)
    suite.runpytest_subprocess("--harness-report=out.html", "--harness-repeat=2")
    details = _details(suite.path / "out.html")
    assert 4 == len({row["conversation"] for row in details["rows"]}) == len(details["conversations"])


@pytest.mark.parametrize("content", ["none", "masked", "full"])
def test_no_conversation_shows_what_filters_and_detectors_hide(suite: pytest.Pytester, content: str) -> None:
    """Nor a key, in the record, beside it, or in a report of any format."""
    names = ("out.html", "out.json", "out.md")
    for name in names:
        _run(suite, "--harness-record=run.jsonl", f"--harness-report={name}", f"--harness-report-content={content}")
    texts = {name: (suite.path / name).read_text("utf-8") for name in (*names, "run.jsonl")}
    texts["details"] = json.dumps(_details(suite.path / "out.html"))
    if content != "none":
        texts["beside"] = (suite.path / "run.conversations.jsonl").read_text("utf-8")
    assert [] == [(name, what) for name, text in texts.items() for what, secret in SECRETS.items() if secret in text]
    assert (content != "none") == ("Where is my refund?" in texts["details"])
    assert (content != "none") == ("Where is my refund?" in texts["out.json"])


@pytest.mark.parametrize(("ci", "kept"), [("true", False), ("", True)])
def test_in_ci_what_looks_personal_is_hidden_without_a_detector(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, kept: bool
) -> None:
    """An order number stays, since only the shapes of personal data are hidden."""
    monkeypatch.setenv("CI", ci)
    scenario = suite.path / "fixtures" / "scenarios" / "echo.toml"
    scenario.write_text("[[turn]]\ntext = 'Order 123456789 of +31 20 624 1111, paid by 4111 1111 1111 1111'\n", "utf-8")
    _run(suite, "--harness-record=run.jsonl")
    conversations = load_conversations(suite.path / "run.jsonl").values()
    shown = "+31 20 624 1111, paid by 4111 1111 1111 1111" if kept else "REDACTED, paid by REDACTED"
    answers = [passage.text for conversation in conversations for passage in conversation.turns[0].answer]
    assert 2 * [f"Order 123456789 of {shown}"] == answers


def test_a_report_is_built_with_the_conversations_beside_its_record(suite: pytest.Pytester) -> None:
    """A later run that keeps none removes them."""
    _run(suite, "--harness-record=run.jsonl")
    record, page = suite.path / "run.jsonl", suite.path / "out.html"
    assert 0 == main(["report", "build", str(record), "-o", str(page)])
    assert 2 == len(_details(page)["conversations"])
    _run(suite, "--harness-record=run.jsonl", "--harness-report-content=none")
    assert 0 == main(["report", "build", str(record), "-o", str(page)])
    assert [] == _details(page)["conversations"]


def test_a_broken_file_of_conversations_is_named(suite: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what to do."""
    _run(suite, "--harness-record=run.jsonl")
    (suite.path / "run.conversations.jsonl").write_text('{"case": 1}\n', encoding="utf-8")
    assert 2 == main(["report", "build", str(suite.path / "run.jsonl"), "-o", str(suite.path / "out.md")])
    assert "delete it, or run pytest again" in capsys.readouterr().err


def test_answers_that_cannot_be_kept_are_a_warning(pytester: pytest.Pytester) -> None:
    """The test fails for its own reason; the run goes on even if warnings are errors."""
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\naddopts = "--disable-recording --harness-upstream=simulator"\n'
    )
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]}
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    send = f"httpx2.post('https://api.anthropic.com/v1/messages', json={body}, headers={headers})"
    pytester.makepyfile(test_it=f"import httpx2\n\ndef test_a(cassette):\n    {send}\n    assert False\n")
    (pytester.path / "run.cassettes").write_text("a file where the folder would be")
    run = pytester.runpytest_inprocess("-p", "no:asyncio", "-Werror", "--harness-record=run.jsonl")
    run.assert_outcomes(failed=1, warnings=1)
    run.stdout.fnmatch_lines(["*PytestWarning: test_it.py::test_a cannot be run again: *"])
