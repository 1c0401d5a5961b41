"""The commands that a report tells its reader to type: each works as it is printed, in the folder that it names."""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from flag_harness.cli import main
from flag_harness.record import RunHeader, RunRecord, encode_record, load_record
from flag_harness.report.commands.location import location_of_run
from flag_harness.report.html import render_html
from flag_harness.report.markdown.document import markdown_lines
from flag_harness.report.overview import make_overview
from flag_harness.report.run_report import build_report
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

NOW = datetime(2026, 11, 29, tzinfo=UTC)
CONFIG = """
[tool.pytest.ini_options]
[tool.flag-harness.flags]
fast = { env = "FAST", margin = 0.5 }
slow = { env = "SLOW" }
model = { env = "MODEL", values = ["a", "b"], default = "a" }
"""
TEST = """
import os
import httpx2, pytest

@pytest.mark.flag_matrix("fast")
MARK
def test_ask(cassette, flags):
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Refund."}]}
    url = os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
    with httpx2.Client(base_url=url, headers={"x-api-key": "x", "anthropic-version": "2023-06-01"}) as client:
        response = client.post("/v1/messages", json=body | {"max_tokens": 8 if "fast" in flags else 9})
    assert "refunded" in response.json()["content"][0]["text"]
"""
BROKEN = """
import os, pytest

@pytest.mark.flag_matrix(MATRIX)
@pytest.mark.harness_no_request
def test_ask(cassette, flags):
    assert not os.environ.get("FAST") or not os.environ.get("SLOW")
"""


def _answer(request: Request) -> Response:
    """Answer as the live API would."""
    usage = {"input_tokens": 10, "output_tokens": 10}
    content = [{"type": "text", "text": "It is refunded."}]
    message = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
    head = Head(0.0, 200, (("content-type", "application/json"),))
    return head, Chunk(0.0, json.dumps(message).encode()), End(0.0)


@pytest.fixture
def live_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A live API on loopback, and a key for it."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    with LoopbackServer(_answer, origin="live") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield


def _steps(report: Path) -> dict[str, str]:
    """Return the commands of a Markdown report, by what they are for."""
    text = report.read_text("utf-8").replace("\\", "")
    found = re.findall(r"^ *- (?:[^`]*\. )?To (.*?)(?:: (`+) ?(.*?) ?\2)?$", text, re.MULTILINE)
    return {purpose: command for purpose, _, command in found}


def _type(pytester: pytest.Pytester, command: str) -> pytest.RunResult:
    """Run a command of pytest as it is printed."""
    folder, _, typed = command.rpartition(" && ")
    if folder:
        pytester._monkeypatch.chdir(shlex.split(folder)[1])
    name, *arguments = shlex.split(typed)
    assert "pytest" == name
    return pytester.runpytest_inprocess(*arguments)


def _play_recordings(pytester: pytest.Pytester, upstream: str, mark: str = "") -> dict[str, str]:
    """Record a suite from an upstream, play it, and return the commands of its report."""
    pytester.makepyprojecttoml(CONFIG)
    pytester.makepyfile(test_it=TEST.replace("MARK", mark))
    scenarios = pytester.mkdir("fixtures") / "scenarios"
    scenarios.mkdir()
    (scenarios / "shop.toml").write_text('[[turn]]\ntext = "It is refunded."\n')
    pytester.runpytest_inprocess("--record-mode=once", f"--harness-upstream={upstream}").assert_outcomes(passed=2)
    played = pytester.runpytest_inprocess("--harness-record=run.jsonl", "--harness-report=report.md")
    played.assert_outcomes(passed=2)
    return _steps(pytester.path / "report.md")


@pytest.mark.parametrize("upstream", ["simulator", "live"])
def test_a_flag_of_recorded_tests_with_a_scenario_is_judged_on_the_simulator(
    pytester: pytest.Pytester, live_api: None, upstream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recordings have no further rounds. The figures are those of the reported run, not of the last one."""
    steps = _play_recordings(pytester, upstream, '@pytest.mark.scenario("shop")')
    run = _type(pytester, steps["judge on the simulator whether fast is safe to turn on"])
    run.stdout.fnmatch_lines(["fast: PASS (simulator only) after * rounds*"])
    run.stdout.no_fnmatch_line("*failed trial*")
    capsys.readouterr()
    assert 0 == main(shlex.split(steps["see every figure with its interval"])[1:])
    assert "fast  1 of 1 runs passed" in capsys.readouterr().out


def test_a_flag_that_only_the_live_api_can_answer_is_judged_there(pytester: pytest.Pytester, live_api: None) -> None:
    """The step says that it needs a key, and what it may cost."""
    steps = _play_recordings(pytester, "live")
    purpose = "judge on the live API whether fast is safe to turn on (needs an API key, and costs up to $1)"
    run = _type(pytester, steps[purpose])
    run.stdout.fnmatch_lines(["fast: PASS after * rounds*"])
    run.stdout.no_fnmatch_line("*failed trial*")
    run.stdout.no_fnmatch_line("*simulator*")


def _overview_command(record: RunRecord) -> tuple[str, str]:
    *_, step = make_overview(build_report(record, NOW)).next_steps
    return step.purpose, step.command


def test_without_a_test_that_varies_a_flag_no_command_is_shown(make_matrix_record: Callable[..., RunRecord]) -> None:
    """The report says what is missing."""
    record = make_matrix_record({"fast": (False, True)}, {"test_a": lambda fast: ""})
    alone = replace(record, rows=record.rows[:1])
    purpose, command = _overview_command(alone)
    assert ("", True) == (command, "give it the mark flag_matrix" in purpose)
    report = build_report(alone, NOW)
    assert "give it the mark flag_matrix</div></li>" in render_html(report, NOW)
    assert any(line.endswith("give it the mark flag\\_matrix") for line in markdown_lines(report))
    assert () == make_overview(build_report(RunRecord(RunHeader(), record.rows), NOW)).next_steps


def test_the_command_names_the_tests_that_the_simulator_can_answer(
    make_matrix_record: Callable[..., RunRecord], make_record: Callable[[int], RunRecord]
) -> None:
    """Of a flag that changes something; if no scenario answers, the price of the run is that of all rounds."""
    requests = make_record(1).rows[0].requests
    flags = dict.fromkeys(("inert", "fast"), (False, True))
    reasons = dict.fromkeys(("test_a", "test_b"), lambda **values: "")
    record = make_matrix_record(flags, reasons, requests=requests, cost=0.01, recorded_from="live")
    header = msgspec.structs.replace(
        record.header, selected_tests=("tests",), options=("-k", "a or b", "--harness-record=x")
    )
    rows = [
        msgspec.structs.replace(
            row, requests=() if row.values["fast"] else requests, scenario="s" if "_b" in row.case else ""
        )
        for row in record.rows
    ]
    assert (
        "pytest test_a.py::test_b --harness-verdict=fast --harness-repeat=200 --disable-recording "
        "--harness-upstream=simulator" == _overview_command(RunRecord(header, tuple(rows)))[1]
    )
    alone = tuple(msgspec.structs.replace(row, scenario="") for row in rows)
    purpose, command = _overview_command(RunRecord(header, alone))
    assert purpose.endswith("(needs an API key, and costs up to $8)")
    assert (
        "pytest tests -k 'a or b' --harness-verdict=fast --harness-repeat=200 --disable-recording "
        "--harness-upstream=live --harness-max-cost=8" == command
    )
    unpriced = tuple(msgspec.structs.replace(row, cost=None, answered_by="live", scenario="s") for row in rows)
    assert "--harness-max-cost=5" in _overview_command(replace(record, rows=unpriced))[1]
    report = build_report(record, NOW)
    assert not any("safe to turn on" in step.purpose for step in make_overview(report).next_steps), "no flag does much"
    assert "changes no request: does the agent read INERT?" in render_html(report, NOW)


def _write_broken_project(folder: Path, matrix: str = '"fast", "slow"') -> None:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(CONFIG)
    (folder / "test_it.py").write_text(BROKEN.replace("MATRIX", matrix))


def test_a_command_changes_to_the_folder_that_it_works_in(pytester: pytest.Pytester) -> None:
    """Where pytest was started from another one, or the report is built from another one."""
    _write_broken_project(pytester.path / "my shop")
    pytester.runpytest_inprocess("my shop", "--harness-record=run.jsonl", "--harness-report=report.md")
    command = _steps(pytester.path / "report.md")["see it fail"]
    assert "cd 'my shop' && pytest 'test_it.py::test_ask[fast+slow]'" == command
    _type(pytester, command).assert_outcomes(failed=1)
    assert 0 == main(["report", "build", "../run.jsonl", "-o", "report.md"])
    assert command.partition(" && ")[2] == _steps(Path("report.md"))["see it fail"]


def test_a_report_is_built_above_and_far_from_the_project(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project is found by the record's folder; if it is nowhere, the report says which folder it means."""
    project, far = pytester.path / "shop", tmp_path_factory.mktemp("far")
    _write_broken_project(project)
    (pytester.path / ".git").mkdir()
    monkeypatch.chdir(project)
    pytester.runpytest_inprocess("--harness-record=out/run.jsonl", "--harness-report=report.md")
    assert "The commands work in shop, a folder of the repository" in (project / "report.md").read_text("utf-8")
    monkeypatch.chdir(pytester.path)
    assert 0 == main(["report", "build", "shop/out/run.jsonl", "-o", "report.md"])
    assert "cd shop && pytest 'test_it.py::test_ask[fast+slow]'" == _steps(Path("report.md"))["see it fail"]
    record = load_record(project / "out" / "run.jsonl")
    monkeypatch.chdir(far)
    for folder, note in (("shop", "in shop, a folder of the repository"), ("", "in the folder that has test_it.py")):
        header = msgspec.structs.replace(record.header, folder_in_repository=folder)
        Path("run.jsonl").write_bytes(encode_record(header, record.rows))
        for name in ("report.md", "report.html"):
            assert 0 == main(["report", "build", "run.jsonl", "-o", name])
        assert f"The commands work {note}." in Path("report.md").read_text("utf-8").replace("\\", "")
        assert f'to type next <span class="hint">({note})</span></h2>' in Path("report.html").read_text("utf-8")


def test_a_project_on_another_drive_is_named_by_its_whole_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """No relative path leads there."""

    def refuse(path: object, start: object) -> str:
        raise ValueError(f"path is on mount {path!r}, start on mount {start!r}")

    monkeypatch.setattr(os.path, "relpath", refuse)
    assert str(Path("shop")) == location_of_run(Path("shop"), None, Path("home")).root_folder


def test_what_failed_is_run_again_from_wherever_it_is_shown(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`report open` in the project, and in the folder above it; the record is named as it is seen from the root."""
    _write_broken_project(pytester.path / "shop")
    for folder, run, expected in (
        ("shop", "out", "pytest --harness-rerun=out"),
        (".", "shop/out", "cd shop && pytest --harness-rerun=out"),
    ):
        monkeypatch.chdir(pytester.path / "shop")
        pytester.runpytest_inprocess("--harness-record=out/run.jsonl")
        monkeypatch.chdir(pytester.path / folder)
        capsys.readouterr()
        assert 0 == main(["report", "open", run])
        command = capsys.readouterr().out.splitlines()[-1].strip()
        assert expected == command
        _type(pytester, command).assert_outcomes(failed=1)


def test_a_command_names_the_configuration_of_the_run(pytester: pytest.Pytester) -> None:
    """And the root directory, if the command line chose it."""
    _write_broken_project(pytester.path / "shop")
    (pytester.path / "shop" / "other.ini").write_text("[pytest]\npython_functions = test_*\n")
    options = ("--rootdir=shop", "-c", "shop/other.ini", "--harness-report=report.md")
    pytester.runpytest_inprocess("shop", *options)
    command = _steps(pytester.path / "report.md")["see it fail"]
    assert "cd shop && pytest -c other.ini --rootdir=. 'test_it.py::test_ask[fast+slow]'" == command
    _type(pytester, command).assert_outcomes(failed=1)


def test_the_command_to_find_the_flags_runs_further_combinations(pytester: pytest.Pytester) -> None:
    """The smallest failing run alone would say nothing about flags."""
    _write_broken_project(pytester.path / "shop", '"fast", "slow", "model"')
    simulated = ("--disable-recording", "--harness-upstream=simulator")
    options = ("--harness-matrix=2", "--harness-report=report.md", *simulated)
    pytester.runpytest_inprocess("shop", *options)
    [command] = [
        command for purpose, command in _steps(pytester.path / "report.md").items() if "which flags" in purpose
    ]
    run = _type(pytester, command)
    run.stdout.fnmatch_lines(["fails when fast and slow: test_it.py::test_ask* further combination* ran)"])
