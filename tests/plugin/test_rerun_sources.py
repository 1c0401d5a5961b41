"""`--harness-rerun` gets the same failure, whoever answered the failed tests: recordings, the simulator, or faults."""

import re
from pathlib import Path

import pytest

from flag_harness.record import RunHeader, RunRow, encode_record, load_record
from flag_harness.simulator import simulate
from flag_harness.transports.serve.server import LoopbackServer

TEST = """
import anthropic, pytest

@pytest.fixture(scope="module")
def greeting():
    yield _ask(anthropic.Anthropic(), "Hello")
    _ask(anthropic.Anthropic(), "Goodbye")

def _ask(client, text):
    body = dict(model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": text}])
    with client:
        return client.messages.create(**body).content[0].text

def test_wrong_answer(cassette, greeting):
    assert "lost" in greeting + _ask(anthropic.Anthropic(), "Where is my refund?")

@pytest.mark.faults("overloaded:on=1")
def test_fault(cassette):
    _ask(anthropic.Anthropic(max_retries=0), "Where is my refund?")

def test_new_question(cassette, request):
    questions = ["Where is my refund?", "QUESTION"]
    for question in questions:
        _ask(anthropic.Anthropic(), question)
    assert question == "Why?"

def test_passes(cassette):
    _ask(anthropic.Anthropic(), "Where is my refund?")
"""
FAILED = ["test_it.py::test_fault", "test_it.py::test_new_question", "test_it.py::test_wrong_answer"]


def _failures(record: Path) -> dict[str, tuple[str, str, tuple[int | None, ...]]]:
    rows: list[RunRow] = [row for row in load_record(record).rows if row.outcome == "failed"]
    return {
        row.case: (row.phase, re.sub(r"\S+\.json", "FILE", row.reason), tuple(one.status for one in row.requests))
        for row in rows
    }


@pytest.mark.parametrize(
    "options",
    [["--record-mode=once"], ["--disable-recording"], []],
    ids=["recording", "without recordings", "playing recordings"],
)
def test_a_failure_is_the_same_when_it_is_run_again(
    pytester: pytest.Pytester, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With module fixtures that send requests, faults of marks, and requests that no recording answers."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyprojecttoml("")
    test = pytester.makepyfile(test_it=TEST.replace("QUESTION", "How?"))
    common = ["-p", "no:asyncio", "--harness-upstream=simulator"]
    if not options:
        passing = TEST.replace('"lost" in ', "").replace("on=1", "on=2").replace('== "Why?"', '== "How?"')
        test.write_text(passing.replace("QUESTION", "How?"), encoding="utf-8")
        pytester.runpytest_subprocess("--record-mode=once", *common)
        test.write_text(TEST.replace("QUESTION", "Why?"), encoding="utf-8")
    pytester.runpytest_subprocess("--harness-record=out/run.jsonl", *options, *common)
    first = _failures(pytester.path / "out" / "run.jsonl")
    assert FAILED == sorted(first)
    for path in sorted((pytester.path / "recordings").rglob("*.json")):
        path.unlink()
    again = pytester.runpytest_subprocess("--harness-rerun=out", "--harness-record=again.jsonl", *common)
    again.assert_outcomes(failed=len(FAILED))
    second = _failures(pytester.path / "again.jsonl")
    assert first == second


def test_a_live_trial_is_run_again_without_the_api(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the server nor the key that gave the answers is needed again."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyprojecttoml("")
    pytester.makepyfile(test_it=TEST.replace("QUESTION", "How?"))
    upstream = simulate()
    with LoopbackServer(lambda request: upstream(request)) as server:  # answers that do not say who gives them
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-notarealkeynotarealkey0000")
        pytester.runpytest_subprocess("--harness-record=out/run.jsonl", "--disable-recording", "-p", "no:asyncio")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    first = _failures(pytester.path / "out" / "run.jsonl")
    assert FAILED == sorted(first)
    again = pytester.runpytest_subprocess("--harness-rerun=out", "--harness-record=again.jsonl", "-p", "no:asyncio")
    again.assert_outcomes(failed=len(FAILED))
    assert first == _failures(pytester.path / "again.jsonl")
    assert {"live"} == {row.recorded_from for row in load_record(pytester.path / "again.jsonl").rows}


def test_a_rerun_from_another_folder_says_where_to_run_pytest(pytester: pytest.Pytester) -> None:
    """None of the failed tests is collected, so one of them is named."""
    pytester.makepyfile(test_it="def test_a(): pass\n")
    failed = RunRow(case="tests/test_it.py::test_a", combination="", outcome="failed")
    pytester.path.joinpath("run.jsonl").write_bytes(encode_record(RunHeader(), [failed]))
    run = pytester.runpytest_inprocess("--harness-rerun=run.jsonl", "test_it.py")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(
        [
            "ERROR: --harness-rerun=run.jsonl: none of its failed tests was collected, such as "
            "tests/test_it.py::test_a; run pytest at the root of the project*"
        ]
    )
