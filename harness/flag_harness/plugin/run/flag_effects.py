"""Print at the end of a run what each flag changed, which flags changed nothing, and which flags broke a test."""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.analysis.matrix_runs import (
    EXPECTED_FAILURE,
    FLAGS_NOT_SET,
    MISSING_EXTRA,
    NO_API_KEY,
    NO_CASSETTE_REASON,
    NO_SCENARIO,
    TEST_NOT_RECORDED,
    TEST_SKIPPED,
    UNEXPECTED_PASS,
    MatrixRun,
    find_failing_tests,
    row_of_run,
    runs_by_cause_other_than_flags,
    tests_that_failed_in_their_only_run,
)
from flag_harness.matrix import flag_space, node_id_without_combination
from flag_harness.plugin.border.missing_key import is_missing_api_key_error, missing_api_key_message
from flag_harness.plugin.combinations import FLAG_OPTIONS_KEY
from flag_harness.plugin.marks import all_flags
from flag_harness.plugin.options.run_options import FAIL_ON_INERT_FLAG
from flag_harness.plugin.refusals import FlagSetupFailure, MissingExtraFailure, ScenarioFailure
from flag_harness.plugin.run.blame import (
    ADVICE_TO_LOCATE_FLAGS,
    FlagSearchResult,
    StateLeak,
    blame_lines,
    refusal_lines,
    unblamed_run_lines,
)
from flag_harness.plugin.stash import COMBINATION_KEY, TRAFFIC_KEY, VCR_CASSETTE_KEY, repetition_index
from flag_harness.plugin.test.faults import active_faults
from flag_harness.source_files import read_code_files

if TYPE_CHECKING:
    from flag_harness.analysis.code.unread_variables import UnreadVariable
    from flag_harness.analysis.effects.attribution import FlagEffectAttribution
    from flag_harness.analysis.effects.paired_runs import ObservedRun
    from flag_harness.analysis.matrix_runs import FailingTest
    from flag_harness.flag import Flag
    from flag_harness.matrix import FlagSpace, Row

_CONVERSATION_PATH_PREFIXES = ("messages", "system", "requests")
"""The beginnings of JSON paths at which requests differ if tests share state, or if the agent sends random texts."""
FAILED_RUN_PROBLEM = "with a failed run"
_REPORT_ATTRIBUTE = "flag_harness_run"
"""The attribute of a report that holds the run. Workers send it as plain values."""


class FlagEffects:
    """Collects the runs of tests marked `flag_matrix`, on any worker, and reports what the flags changed and broke."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._runs: dict[str, list[MatrixRun]] = {}
        self._attribution: FlagEffectAttribution | None = None
        self.located: list[FlagSearchResult] = []
        self.leaks: dict[str, StateLeak] = {}
        self.advice = ADVICE_TO_LOCATE_FLAGS
        self.locate_note = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Attach the requests and the outcome of a matrix test to the report of its call, or of its failed setup."""
        report = yield
        is_judged = any(map(item.config.getoption, ("--harness-verdict", "--harness-resume")))
        is_row = item.get_closest_marker("flag_matrix") and COMBINATION_KEY in item.stash
        is_result = report.when == "call" or (report.when == "setup" and not report.passed)
        if is_result and is_row and not repetition_index(item) and not is_judged:
            setattr(report, _REPORT_ATTRIBUTE, _make_matrix_run(item, report, call.excinfo))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the run of a matrix test from its report. A test also fails if its teardown fails."""
        if (run := getattr(report, _REPORT_ATTRIBUTE, None)) is not None:
            self._runs.setdefault(report.nodeid, []).append(run)
        elif report.when == "teardown" and report.failed and report.nodeid in self._runs:
            self._runs[report.nodeid][-1]["has_passed"] = False

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print what each flag changed (not under `-q`), the flags that changed nothing, and those that broke tests."""
        if not self._runs:
            return
        from flag_harness.analysis.effects.flag_runs import flag_effect_lines, inert_flag_lines, unread_flag_lines

        attribution = self.attribution()
        is_quiet = self._config.get_verbosity() < 0
        reasons = self._reason_by_inert_flag()
        inert = attribution.pairs_by_inert_flag
        lines = inert_flag_lines(inert, reasons) if is_quiet else flag_effect_lines(attribution, reasons)
        lines += unread_flag_lines(self._unread_flags_with_effects())
        if self._config.get_verbosity() > 0:
            lines += [
                f"{run['nodeid']} is left out: {run['exclusion_reason']}"
                for run in self._sorted_runs()
                if run["exclusion_reason"]
            ]
        if lines:
            terminalreporter.section("what each flag changes", sep="-")
            for line in lines:
                terminalreporter.write_line(line)
        tests = self.failing_tests()
        lines = [*blame_lines(self._config, tests, self.located, self.flags_of_all_runs(), self.advice, self.leaks)]
        lines += refusal_lines(
            self._config, [one for one in tests if one.name not in self.leaking_tests()], self.flags_of_all_runs()
        )
        lines += [self.locate_note] if self.locate_note else []
        lines += unblamed_run_lines(runs_by_cause_other_than_flags(self._sorted_runs(), tests))
        if lines:
            terminalreporter.section("which flags broke it", sep="-")
            for line in lines:
                terminalreporter.write_line(line)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """With `--harness-fail-on=inert-flag`, fail the run if a flag changed nothing. Note whether `-x` ended it."""
        if session.shouldfail:
            self.advice = "To find out which: run without -x and --maxfail, which ended the run"
        is_worker = hasattr(self._config, "workerinput")
        if is_worker or FAIL_ON_INERT_FLAG not in self._config.getoption("--harness-fail-on") or not self._runs:
            return
        if self.attribution().pairs_by_inert_flag and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def attribution(self) -> "FlagEffectAttribution":
        """Return which changes in requests each flag caused in this run."""
        if self._attribution is None:
            from flag_harness.analysis.effects.attribution import add_effects_seen_in_failed_runs, attribute_effects
            from flag_harness.analysis.effects.paired_runs import ObservedRun
            from flag_harness.analysis.effects.request_changes import SentRequest

            space = self._flag_space_of_run()
            tests: dict[str, list[ObservedRun]] = {}
            for run in self._sorted_runs():
                if run["exclusion_reason"] == NO_CASSETTE_REASON or run["cause_other_than_flags"] == TEST_SKIPPED:
                    continue
                requests = tuple(SentRequest(*request) for request in run["requests"])
                observed = ObservedRun(self._row_of_run(run), requests, _comparison_problem(run))
                tests.setdefault(run["test"], []).append(observed)
            self._attribution = attribute_effects(space, tests)
            if self._attribution.pairs_by_inert_flag and not all(run["has_passed"] for run in self._sorted_runs()):
                every = {name: [_without_failure_problem(run) for run in runs] for name, runs in tests.items()}
                self._attribution = add_effects_seen_in_failed_runs(self._attribution, attribute_effects(space, every))
        return self._attribution

    def _reason_by_inert_flag(self) -> dict[str, str]:
        """Return why flags changed nothing, by flag, for those flags whose reason the project's Python code shows."""
        inert = self.attribution().pairs_by_inert_flag
        flags = [flag for flag in self.flags_of_all_runs() if flag.name in inert and flag.env]
        if not flags:
            return {}
        from flag_harness.analysis.code.inert_reasons import explain_inert_flags

        return explain_inert_flags(flags, self._code_files, all_flags(self._config))

    def _unread_flags_with_effects(self) -> "dict[str, UnreadVariable]":
        """Return the flags whose variables no code reads, and whose effects may come from state that another test left.

        The code is not searched for flags that change other parts of a request, such as `max_tokens`.
        """
        attribution = self.attribution()
        flags = [
            flag
            for flag in self.flags_of_all_runs()
            if flag.env
            and (effects := attribution.effects_of_flag(flag.name))
            and all(effect.path.startswith(_CONVERSATION_PATH_PREFIXES) for effect in effects)
        ]
        if not flags:
            return {}
        from flag_harness.analysis.code.unread_variables import find_unread_variables

        return find_unread_variables(flags, self._code_files, all_flags(self._config))

    @cached_property
    def _code_files(self) -> dict[str, str]:
        """The text of each file of code of the project, by path."""
        from flag_harness.analysis.code.unread_variables import CODE_SUFFIXES

        return read_code_files(self._config.rootpath, CODE_SUFFIXES)

    def failing_tests(self) -> "list[FailingTest]":
        """Return the matrix tests that failed under some combinations."""
        command_line = self._config.stash[FLAG_OPTIONS_KEY]
        has_pins = bool(command_line.pinned_values or command_line.baseline)
        return find_failing_tests(self._sorted_runs(), all_flags(self._config), has_pins)

    def failures_under_one_combination(self) -> list[str]:
        """Return the matrix tests, without their combinations, that ran under one combination and failed."""
        return tests_that_failed_in_their_only_run(self._sorted_runs())

    def leaking_tests(self) -> set[str]:
        """Return the names of tests that fail only because an earlier test leaves state behind."""
        return {name for leak in self.leaks.values() for name in leak.test_names}

    def _row_of_run(self, run: MatrixRun) -> "Row":
        """Return the flag values of a run as a `Row`. Flags that its test does not name have their defaults."""
        return row_of_run(run, self.flags_of_all_runs())

    def _sorted_runs(self) -> list[MatrixRun]:
        return [run for nodeid in sorted(self._runs) for run in self._runs[nodeid]]

    def _flag_space_of_run(self) -> "FlagSpace":
        return flag_space(self.flags_of_all_runs())

    def flags_of_all_runs(self) -> "tuple[Flag, ...]":
        """Return the declared flags that vary in some test of this run."""
        used = {name for runs in self._runs.values() for name in runs[0]["row"]}
        return tuple(flag for flag in all_flags(self._config) if flag.name in used)


def _make_matrix_run(
    item: pytest.Item, report: pytest.TestReport, error: pytest.ExceptionInfo[BaseException] | None
) -> MatrixRun:
    """Return the run of a test as plain values: its combination, its outcome, and its requests without secrets."""
    from flag_harness.analysis.effects.flag_runs import list_sent_requests
    from flag_harness.cassette.interaction import make_storable_request

    combination, traffic = item.stash[COMBINATION_KEY], item.stash.get(TRAFFIC_KEY, None)
    exchanges = []
    if traffic is not None:
        exchanges = [
            (traffic.plan.filters.filter_request(make_storable_request(request)), response)
            for request, response in traffic.exchanges
        ]
    return {
        "nodeid": item.nodeid,
        "test": node_id_without_combination(item.nodeid, combination.id),
        "row": {flag.name: value for flag, value in zip(combination.flags, combination.row, strict=True)},
        "has_passed": report.passed,
        "exclusion_reason": NO_CASSETTE_REASON if traffic is None else traffic.excluded_from_effects,
        "requests": [
            [request.method, request.path, [list(header) for header in request.headers], _decode_body(request.body)]
            for request in list_sent_requests(exchanges)
        ],
        "faults": [] if traffic is None else active_faults(traffic),
        "cause_other_than_flags": _cause_other_than_flags(report, error, item),
        "is_miss": report.failed and _has_unrecorded_request(item),
        "is_refused": report.failed and traffic is not None and any(miss.api_refusal for miss in traffic.misses),
    }


_CAUSE_BY_FAILURE = {FlagSetupFailure: FLAGS_NOT_SET, ScenarioFailure: NO_SCENARIO, MissingExtraFailure: MISSING_EXTRA}


def _cause_other_than_flags(
    report: pytest.TestReport, error: pytest.ExceptionInfo[BaseException] | None, item: pytest.Item
) -> str:
    """Return the cause of a run's outcome if it has nothing to do with flags, or an empty string."""
    if hasattr(report, "wasxfail"):
        return EXPECTED_FAILURE if report.skipped else ""
    if report.skipped:
        return TEST_SKIPPED
    if report.failed and str(report.longrepr).startswith("[XPASS(strict)]"):
        return UNEXPECTED_PASS
    for failure, cause in _CAUSE_BY_FAILURE.items():
        if error is not None and isinstance(error.value, failure):
            return cause
    if error is not None and is_missing_api_key_error(error.value) and missing_api_key_message(item):
        return NO_API_KEY
    return TEST_NOT_RECORDED if report.failed and _has_no_recording(item) else ""


def _has_no_recording(item: pytest.Item) -> bool:
    """Return True if a request of the test was refused because the test has no cassette yet."""
    if (traffic := item.stash.get(TRAFFIC_KEY, None)) is not None:
        return bool(traffic.misses) and traffic.plan.cassette is None
    vcr = item.stash.get(VCR_CASSETTE_KEY, None)
    return vcr is not None and bool(vcr.misses) and not vcr.rewound


def _has_unrecorded_request(item: pytest.Item) -> bool:
    """Return True if a request of the test is not in its cassette."""
    traffic, vcr = item.stash.get(TRAFFIC_KEY, None), item.stash.get(VCR_CASSETTE_KEY, None)
    return bool(traffic is not None and traffic.misses) or bool(vcr is not None and vcr.misses)


def _without_failure_problem(run: "ObservedRun") -> "ObservedRun":
    """Return a failed run without its problem, so that its requests can be compared; keep any other problem."""
    return replace(run, exclusion_reason="") if run.exclusion_reason == FAILED_RUN_PROBLEM else run


def _comparison_problem(run: MatrixRun) -> str:
    """Return why the requests of a run cannot be compared with those of other runs, or an empty string."""
    if not run["has_passed"]:
        return FAILED_RUN_PROBLEM
    return "with a run that its test excludes" if run["exclusion_reason"] else ""


def _decode_body(body: Any) -> Any:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else body
