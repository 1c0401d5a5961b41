"""Run failing tests alone, each in a process of its own, to see whether they fail only after other tests.

A test that passes alone is broken by what an earlier test leaves behind, such as a module global, and not by its flags.
Only tests are run again that are answered by recordings or the simulator: nothing is paid for, and nothing is written.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from flag_harness.plugin.modes import is_recording_disabled, record_mode_of_run
from flag_harness.plugin.run.blame import FailureFinding, StateLeak, findings_about_tests

if TYPE_CHECKING:
    from flag_harness.plugin.run.flag_effects import FlagEffects

MAX_TESTS_RUN_ALONE = 3
"""The most failing tests that are run alone, at the same time."""
MAX_SECONDS_TO_FIRST_RESULT = 3.0
"""If the first test of a run ends later than this, tests are run alone only with `--harness-locate`."""
MAX_SECONDS_IF_SUSPECT = 15.0
"""The same limit for a failing test that an earlier test seems to have broken: all its runs after one failure fail."""
MAX_SECONDS_OF_LONE_RUN = 60.0
"""A process that takes longer than this is killed, and its result is unknown."""
MAX_EARLIER_TESTS = 1_000
"""The most earlier tests among which the cause of a failure is sought."""
_DROPPED_OPTIONS = frozenset(
    {
        "-x",
        "--exitfirst",
        "--lf",
        "--last-failed",
        "--ff",
        "--failed-first",
        "--nf",
        "--new-first",
        "--sw",
        "--stepwise",
    }
    | {"--sw-skip", "--stepwise-skip", "--pdb", "--trace"}
)
"""Options that select other tests or wait for somebody."""
_DROPPED_OPTIONS_WITH_VALUE = frozenset(
    {"-n", "--numprocesses", "--dist", "--maxfail", "--basetemp", "--junitxml", "--junit-xml", "--report-log", "--html"}
    | {"--alluredir", "--json-report-file", "--harness-record", "--harness-report", "--harness-shard"}
)
"""Options that select other tests or write files, and whose value may be the next argument."""
_ADDED_OPTIONS = ("--maxfail=0", "-p", "no:flag-harness-alone", "-p", "no:flag-harness-locate")


class LoneTestRunner:
    """After the tests of a run, runs the smallest failing combination of each explained failure alone.

    A combination that passes alone is stored in `effects.leaks`.
    """

    def __init__(self, config: pytest.Config, effects: "FlagEffects") -> None:
        self._config, self._effects = config, effects
        self._started = time.monotonic()
        self._seconds_to_first_result: float | None = None
        self._outcomes_by_process: dict[object, dict[str, bool]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the order in which each process runs its tests, and which of them pass."""
        outcomes = self._outcomes_by_process.setdefault(getattr(report, "node", None), {})
        outcomes[report.nodeid] = outcomes.get(report.nodeid, True) and not report.failed
        if self._seconds_to_first_result is None and report.when == "teardown":
            self._seconds_to_first_result = time.monotonic() - self._started

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Run failing tests alone, after all tests have run or after `-x` has ended the run."""
        try:
            result = yield
        except session.Failed:
            self._run_failing_tests_alone()
            raise
        self._run_failing_tests_alone()
        return result

    def _is_check_free_of_charge(self) -> bool:
        """Return whether tests can be run again without paying for answers or writing cassettes."""
        if is_recording_disabled(self._config):
            return bool(self._config.getoption("--harness-upstream") == "simulator")
        return record_mode_of_run(self._config) == "none"

    def _run_failing_tests_alone(self) -> None:
        if not self._is_check_free_of_charge():
            return
        findings = findings_about_tests(self._effects.failing_tests(), self._effects.flags_of_all_runs())
        due = {one.smallest_failure: one for one in findings if self._should_run_alone(one)}
        chosen = list(due)[:MAX_TESTS_RUN_ALONE]
        results = zip(chosen, self._run_in_processes([[one] for one in chosen]), strict=True)
        passing = [nodeid for nodeid, passed in results if passed]
        before = {nodeid: self._earlier_tests(nodeid)[-1] for nodeid in passing}
        results = zip(passing, self._run_in_processes([[before[one], one] for one in passing]), strict=True)
        for nodeid, passed in results:
            cause = before[nodeid] if passed is False else self._locate_cause(nodeid)
            self._effects.leaks[nodeid] = StateLeak(nodeid, tuple(due[nodeid].test_by_name), cause)

    def _should_run_alone(self, finding: FailureFinding) -> bool:
        """Return whether the smallest failing combination that a finding explains should be run alone."""
        earlier, seconds = self._earlier_tests(finding.smallest_failure), self._seconds_to_first_result or 0.0
        if not earlier or self._config.getoption("--harness-locate") is not None:
            return bool(earlier)
        return seconds <= (
            MAX_SECONDS_IF_SUSPECT
            if self._may_be_broken_by_earlier_test(finding, earlier)
            else MAX_SECONDS_TO_FIRST_RESULT
        )

    def _may_be_broken_by_earlier_test(self, finding: FailureFinding, earlier: Sequence[str]) -> bool:
        """Return whether an earlier test may have broken the test that a finding explains.

        That is so if one of the `earlier` tests passed, and every run of the failing test after its first failure
        failed.
        """
        outcomes = self._outcomes_in_process_of(finding.smallest_failure)
        test = next(
            one
            for one in finding.test_by_name.values()
            if one.failing_run_nearest_defaults["nodeid"] == finding.smallest_failure
        )
        nodeids = {run["nodeid"] for run in test.runs}
        own = [passed for nodeid, passed in outcomes.items() if nodeid in nodeids]
        return any(outcomes[one] for one in earlier) and True not in own[own.index(False) :]

    def _outcomes_in_process_of(self, nodeid: str) -> dict[str, bool]:
        return next((one for one in self._outcomes_by_process.values() if nodeid in one), {})

    def _earlier_tests(self, nodeid: str) -> list[str]:
        """Return the tests that ran before a test in the same process."""
        return list(takewhile(lambda one: one != nodeid, self._outcomes_in_process_of(nodeid)))

    def _locate_cause(self, nodeid: str) -> str:
        """Return an earlier test after which the test `nodeid` fails, found by bisection, or an empty string.

        The string is also empty without `--harness-locate`, since the search takes many runs.
        """
        earlier = self._earlier_tests(nodeid)[-MAX_EARLIER_TESTS:]
        if self._config.getoption("--harness-locate") is None or not self._fails_after(earlier, nodeid):
            return ""
        while len(earlier) > 1:
            half = earlier[: len(earlier) // 2]
            earlier = half if self._fails_after(half, nodeid) else earlier[len(half) :]
        return earlier[0] if self._fails_after(earlier, nodeid) else ""

    def _fails_after(self, earlier_tests: Sequence[str], nodeid: str) -> bool:
        return self._run_in_processes([[*earlier_tests, nodeid]]) == [False]

    def _run_in_processes(self, test_lists: Sequence[Sequence[str]]) -> list[bool | None]:
        """Run each list of tests in a process of its own. Return, for each list, whether its last test passes.

        The value is None if that is unknown, for example because the process was killed.
        """
        with tempfile.TemporaryDirectory(prefix="flag-harness-") as folder, ExitStack() as stack:
            files = [Path(folder, f"{number}.xml") for number in range(len(test_lists))]
            processes = [
                stack.enter_context(self._start_pytest(tests, file))
                for tests, file in zip(test_lists, files, strict=True)
            ]
            end = time.monotonic() + MAX_SECONDS_OF_LONE_RUN
            for process in processes:
                try:
                    process.wait(max(0.0, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
            return [has_last_test_passed(file) for file in files]

    def _start_pytest(self, tests: Sequence[str], result_file: Path) -> "subprocess.Popen[bytes]":
        config, root = self._config, self._config.rootpath
        own = [
            *_ADDED_OPTIONS,
            f"--junitxml={result_file}",
            "-o",
            f"cache_dir={result_file}.cache",
            f"--rootdir={root}",
        ]
        own += ["-c", str(config.inipath)] if config.inipath else []
        own += ["-n", "0"] if config.pluginmanager.hasplugin("xdist") else []
        own += ["--no-cov"] if hasattr(config.option, "no_cov") else []
        given = arguments_without_tests(list(map(str, config.invocation_params.args)), config.args)
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *given, *own, *(os.path.join(root, one) for one in tests)],
            cwd=config.invocation_params.dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def arguments_without_tests(arguments: Sequence[str], tests: Sequence[str]) -> list[str]:
    """Return the command line without the tests that it names, and without options that select tests or write files."""
    kept, drops_next = [], False
    for argument in arguments:
        option, has_value, _ = argument.partition("=")
        if not drops_next and option not in {*tests, *_DROPPED_OPTIONS, *_DROPPED_OPTIONS_WITH_VALUE}:
            kept.append(argument)
        drops_next = not drops_next and option in _DROPPED_OPTIONS_WITH_VALUE and not has_value
    return kept


def has_last_test_passed(file: Path) -> bool | None:
    """Return whether the last test in a JUnit file passed, or None if it was skipped, or the file cannot be read."""
    try:
        cases = list(ET.parse(file).iter("testcase"))
    except (OSError, ET.ParseError):
        return None
    if not cases:
        return None
    last = [one for one in cases if one.get("name") == cases[-1].get("name")]
    kinds = {child.tag for one in last for child in one}
    if kinds & {"failure", "error"}:
        return False
    return None if "skipped" in kinds else True
