"""`--harness-record`: what a run leaves behind."""

import json
import subprocess
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.record import RunRow, load_record

CONFIGURATION = """
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator"
[tool.flag-harness.flags]
streaming = "ENABLE_STREAMING"
"""
TEST = """
import logging, os, anthropic, pytest, agent

@pytest.mark.flag_matrix("streaming")
def test_ask(cassette, flags):
    logging.getLogger("agent").warning("slow: %s s", flags.id)
    client = anthropic.Anthropic()
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
    if os.environ.get("ENABLE_STREAMING"):
        with client.messages.stream(**body) as stream:
            stream.until_done()
        assert False, "sk-ant-api03-" + "a" * 93 + "AA"
    client.messages.create(**body)

@pytest.fixture
def broken(cassette):
    raise RuntimeError("no database")

def test_setup(broken): pass

@pytest.mark.harness_no_request
def test_skip(cassette):
    pytest.skip("not today")

def test_plain(): pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST, agent="")
    return pytester


def _timeless(row: RunRow) -> dict[str, object]:
    return {
        key: value
        for key, value in row.to_builtins().items()
        if key not in ("seconds", "duration", "first_token", "requests")
    }


def test_each_test_and_combination_leaves_a_row(suite: pytest.Pytester) -> None:
    """With its outcome, why it failed and where, its requests and what it logged."""
    suite.runpytest_subprocess("--harness-record=run.jsonl").assert_outcomes(passed=2, failed=1, skipped=1, errors=1)
    record = load_record(suite.path / "run.jsonl")
    off, on, setup, skip = sorted(record.rows, key=lambda row: row.case.replace("[off]", "[a]"))
    assert ("passed", "call", {"streaming": False}, "") == (off.outcome, off.phase, off.values, off.reason)
    assert ("failed", {"streaming": True}, "test_it.py:11") == (on.outcome, on.values, on.error_location)
    assert ("failed", "setup", "test_it.py:16") == (setup.outcome, setup.phase, setup.error_location)
    assert "RuntimeError: no database" == setup.reason
    assert ("skipped", "Skipped: not today") == (skip.outcome, skip.reason)
    (request,) = on.requests
    assert ("claude-haiku-4-5", "end_turn", 200) == (request.model, request.stop_reason, request.status)
    assert request.usage is not None
    assert on.usage == request.usage
    assert request.chunk_count > 1
    assert [("WARNING", "agent", "slow: %s s", 1)] == [
        (log.level, log.logger, log.message, log.count) for log in on.log_counts
    ]


def test_no_key_reaches_the_record(suite: pytest.Pytester) -> None:
    """Not even in the message of a failure."""
    suite.runpytest_subprocess("--harness-record=run.jsonl", "-k", "sk-ant-api03-" + "b" * 95 + " or test")
    assert "sk-ant-api03-" not in (suite.path / "run.jsonl").read_text()


def test_the_header_says_which_code_ran(suite: pytest.Pytester) -> None:
    """The commit, whether it was changed, the flags, and the hashes of the project's files."""
    suite.makefile("", **{".gitignore": "*.jsonl"})
    for command in (["init", "-q"], ["add", "test_it.py"], ["commit", "-q", "-m", "One"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *identity, *command], cwd=suite.path, check=True)
    (suite.path / "test_it.py").write_text(TEST + "# changed\n")
    suite.runpytest_subprocess("--harness-record=run.jsonl", "-k", "skip", "-q")
    header = load_record(suite.path / "run.jsonl").header
    assert (40, True) == (len(header.commit), header.is_dirty)
    assert "ENABLE_STREAMING" == header.flags["streaming"]["env"]
    assert {"agent.py", "pyproject.toml", "test_it.py"} == header.digest_by_file.keys()
    assert ("--harness-record=run.jsonl", "-k", "skip") == header.options


def test_workers_write_what_one_process_writes(suite: pytest.Pytester) -> None:
    """Dates and durations aside."""
    suite.runpytest_subprocess("--harness-record=one.jsonl", "-n0")
    suite.runpytest_subprocess("--harness-record=two.jsonl", "-n2")
    one, two = (load_record(suite.path / name) for name in ("one.jsonl", "two.jsonl"))
    assert list(map(_timeless, one.rows)) == list(map(_timeless, two.rows))
    assert one.header.digest_by_file == two.header.digest_by_file


def test_the_last_run_is_kept_in_the_cache(suite: pytest.Pytester) -> None:
    """Without an option; a run without tests of the harness leaves it alone."""
    suite.runpytest_subprocess()
    suite.runpytest_subprocess("-k", "plain")
    assert 4 == len(load_record(suite.path / ".pytest_cache/d/flag-harness/last-run.jsonl").rows)


def test_a_record_that_cannot_be_written_stops_the_run_before_its_first_test(suite: pytest.Pytester) -> None:
    """In one line."""
    suite.makefile("", taken="")
    run = suite.runpytest_subprocess("--harness-record=taken/run.jsonl")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(["ERROR: --harness-record=taken/run.jsonl: cannot be written: *"])


def test_shards_are_merged_by_a_command(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The merged record has the rows of one run."""
    suite.runpytest_subprocess("--harness-record=whole.jsonl")
    for number, names in enumerate(("ask", "not ask")):
        suite.runpytest_subprocess(f"--harness-record={number}.jsonl", "-k", names)
    monkeypatch.chdir(suite.path)
    capsys.readouterr()
    assert 0 == main(["report", "merge", "0.jsonl", "1.jsonl", "-o", "run.jsonl"])
    assert "run.jsonl: 4 rows of 2 records\n" == capsys.readouterr().out
    whole, merged = load_record(Path("whole.jsonl")), load_record(Path("run.jsonl"))
    assert list(map(_timeless, whole.rows)) == list(map(_timeless, merged.rows))


def test_a_torn_shard_is_said_and_the_rest_is_merged(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1; a missing one is wrong usage."""
    suite.runpytest_subprocess("--harness-record=run.jsonl")
    monkeypatch.chdir(suite.path)
    path = Path("run.jsonl")
    path.write_bytes(path.read_bytes()[:-10])
    assert 1 == main(["report", "merge", "run.jsonl", "-o", "merged.jsonl"])
    assert "run.jsonl:5: the last line is incomplete" in capsys.readouterr().out
    assert 3 == len(json.loads(f"[{','.join(Path('merged.jsonl').read_text().splitlines())}]")) - 1
    assert 2 == main(["report", "merge", "absent.jsonl", "-o", "merged.jsonl"])
    assert "absent.jsonl: cannot be read" in capsys.readouterr().err
    assert 2 == main(["report", "merge", "run.jsonl", "-o", "."])
    assert ".: cannot be written: Is a directory" in capsys.readouterr().err


def test_the_metrics_of_the_last_run_are_printed(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Simulated figures say so; a failed run is no pair, and counts under compatibility."""
    suite.makepyfile(test_it=TEST.replace("assert False", "assert True"))
    suite.runpytest_subprocess()
    monkeypatch.chdir(suite.path)
    capsys.readouterr()
    assert 0 == main(["report", "metrics"])
    out = capsys.readouterr().out
    assert "Simulated: tokens are the simulator's estimate" in out
    assert "requests    streaming  +1 in 1 pair; how sure this is cannot be told from one" in out
    assert "streaming  1 of 1 runs passed" in out
    assert 0 == main(["report", "metrics", "--json"])
    (requests,) = (one for one in json.loads(capsys.readouterr().out)["effects"] if one["figure"] == "requests")
    assert ({"streaming": True}, 1.0, 1) == (requests["flags"], requests["mean"], requests["pairs"])


def test_without_a_run_there_are_no_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says what to run."""
    monkeypatch.chdir(tmp_path)
    assert 2 == main(["report", "metrics"])
    assert "there is no last run; run pytest first, or name a record" in capsys.readouterr().err


def test_a_run_writes_its_report(suite: pytest.Pytester) -> None:
    """With the combination that failed, why, and no secret; from workers as from one process."""
    for workers in ("0", "2"):
        suite.runpytest_subprocess("-n", workers, "--harness-report=out.json")
        report = json.loads((suite.path / "out.json").read_text("utf-8"))
        assert {"passed": 1, "failed": 2, "skipped": 1} == report["outcomes"]
        assert ["fails when streaming is on"] == [cause["text"] for cause in report["causes"]]
        assert "sk-ant-api03-" not in (suite.path / "out.json").read_text("utf-8")


def test_a_report_of_an_unknown_format_is_refused_before_the_run(suite: pytest.Pytester) -> None:
    """The error names the formats."""
    run = suite.runpytest_subprocess("--harness-report=out.pdf")
    assert 4 == run.ret
    run.stderr.fnmatch_lines(["ERROR: --harness-report: out.pdf: a report is written as .html, .md, .json*"])


def test_a_report_that_cannot_be_written_fails_the_run(suite: pytest.Pytester) -> None:
    """The tests have run by then; one line says why there is no report."""
    suite.makefile("", taken="")
    run = suite.runpytest_subprocess("--harness-report=taken/out.md", "-k", "skip")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.assert_outcomes(skipped=1, deselected=4)
    run.stdout.fnmatch_lines(["ERROR: --harness-report: taken/out.md: cannot be written: *"])


def test_without_git_there_is_no_commit(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is written all the same."""
    monkeypatch.setenv("PATH", str(suite.path))
    suite.runpytest_subprocess("--harness-record=run.jsonl", "-k", "skip")
    header = load_record(suite.path / "run.jsonl").header
    assert ("", False) == (header.commit, header.is_dirty)
