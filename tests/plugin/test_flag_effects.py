"""What a run says of its flags: what each changes, which change nothing, and which broke a test."""

import pytest

from flag_harness.cli import main

CONFIGURATION = """
[tool.flag-harness.flags]
streaming = "STREAM"
concise = "CONCISE"
idle = "IDLE"
"""
TEST = """
import os

import anthropic
import pytest

@pytest.mark.flag_matrix("streaming", "concise", "idle")
def test_ask(cassette, flags):
    client = anthropic.Anthropic(max_retries=0)
    client.messages.create(
        model="claude-haiku-4-5",
        max_tokens=100 if os.environ.get("CONCISE") else 200,
        stream=bool(os.environ.get("STREAM")),
        messages=[{"role": "user", "content": "Hello."}],
    )
    assert not CONDITION
"""
COUNTING = """
from flag_harness.plugin.run.recorded_effects import FlagEffectsInRecordings

count = 0
load = FlagEffectsInRecordings._load_cassettes

def counted(self):
    global count
    count += 1
    return load(self)

FlagEffectsInRecordings._load_cassettes = counted

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"the folder was read {count} times")
"""
SIMULATED = ("--disable-recording", "--harness-upstream=simulator")


def _test(condition: str = "False") -> str:
    """The test, which fails on a condition."""
    return TEST.replace("CONDITION", f"({condition})")


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with three flags, of which one does nothing."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_ask=_test())
    return pytester


def test_each_flag_is_reported_with_the_paths_that_it_changes(repository: pytest.Pytester) -> None:
    """The flag without an effect has a line of its own."""
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(passed=8)
    run.stdout.fnmatch_lines(
        [
            "*- what each flag changes -*",
            "streaming  stream: False → True (4 of 4 pairs)",
            "concise    max_tokens: 200 → 100 (4 of 4 pairs)",
            "idle: changed no request in 4 of 4 pairs; no code of this project reads IDLE: it is gone, misspelt, *",
        ]
    )
    run.stdout.no_fnmatch_line("*which flags broke it*")


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_quiet_run_names_only_the_flags_that_change_nothing(
    repository: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """Also if the tests ran on workers."""
    run = repository.runpytest_subprocess("-q", *SIMULATED, *workers)
    run.stdout.fnmatch_lines(["idle: changed no request in 4 of 4 pairs; no code of this project reads IDLE*"])
    run.stdout.no_fnmatch_line("*max_tokens: 200*")


SHARED_STATE = """
HISTORY = []

def messages():
    HISTORY.append({"role": "user", "content": "Hello."})
    return HISTORY
"""


def test_a_flag_that_no_code_reads_is_not_what_changed_the_requests(repository: pytest.Pytester) -> None:
    """Here the tests share a list of messages, which grows from run to run. Flags that are read are not named."""
    test = _test().replace('[{"role": "user", "content": "Hello."}]', "messages()")
    repository.makepyfile(test_ask=SHARED_STATE + test.replace('"STREAM"', '"STREAMS"'))
    run = repository.runpytest_inprocess(*SIMULATED)
    run.assert_outcomes(passed=8)
    run.stdout.fnmatch_lines(
        [
            "idle       messages* is added *",
            "streaming: no code *reads STREAM; did you mean STREAMS (test_ask.py:*)? So its changes come from some*",
            "idle: no code of this project reads IDLE: * So its changes come from something else: *",
        ]
    )
    run.stdout.no_fnmatch_line("concise: no code*")


def test_a_run_can_fail_on_a_flag_that_changes_nothing(repository: pytest.Pytester) -> None:
    """The tests pass, and the exit code is 1."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-fail-on=inert-flag")
    run.assert_outcomes(passed=8)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    used = repository.runpytest_subprocess(*SIMULATED, "--harness-fail-on=inert-flag", "-k", "nothing")
    assert pytest.ExitCode.NO_TESTS_COLLECTED == used.ret


def test_the_flags_that_broke_a_test_are_named_with_a_command(repository: pytest.Pytester) -> None:
    """The smallest conjunction, with a negation, and the smallest failing run."""
    repository.makepyfile(test_ask=_test("'concise' in flags and 'streaming' not in flags"))
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(passed=6, failed=2)
    run.stdout.fnmatch_lines(
        [
            "*- which flags broke it -*",
            "fails when not streaming and concise: 1 test (test_ask.py::test_ask[[]*[]])",
            "  To reproduce: pytest 'test_ask.py::test_ask[[]concise[]]' " + " ".join(SIMULATED),
        ]
    )


def _excluding_test() -> str:
    """Return the test, which leaves its runs with `idle` out of the comparison."""
    return _test().replace(
        "    client =", "    if 'idle' in flags: cassette.exclude_from_effects('asks something else')\n    client ="
    )


def test_a_run_that_the_test_excludes_is_compared_with_no_other(repository: pytest.Pytester) -> None:
    """A test that does something else under one combination says so, and the flags are not blamed for it."""
    repository.makepyfile(test_ask=_excluding_test())
    run = repository.runpytest_subprocess(*SIMULATED)
    run.stdout.fnmatch_lines(["streaming  stream: False → True (2 of 2 pairs)"])
    run.stdout.no_fnmatch_line("idle: changed*")
    run.stdout.no_fnmatch_line("*is left out*")
    run = repository.runpytest_subprocess("-v", *SIMULATED)
    run.stdout.fnmatch_lines(["test_ask.py::test_ask[[]idle[]] is left out: asks something else"])


def test_a_miss_names_the_flag_that_the_recordings_beside_it_show(repository: pytest.Pytester) -> None:
    """Learnt from the recordings of the other combinations: a flag of the project, if it is on in the test."""
    repository.runpytest_subprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=8)
    repository.makepyfile(test_ask=_test().replace("else 200", "else 300").replace("100 if", "150 if"))
    run = repository.runpytest_subprocess("-k", "test_ask[off] or test_ask[concise]", "-q")
    run.assert_outcomes(failed=2)
    run.stdout.fnmatch_lines(
        [
            "  max_tokens: recorded 200, sent 300",
            "  max_tokens: recorded 100, sent 150   [[]the flag concise changes this[]]",
        ]
    )


def test_the_recordings_are_read_once_however_many_tests_miss(repository: pytest.Pytester) -> None:
    """Each test has its own cassette, and all misses are explained from one reading of the folder."""
    repository.runpytest_subprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=8)
    repository.makepyfile(test_ask=_test().replace("else 200", "else 300"))
    repository.makeconftest(COUNTING)
    run = repository.runpytest_subprocess("-q")
    run.assert_outcomes(passed=4, failed=4)
    run.stdout.fnmatch_lines(["the folder was read 1 times"])


def test_a_skipped_combination_is_no_passing_one(repository: pytest.Pytester) -> None:
    """It is not taken for proof that the test passes there."""
    skipping = _test("'streaming' in flags").replace(
        "    client =", "    if 'concise' not in flags: pytest.skip('not yet')\n    client ="
    )
    repository.makepyfile(test_ask=skipping)
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(passed=2, failed=2, skipped=4)
    run.stdout.fnmatch_lines(["perhaps fails when streaming: 1 test (test_ask.py::test_ask[[]*[]])"])


def test_effects_are_read_off_recordings_alone(repository: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    """`flag-harness cassette effects` says the same, and exits with 1 because of the idle flag."""
    repository.runpytest_subprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=8)
    capsys.readouterr()
    assert 1 == main(["cassette", "effects"])
    lines = (
        "streaming  stream: False → True (4 of 4 pairs)",
        "concise    max_tokens: 200 → 100 (4 of 4 pairs)",
        "idle: changed no request in 4 of 4 pairs",
    )
    shown = capsys.readouterr().out.splitlines()
    assert list(lines) == [line for line in shown if line in lines]


def test_recordings_of_excluded_runs_are_not_compared(
    repository: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recording keeps the reason that its test gave."""
    repository.makepyfile(test_ask=_excluding_test())
    repository.runpytest_subprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=8)
    capsys.readouterr()
    main(["cassette", "effects"])
    line = "idle: not shown; no two recordings of a test differ in this flag alone"
    assert line in capsys.readouterr().out.splitlines()
    (one,) = repository.path.glob("recordings/test_ask/*[[]idle[]].json")
    assert '"excluded_from_effects": "asks something else"' in one.read_text()


def test_the_run_to_reproduce_is_the_one_nearest_the_defaults(repository: pytest.Pytester) -> None:
    """A flag that is on by default counts as a change if it is switched off, not if it is on."""
    repository.makepyprojecttoml(CONFIGURATION.replace('"CONCISE"', '{ env = "CONCISE", default = true }'))
    repository.makepyfile(test_ask=_test("'streaming' in flags"))
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(passed=4, failed=4)
    run.stdout.fnmatch_lines(["  To reproduce: pytest 'test_ask.py::test_ask[[]streaming[]]' *"])


def test_a_combination_whose_teardown_fails_is_a_failed_one(repository: pytest.Pytester) -> None:
    """The flag behind it is named; the run fails for that, whatever else was asked for."""
    fixture = "@pytest.fixture\ndef opened(flags):\n    yield\n    assert 'streaming' not in flags\n"
    test = _test().replace("import pytest\n", f"import pytest\n\n{fixture}").replace("(cassette,", "(cassette, opened,")
    repository.makepyfile(test_ask=test)
    run = repository.runpytest_inprocess("-p", "no:asyncio", *SIMULATED, "--harness-fail-on=inert-flag")
    run.assert_outcomes(passed=8, errors=4)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["fails when streaming: 1 test (test_ask.py::test_ask[[]*[]])"])


def test_a_quiet_run_says_how_to_see_the_table(repository: pytest.Pytester) -> None:
    """In one line; a run without a table has no such line."""
    line = "pytest without -q shows a table of the combinations, and what each flag changes"
    repository.runpytest_subprocess("-q", *SIMULATED).stdout.fnmatch_lines([line])
    repository.runpytest_subprocess(*SIMULATED).stdout.no_fnmatch_line(line)


def test_a_change_that_only_failed_runs_show_counts(repository: pytest.Pytester) -> None:
    """Every run with the flag misses its recording, so those that pass show nothing of it."""
    repository.runpytest_subprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=8)
    changed = '"Idle." if os.environ.get("IDLE") and os.environ.get("CONCISE") else "Hello."'
    repository.makepyfile(test_ask=_test().replace('"Hello."', changed))
    run = repository.runpytest_subprocess()
    run.assert_outcomes(passed=6, failed=2)
    run.stdout.fnmatch_lines(["idle *messages[[]*].content[[]*].text: Hello. → Idle. when concise (2 of 4 pairs)"])
    run.stdout.no_fnmatch_line("idle: changed no request*")
