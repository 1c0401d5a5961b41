"""Each rule of the gate can pass, can fail, and says "not shown" if the evidence tells nothing."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from flag_harness.record import (
    GateFiles,
    LogCount,
    RunRow,
    VerdictRecord,
    append_row_to_file,
    encode_record,
    start_record_file,
)
from flag_harness.wire.usage import Usage
from tests.gate.conftest import FILES, Project, row, trials

OTHER = "tests/test_other.py::test_b"
RERUN = "run the tests again: pytest --harness-record=run.jsonl"


def _ago(**age: float) -> str:
    return (datetime.now(UTC) - timedelta(**age)).isoformat()


def _streamed(**changes: Any) -> RunRow:
    return row("tests/test_agent.py::test_a[planner]", "planner", **changes)


def test_good_evidence_passes_every_rule(project: Project) -> None:
    """The exit code is 0, and the conclusion says so."""
    assert "all 12 rules pass" in project.run("check", "run.jsonl")


def test_evidence_that_was_edited_fails(project: Project) -> None:
    """A failure that somebody turned into a pass."""
    name = project.record(row(outcome="failed"))
    path = project.root / name
    path.write_bytes(path.read_bytes().replace(b'"failed"', b'"passed"'))
    status, reason = project.rule("evidence")
    assert ("fail", True) == (status, "run.jsonl: it was changed after it was written" in reason)


def test_evidence_of_a_killed_run_fails(project: Project) -> None:
    """Its rows stand in the file, but its end does not."""
    start_record_file(project.root / "run.jsonl", project.header())
    append_row_to_file(project.root / "run.jsonl", row())
    assert ("fail", True) == _says(project.rule("evidence"), "it has no digest, so the run did not come to its end")


def test_a_torn_record_fails(project: Project) -> None:
    """The rows before the torn one do not count either."""
    data = encode_record(project.header(), [row(), row(OTHER)])
    (project.root / "run.jsonl").write_bytes(data[:-9])
    assert ("fail", True) == _says(project.rule("evidence"), "its last line is incomplete")


@pytest.mark.parametrize("status", [-1, 2, 3, 5])
def test_a_run_that_was_stopped_fails(project: Project, status: int) -> None:
    """By Ctrl-C, an error inside pytest, or because it found no tests."""
    project.record(exit_status=status)
    assert ("fail", True) == _says(project.rule("evidence"), f"stopped before its end (exit status {status})")


def test_a_run_with_failures_outside_of_the_record_fails(project: Project) -> None:
    """Tests without a cassette have no row, but they too must pass."""
    project.record(exit_status=1)
    assert ("fail", True) == _says(project.rule("outcomes"), "pytest ended with exit status 1")


def test_a_pattern_that_matches_no_file_fails(project: Project) -> None:
    """A typo would leave files behind."""
    project.configure(files=[*FILES, "promts/*.md"])
    project.record()
    assert ("fail", True) == _says(project.rule("declared files"), "matches promts/*.md")


@pytest.mark.parametrize("path", ["agent.py", "prompts/support.md", "prompts/new.md"])
def test_files_that_were_not_tested_fail(project: Project, path: str) -> None:
    """Code, a prompt, or a file that has come later."""
    project.write(f"test/{path}", "# changed after the run\n")
    assert ("fail", True) == _says(project.rule("tested files"), f"other contents of {path}")


def test_a_tested_file_that_is_gone_fails(project: Project) -> None:
    """The run had it, and PROD would not."""
    (project.test / "prompts" / "support.md").unlink()
    assert ("fail", True) == _says(project.rule("tested files"), "other contents of prompts/support.md")


def test_a_file_that_changed_during_the_run_fails(project: Project) -> None:
    """Nobody knows which tests had which content."""
    tested = project.header().gate_files
    assert tested
    project.record(gate_files=GateFiles(tested.digest_by_path, tested.imported_paths, ("agent.py",)))
    assert ("fail", True) == _says(project.rule("tested files"), "changed during the run, or")


def test_a_record_without_hashes_shows_nothing_of_the_files(project: Project) -> None:
    """As of a run in another folder."""
    project.record(gate_files=None)
    assert ("not shown", True) == _says(project.rule("tested files"), "run pytest in the folder whose settings")


@pytest.mark.parametrize("statement", ["import helper", "from helper import x", "from . import helper", "import a.b"])
def test_an_import_that_is_not_declared_fails(project: Project, statement: str) -> None:
    """PROD would lack it. Packages on the way are imported too."""
    project.configure(files=["agent.py", "tools.py", "prompts/*.md"])
    for path in ("helper.py", "a/__init__.py", "a/b.py"):
        project.write(f"test/{path}", "")
    project.write("test/tools.py", f"def later():\n    {statement}\n")
    project.record()
    name = "a/__init__.py" if "a.b" in statement else "helper.py"
    assert ("fail", True) == _says(project.rule("imports"), f"{name} (imported by tools.py)")


def test_imports_are_looked_for_where_python_would(project: Project) -> None:
    """Beside a script in a folder that is no package, through packages, and not beside a module of a package."""
    project.configure(files=["*.py", "prompts/*", "src/agent.py", "src/pkg/a.py"])
    project.write("test/src/agent.py", "import helper, pkg.a\n")
    project.write("test/src/pkg/__init__.py", "")
    project.write("test/src/pkg/a.py", "import json\nfrom .. import sibling\nfrom .sub import *\n")
    for path in ("src/helper.py", "src/pkg/sub/__init__.py", "src/pkg/sub/json.py", "src/json/__init__.py"):
        project.write(f"test/{path}", "")
    project.record()
    status, reason = project.rule("imports")
    assert "fail" == status
    names = [
        "src/helper.py (imported by src/agent.py)",
        "src/pkg/__init__.py (imported by src/pkg/a.py)",
        "src/pkg/sub/__init__.py (imported by src/pkg/a.py)",
    ]
    assert [] == [name for name in names if name not in reason]
    assert "src/pkg/sub/json.py" not in reason


def test_a_file_that_is_not_python_fails(project: Project) -> None:
    """What it imports cannot be known."""
    project.write("test/tools.py", "def (:\n")
    project.record()
    assert ("fail", True) == _says(project.rule("imports"), "tools.py: is not valid Python")


def test_a_file_that_no_run_imported_is_not_shown(project: Project) -> None:
    """Its tests may run another copy; a policy can leave it out."""
    tested = project.header().gate_files
    assert tested
    project.record(gate_files=GateFiles(tested.digest_by_path, ("agent.py",)))
    assert ("not shown", True) == _says(project.rule("imported files"), "no run imported tools.py")
    project.configure(imported=["agent.py"])
    project.record(gate_files=GateFiles(tested.digest_by_path, ("agent.py",)))
    assert ("pass", True) == _says(project.rule("imported files"), "1 file")
    project.configure(imported=[])
    assert ("", "") == project.rule("imported files")


def test_a_run_that_imported_the_file_from_elsewhere_fails(project: Project) -> None:
    """Such as PROD's own."""
    tested = project.header().gate_files
    assert tested
    project.record(gate_files=GateFiles(tested.digest_by_path, ("tools.py",)), digest_by_file={"prod/agent.py": "00"})
    assert ("fail", True) == _says(project.rule("imported files"), "imported prod/agent.py, not the file of TEST")


@pytest.mark.parametrize("outcome", ["failed", "skipped", "xfailed", "xpassed", "inconclusive"])
def test_a_required_test_that_has_not_passed_fails(project: Project, outcome: str) -> None:
    """A skip is no evidence, and an expected failure is a failure."""
    project.record(row(outcome=outcome), _streamed())
    assert ("fail", True) == _says(project.rule("required tests"), f"tests/test_agent.py::test_a {outcome}")


def test_a_required_test_that_did_not_run_is_not_shown(project: Project) -> None:
    """As under `-k`."""
    project.record(row(OTHER))
    assert ("not shown", True) == _says(project.rule("required tests"), "no test that matches tests/test_agent.py::*")


def test_a_required_test_that_failed_in_one_of_two_records_fails(project: Project) -> None:
    """A second try does not wipe out the first."""
    first, second = project.record(row(outcome="failed"), name="1.jsonl"), project.record(name="2.jsonl")
    assert "fail" == project.rule("required tests", first, second)[0]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"deselected": ("tests/test_agent.py::test_b",)}, "deselected, as by -k, and in no other record: tests/test_"),
        ({"left_out_by": "--ignore=tests/test_agent.py"}, "may be missing: run.jsonl: it ran with --ignore=tests/test"),
        (
            {"selected_tests": ("tests/test_agent.py::test_a",)},
            "it ran only tests/test_agent.py::test_a; run it without",
        ),
        ({"selected_tests": ("tests/test_agent.py", "docs"), "deselected": ("tests/other.py::test_b",)}, ""),
        ({"selected_tests": ("tests",)}, ""),
        (
            {"ignored_paths": ("tests/test_agent.py",)},
            "it left out tests/test_agent.py, by --ignore or because that skips",
        ),
        ({"ignored_paths": ("tests",)}, "it left out tests, by --ignore"),
        ({"ignored_paths": ("tests/test_agent", "docs")}, ""),
    ],
)
def test_required_tests_that_an_option_left_out_are_not_shown(
    project: Project, header: dict[str, Any], words: str
) -> None:
    """All of them must have run, not only those that pass. Another record may have the others."""
    project.record(**header)
    assert ("not shown" if words else "pass", True) == _says(project.rule("whole run"), words)
    others = project.record(row(), row("tests/test_agent.py::test_b"), name="all.jsonl")
    assert "pass" == project.rule("whole run", "run.jsonl", others)[0]


def test_a_deselected_test_without_a_row_must_be_in_another_whole_run(project: Project) -> None:
    """A test without a cassette has no row, so only a run that did not leave it out shows that it passed."""
    project.record(deselected=("tests/test_agent.py::test_plain",))
    other = project.record(row("tests/other.py::test_b"), name="other.jsonl", selected_tests=("tests/other.py",))
    assert "not shown" == project.rule("whole run", "run.jsonl", other)[0]
    assert "pass" == project.rule("whole run", "run.jsonl", project.record(name="whole.jsonl"))[0]


def test_other_tests_than_those_of_the_run_fail(project: Project) -> None:
    """A weaker test that passed is no evidence about the present one. What is in TEST and PROD has rules of its own."""
    project.write("tests/test_agent.py", "assert answer")
    digests = {"tests/test_agent.py": hashlib.sha256(b"assert answer").hexdigest(), "test/agent.py": "00"}
    project.record(digest_by_file=digests)
    assert ("pass", "1 file as in the runs: tests, settings, scenarios and recordings") == project.rule("test files")
    project.write("tests/test_agent.py", "assert answer == 42")
    words = "run.jsonl was made with other contents of tests/test_agent.py; run the tests again"
    assert ("fail", words) == project.rule("test files")
    (project.root / "tests" / "test_agent.py").unlink()
    assert ("fail", words) == project.rule("test files")


@pytest.mark.parametrize("path", ["fixtures/scenarios/refund.toml", "recordings/test_a.json"])
def test_a_scenario_or_recording_that_changed_after_the_run_fails(project: Project, path: str) -> None:
    """Somebody may have made it milder for the run, and put it back; or have edited it after the approval."""
    project.write(path, "mild")
    inputs = {path: hashlib.sha256(b"mild").hexdigest()}
    project.write("test/prompts/support.md", "two")
    project.run("approve", project.record(row(digest_by_input=inputs)), "--name", "Ann", "--reason", "x")
    project.write(path, "as committed")
    words = f"run.jsonl was made with other contents of {path}; run the tests again"
    assert ("fail", words) == project.rule("test files")
    assert words in project.run("promote", "--dry-run", code=1)
    project.write(path, "mild")
    project.record(row(digest_by_input=inputs), _streamed(digest_by_input={path: "00"}))
    assert ("fail", words) == project.rule("test files")


def test_recordings_without_hashes_are_not_shown(project: Project) -> None:
    """An older release wrote the record, so nobody knows which recordings the runs played."""
    project.record(row(answered_by=None, recorded_from="live"))
    words = "the hashes of the recordings of tests/test_agent.py::test_a are not in the evidence"
    assert ("not shown", True) == _says(project.rule("test files"), words)


def test_files_of_the_evidence_must_be_committed_if_the_policy_says_so(project: Project) -> None:
    """So that a reviewer sees a recording that somebody edited. Git may be told to take an edit for unchanged."""
    project.configure(committed=True)
    project.write("tests/test_agent.py", "assert answer")
    project.write("recordings/test a.json", "played")
    digests = {"tests/test_agent.py": hashlib.sha256(b"assert answer").hexdigest(), "test/agent.py": "00"}
    inputs = {"recordings/test a.json": hashlib.sha256(b"played").hexdigest()}
    project.record(row(digest_by_input=inputs), digest_by_file=digests)
    words = "the last commit does not have gate.toml, recordings/test a.json, tests/test_agent.py as the runs had it"
    assert ("not shown", True) == _says(project.rule("committed files"), words)
    project.git("init", "-q")
    assert ("not shown", True) == _says(project.rule("committed files"), words)
    project.commit("tests", "recordings", "gate.toml")
    words = "3 files committed: tests, settings, scenarios and recordings"
    assert ("pass", words) == project.rule("committed files")
    project.git("update-index", "--assume-unchanged", "recordings/test a.json")
    project.write("recordings/test a.json", "forged")
    words = "the last commit does not have recordings/test a.json as the runs had it; commit it"
    assert ("not shown", words) == project.rule("committed files")
    (project.root / "recordings" / "test a.json").unlink()
    assert ("not shown", words) == project.rule("committed files")


def test_a_failed_verdict_is_the_reason_why_pytest_failed(project: Project) -> None:
    """No row shows it, because the trials that failed are no failed tests."""
    project.configure(verdicts=["planner"])
    project.record(verdicts=(VerdictRecord("planner", "fail"),), exit_status=1)
    words = "exit status 1 because of the verdicts: planner: fail; to see why: flag-harness report verdict run.jsonl"
    assert ("fail", True) == _says(project.rule("outcomes"), words)
    project.record(verdicts=(VerdictRecord("planner", "pass"),), exit_status=1)
    assert ("fail", True) == _says(project.rule("outcomes"), "for a reason that no row shows")


def test_a_prompt_that_the_runs_read_in_prod_fails(project: Project) -> None:
    """The tests passed with the prompt of PROD. One that nothing opened is named; a server may have opened it."""
    tested = project.header().gate_files
    assert tested
    assert ("", "") == project.rule("opened files")  # an older release wrote the record
    for opened, in_prod, status, words in (
        ((), ("prompts/support.md",), "fail", "prompts/support.md, not the file of TEST; let the code read that"),
        ((), (), "pass", "the runs opened 0 files; no run opened prompts/support.md, unless in another process"),
        (("prompts/support.md",), ("prompts/support.md",), "pass", "the runs opened 1 file"),
    ):
        project.record(gate_files=msgspec.structs.replace(tested, opened_paths=opened, paths_opened_in_prod=in_prod))
        assert (status, True) == _says(project.rule("opened files"), words)


def test_a_run_that_has_not_ended_does_not_say_what_it_imported(project: Project) -> None:
    """It had imported the files of TEST, so the message must not say that it imported others."""
    tested = project.header().gate_files
    assert tested
    files = {"test/agent.py": "00"}
    project.record(gate_files=msgspec.structs.replace(tested, imported_paths=()), digest_by_file=files, exit_status=-1)
    words = "run.jsonl: the run has not ended, so it does not say what it imported; run it again"
    assert ("not shown", words) == project.rule("imported files")


def test_failed_trials_of_a_verdict_are_judged_by_the_verdict(project: Project) -> None:
    """A model fails now and then. A run that was refused is no trial, and a plain run must pass."""
    rows = [row(), row(repetition=1, outcome="failed"), _streamed()]
    verdicts = (VerdictRecord("planner", "pass"),)
    project.record(*rows, verdicts=verdicts)
    assert "fail" == project.rule("required tests")[0]  # the policy requires no verdict, so nothing judges the trials
    assert "fail" == project.rule("outcomes")[0]
    project.configure(verdicts=["planner"])
    project.record(*rows, verdicts=verdicts)
    assert ("pass", "2 runs passed; 1 failed trial, which the verdicts judge") == project.rule("required tests")
    assert "pass" == project.rule("outcomes")[0]
    for bad in ({"phase": "setup"}, {"refusal_count": 1}):
        project.record(*rows, row(repetition=2, outcome="failed", **bad), verdicts=verdicts)
        assert "fail" == project.rule("required tests")[0]
    project.record(*rows, verdicts=verdicts)
    plain = project.record(row(outcome="failed"), name="plain.jsonl")
    assert "fail" == project.rule("required tests", "run.jsonl", plain)[0]


@pytest.mark.parametrize("outcome", ["failed", "xpassed", "inconclusive"])
def test_another_test_that_failed_fails(project: Project, outcome: str) -> None:
    """The policy does not require it, but it is in the evidence."""
    project.record(row(), row(OTHER, outcome=outcome))
    assert ("fail", True) == _says(project.rule("outcomes"), f"{OTHER} {outcome}")
    project.record(row(), row(OTHER, outcome="skipped"))
    assert "pass" == project.rule("outcomes")[0]


def test_a_run_with_other_flags_fails(project: Project) -> None:
    """A flag was declared, or declared anew, after the run."""
    project.configure(flags=("planner", "memory"))
    project.record(flags={"planner": {"default": True}, "memory": project.header().flags["memory"]})
    assert ("fail", True) == _says(project.rule("flags"), "another declaration of planner;")


def test_a_flag_that_the_files_read_undeclared_is_named(project: Project) -> None:
    """No run varied it, so nobody knows what it does. One that is declared is not named."""
    code = "import os, tools\nif os.environ.get('SHOP_RUDE'):\n    pass\nif os.environ.get('PLANNER'):\n    pass\n"
    project.write("test/agent.py", code)
    project.record()
    words = "declared as they are now: planner; read, but NOT declared, so no run varied it: SHOP_RUDE (agent.py:2)"
    assert ("pass", words) == project.rule("flags")
    project.write("test/agent.py", "import tools\nif (\n")
    project.record()
    assert ("pass", "declared as they are now: planner") == project.rule("flags")


@pytest.mark.parametrize("combinations", ["full", ["off", "planner"]])
def test_a_combination_that_did_not_pass_is_not_shown(project: Project, combinations: object) -> None:
    """Each required test must pass under each of them."""
    project.configure(combinations=combinations)
    project.record(row("tests/test_agent.py::test_a[off]"))
    assert ("not shown", True) == _says(project.rule("combinations"), "tests/test_agent.py::test_a[*] under planner")
    project.record(row("tests/test_agent.py::test_a[off]"), _streamed())
    assert ("pass", "1 test under 2 combinations") == project.rule("combinations")
    project.record(row("tests/test_agent.py::test_a[off]"), _streamed(outcome="failed"))
    assert ("not shown", True) == _says(project.rule("combinations"), "tests/test_agent.py::test_a[*] under planner")
    project.record(row(OTHER))
    assert ("not shown", f"no required test ran; {RERUN}") == project.rule("combinations")


def test_simulated_answers_fail_unless_the_policy_takes_them(project: Project) -> None:
    """And then it says aloud that they were simulated."""
    assert ("pass", True) == _says(project.rule("upstream"), "1 of 1 run had SIMULATED answers")
    project.configure(upstream="live")
    project.record(row(), _streamed(answered_by=None, recorded_from="live"))
    assert ("fail", True) == _says(project.rule("upstream"), "1 of 2 runs had SIMULATED answers; record them from")
    project.record(row(answered_by=None, recorded_from="live"), _streamed(answered_by="live"))
    words = "the live API answered 1 run; 1 run played recordings of the live API"
    assert ("pass", words) == project.rule("upstream")
    project.record(row(answered_by="live"))
    assert ("pass", "the live API answered 1 run") == project.rule("upstream")
    project.record(row(answered_by=None, recorded_from="live"))
    assert ("pass", "1 run played recordings of the live API") == project.rule("upstream")


def test_answers_of_unknown_origin_are_not_shown(project: Project) -> None:
    """An imported recording, or a test that sent nothing."""
    project.record(row(answered_by=None, recorded_from="imported"))
    assert ("not shown", True) == _says(project.rule("upstream"), "not known who answered tests/test_agent.py::test_a")
    project.record(row(requests=()))
    assert ("not shown", True) == _says(
        project.rule("upstream"), "no required test sent a request; let `policy.tests` name"
    )


def test_a_rebased_recording_fails_unless_the_policy_takes_it(project: Project) -> None:
    """Its answers are not those to the requests of today."""
    project.record(row(is_rebased=True))
    assert ("fail", True) == _says(project.rule("rebased recordings"), "record them again")
    project.configure(rebased=True)
    assert ("", "") == project.rule("rebased recordings")


def test_old_evidence_fails(project: Project) -> None:
    """So does evidence from the future; without a time, nothing is shown."""
    project.configure(max_age="2d")
    project.record(started_at=_ago(days=1))
    assert ("pass", "none is older than 2 days") == project.rule("age of evidence")
    project.record(started_at=_ago(days=3))
    assert ("fail", True) == _says(project.rule("age of evidence"), "older than 2 days: run.jsonl (3 days)")
    project.record(started_at=_ago(days=-1))
    assert ("fail", True) == _says(project.rule("age of evidence"), "in the future")
    project.record(started_at="")
    assert ("not shown", True) == _says(project.rule("age of evidence"), "unknown for run.jsonl")


def test_old_recordings_fail(project: Project) -> None:
    """Only recordings that a required test played."""
    project.configure(max_recording_age="12h")
    played = {"answered_by": None, "recorded_from": "simulator"}
    project.record(row(**played, recorded_at=_ago(hours=20)), row(OTHER, **played, recorded_at=_ago(days=9)))
    wanted = "older than 12 hours: tests/test_agent.py::test_a (20 hours); record them again"
    assert ("fail", wanted) == project.rule("age of recordings")
    project.record(row(**played))
    assert "not shown" == project.rule("age of recordings")[0]
    project.record(row(**played, recorded_at=_ago(hours=2)))
    assert "pass" == project.rule("age of recordings")[0]


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("cost", {"cost": 2.0}),
        ("requests", {"requests": row().requests * 2}),
        ("input_tokens", {"usage": Usage(input_tokens=1, cache_read_input_tokens=1)}),
        ("output_tokens", {"usage": Usage(output_tokens=2)}),
        ("seconds", {"seconds": 2.0}),
    ],
)
def test_a_run_over_its_budget_fails(project: Project, name: str, used: dict[str, Any]) -> None:
    """Each limit of the budget."""
    project.configure(budget={name: 1})
    project.record(row(**used))
    words = f"tests/test_agent.py::test_a: {name} 2 > 1; spend less, or raise"
    assert ("fail", True) == _says(project.rule("budget"), words)
    project.record(row(cost=0.5))
    assert ("pass", f"1 run within {name}") == project.rule("budget")


def test_an_unknown_cost_is_not_shown(project: Project) -> None:
    """A model without a list price may cost anything."""
    project.configure(budget={"cost": 1})
    project.record(row(cost=None))
    assert ("not shown", True) == _says(
        project.rule("budget"), "unknown: tests/test_agent.py::test_a: cost; leave that"
    )
    project.record(row(OTHER))
    assert ("not shown", f"no required test ran; {RERUN}") == project.rule("budget")


def test_logged_errors_fail(project: Project) -> None:
    """More than the policy takes; warnings are none."""
    project.configure(log_errors=1)
    logs = (LogCount("ERROR", "agent", "no answer", 2), LogCount("WARNING", "agent", "slow", 9))
    project.record(row(log_counts=logs))
    assert ("fail", True) == _says(
        project.rule("log errors"), "2 errors logged, at most 1 allowed: agent: no answer; run"
    )
    project.record(row(log_counts=logs[1:]))
    assert ("pass", "0 errors logged") == project.rule("log errors")


@pytest.mark.parametrize("word", ["fail", "inconclusive", "harm within the margin"])
def test_a_verdict_other_than_pass_fails(project: Project, word: Any) -> None:
    """Also beside a PASS of the same flag."""
    project.configure(verdicts=["planner"])
    project.record(verdicts=(VerdictRecord("planner", "pass"), VerdictRecord("planner", word)))
    assert ("fail", True) == _says(
        project.rule("verdicts"), f"planner: {word}; to see why: flag-harness report verdict run"
    )


@pytest.mark.parametrize("wanted", [["planner"], ["all"]])
def test_a_flag_without_a_verdict_is_not_shown(project: Project, wanted: list[str]) -> None:
    """A verdict on another flag does not help. `all` is every declared flag."""
    project.configure(verdicts=wanted)
    project.record(verdicts=(VerdictRecord("memory", "pass"),))
    assert ("not shown", True) == _says(
        project.rule("verdicts"), "no verdict on planner; run `pytest --harness-verdict="
    )
    project.record(*trials(), verdicts=(VerdictRecord("planner", "pass"), VerdictRecord("memory", "fail")))
    assert ("pass", "PASS for planner; SIMULATED answers for planner") == project.rule("verdicts")
    project.configure(verdicts=wanted, upstream="live")
    assert ("fail", "from SIMULATED answers only: planner") == project.rule("verdicts")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([*trials(20)], "run.jsonl says PASS for planner, but its rows say INCONCLUSIVE"),
        ([*trials(outcome="failed")], "its rows say FAIL"),
        ([*trials(flag="memory")], "its rows say INCONCLUSIVE"),
        ([*trials()[::2]], "its rows say INCONCLUSIVE"),
        (
            [*trials(is_rebased=True, cassette="a.json")],
            "INCONCLUSIVE; a.json was rebased and not recorded again; run",
        ),
    ],
    ids=["too few rounds", "harm", "another flag", "one arm", "rebased"],
)
def test_a_verdict_that_its_rows_do_not_show_fails(project: Project, rows: list[RunRow], words: str) -> None:
    """It was edited, or copied from another run. Whether answers were simulated is read from the rows, too."""
    project.configure(verdicts=["planner"])
    project.record(*rows, verdicts=(VerdictRecord("planner", "pass", base="false", value="true"),))
    assert ("fail", True) == _says(project.rule("verdicts"), words)


def test_a_verdict_must_be_about_each_required_test_that_varies_the_flag(project: Project) -> None:
    """Otherwise only the tests that the flag does not harm might be judged."""
    project.configure(verdicts=["planner"])
    verdicts = (VerdictRecord("planner", "pass"),)
    project.record(*trials(), verdicts=verdicts)
    plain = project.record(*trials(1, "tests/test_agent.py::test_b"), name="plain.jsonl")
    found = project.rule("verdicts", "run.jsonl", plain)
    assert ("not shown", True) == _says(found, "planner is not about tests/test_agent.py::test_b[*]; run `pytest --har")
    project.record(*trials(case=OTHER), verdicts=verdicts)
    assert ("not shown", True) == _says(project.rule("verdicts"), "no required test varies planner, so its verdict is")


def test_a_sweep_that_is_missing_or_only_a_part_is_not_shown(project: Project) -> None:
    """The whole sweep counts, and only against the baseline of the policy."""
    project.configure(sweep="sweep.json")
    project.write("sweep.json", "{}")
    project.record()
    assert ("not shown", True) == _says(project.rule("sweep"), "pytest --harness-sweep --harness-sweep-baseline=sweep")
    for options, reason in [
        (("--harness-sweep",), "was not compared with sweep.json"),
        (("--harness-sweep", "--harness-sweep-baseline=other.json"), "was not compared with sweep.json"),
        (("--harness-sweep", "--harness-sweep-baseline", "sweep.json", "-k", "stall"), "only a part of the sweep: -k"),
    ]:
        sweep = project.record(name="sweep.jsonl", options=options)
        assert ("not shown", True) == _says(project.rule("sweep", "run.jsonl", sweep), reason)


def test_a_sweep_against_another_baseline_fails(project: Project) -> None:
    """Whoever lowers the baseline after the sweep must sweep again; a sweep that fails is a run that fails."""
    project.configure(sweep="sweep.json")
    project.write("sweep.json", "{}")
    run, options = project.record(), ("--harness-sweep", "--harness-sweep-baseline=./sweep.json")
    sweep = project.record(name="sweep.jsonl", options=options)
    assert ("pass", "1 sweep against sweep.json") == project.rule("sweep", run, sweep)
    sweep = project.record(name="sweep.jsonl", options=options, exit_status=1)
    assert "fail" == project.rule("outcomes", run, sweep)[0]
    project.write("sweep.json", "[]")
    assert ("fail", True) == _says(project.rule("sweep", run, sweep), "another sweep.json or policy")


def test_markdown_is_for_the_summary_of_a_ci_job(project: Project, make_row: Callable[..., RunRow]) -> None:
    """A table in which a test's name cannot break out of its cell; the exit code is that of the check."""
    project.record(make_row("tests/test_agent.py::test_a[<b>|x]", outcome="failed"))
    printed = project.run("check", "run.jsonl", "--markdown", code=1)
    assert printed.startswith("## ❌ Gate: 2 of 12 rules do not pass\n\n| result | rule | reason |\n")
    assert (
        r"| ❌ fail | required tests | not passed: tests/test\_agent.py::test\_a\[\<b\>\|x\] failed; mend it, and run"
        in printed
    )


def _says(result: tuple[str, str], words: str) -> tuple[str, bool]:
    """Return the status of a rule, and whether its reason has these words; print it if not."""
    if words not in result[1]:
        print(result)
    return result[0], words in result[1]
