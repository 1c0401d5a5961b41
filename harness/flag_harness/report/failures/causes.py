"""Explain the failures of a run by the flags that cause them, from the rows of the run record."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

from flag_harness.analysis.blame import (
    FailureExplanation,
    SharedConjunction,
    explain_failures_by_test,
    find_suspects,
    split_into_conjunctions,
)
from flag_harness.analysis.conjunctions import Conjunction, FlagLiteral
from flag_harness.analysis.matrix_runs import (
    EXPECTED_FAILURE,
    NO_CASSETTE_REASON,
    TEST_NOT_RECORDED,
    TEST_SKIPPED,
    UNEXPECTED_PASS,
    FailingTest,
    MatrixRun,
    find_failing_tests,
    outcomes_by_test,
    row_of_run,
    runs_by_cause_other_than_flags,
)
from flag_harness.errors import FlagError
from flag_harness.flag import Flag
from flag_harness.matrix import flag_space, node_id_without_combination
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.record import RunHeader, RunRecord, RunRow, flag_from_declaration
from flag_harness.report.commands.rerun import rerun_command
from flag_harness.report.failures.api_refusals import ApiRefusal, find_api_refusals
from flag_harness.report.failures.conditions import condition_text
from flag_harness.report.failures.reasons import comparable_reason, shorten_failure_reason

FLAKY_REASON = "passed in some repetitions and failed in others, under the same flags"
SINGLE_RUN_REASON = "the test ran under one combination only"
"""Two of the values of `ExcludedRuns.reason`. The others are those of `MatrixRun.cause_other_than_flags`."""
MAX_CAUSES = 10
"""The most causes that a report shows at once. Further causes are folded or counted."""
_MAX_LITERALS_OF_SUSPECT = 3
_PINNING_OPTIONS = ("--harness-flags", "--harness-baseline")


@dataclass(frozen=True, slots=True)
class FailureCause:
    """A condition on flags under which tests fail. Only tests that ran under several combinations have one.

    Attributes:
        condition_text: the condition in words, such as `fails when streaming is on and prompt_cache is off`.
        tests: the tests that fail under it, without their combination. A test may have several causes.
        rerun_command: the command that runs one failing combination again: if possible one to which no other cause of
            the test applies, and of these the one that differs least from the defaults.
        run_combination_count: the number of combinations under which the first of `tests` ran.
        allowed_combination_count: the number of combinations that its flags allow. The cause is certain only if all of
            them ran.
        other_conditions: other conditions that explain these failures of the first test as well; empty if the cause is
            certain.
        shown_node_id: the node id of the run that `rerun_command` repeats.
        reason: why that run failed, shortened by `shorten_failure_reason`.
        reasons_with_tests: for each different reason, a pair of the reason and the tests that failed for it.
        has_flaky_combinations: True if a combination both passed and failed. Such combinations were left out.
        literals: the condition as values of flags; empty if the tests always fail.
    """

    condition_text: str
    tests: tuple[str, ...]
    rerun_command: str
    run_combination_count: int
    allowed_combination_count: int
    other_conditions: tuple[str, ...] = ()
    has_flaky_combinations: bool = False
    shown_node_id: str = ""
    reason: str = ""
    literals: tuple[FlagLiteral, ...] = ()
    reasons_with_tests: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def is_certain(self) -> bool:
        """Whether the first test of this cause ran under every combination that its flags allow."""
        return self.run_combination_count >= self.allowed_combination_count


@dataclass(frozen=True, slots=True)
class ExcludedRuns:
    """Runs whose failures are not explained by flags, and the reason for it."""

    reason: str
    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailureAnalysis:
    """Which flags cause the failures of tests, which runs of tests were left out when this was analysed, and which
    requests the API would refuse although they were answered.

    The causes of tests that ran under every combination come first; among these, the causes with the most tests.
    """

    causes: tuple[FailureCause, ...]
    excluded_runs: tuple[ExcludedRuns, ...]
    api_refusals: tuple[ApiRefusal, ...]


def explain_failures_of_run(record: RunRecord, root: str | None = "") -> FailureAnalysis:
    """Find out which flags explain the failures of which tests, and which runs say nothing about flags.

    `root` is the folder to which the commands in the result change first (see `ReportLocation`).
    """
    flags = flags_in_header(record.header)
    all_runs = [run for row in record.rows if (run := _row_to_matrix_run(row, flags)) is not None]
    combinations: dict[str, set[tuple[int, ...]]] = {}
    for run in all_runs:
        combinations.setdefault(run["test"], set()).add(row_of_run(run, flags))
    runs = [run for run in all_runs if len(combinations[run["test"]]) > 1]
    alone = [run for run in all_runs if len(combinations[run["test"]]) == 1 and not run["has_passed"]]
    has_pins = any(option.startswith(_PINNING_OPTIONS) for option in record.header.options)
    reasons = {row.case: row.reason for row in record.rows if row.outcome == "failed"}
    tests = {test.name: test for test in find_failing_tests(runs, flags, has_pins)}
    return FailureAnalysis(
        tuple(_find_causes(tests, flags, partial(rerun_command, record.header, root=root), reasons)),
        tuple(_group_excluded_runs(runs, alone, tests, flags)),
        find_api_refusals(record.rows, tests, flags),
    )


def _group_excluded_runs(
    runs: Sequence[MatrixRun], single_runs: Sequence[MatrixRun], tests: Mapping[str, FailingTest], flags: Sequence[Flag]
) -> Iterator[ExcludedRuns]:
    """Yield the runs that say nothing about flags, grouped by the reason.

    The reason is another cause of the failure; that the same combination passed and failed; or, for the runs in
    `single_runs`, that the test ran under one combination only.
    """
    groups = dict(runs_by_cause_other_than_flags(runs, tests.values()))
    outcomes: dict[tuple[str, tuple[int, ...]], set[bool]] = {}
    judged = [run for test in tests.values() for run in test.runs]
    for run in judged:
        outcomes.setdefault((run["test"], row_of_run(run, flags)), set()).add(run["has_passed"])
    groups[FLAKY_REASON] = [run for run in judged if len(outcomes[run["test"], row_of_run(run, flags)]) > 1]
    groups[SINGLE_RUN_REASON] = [run for run in single_runs if not run["cause_other_than_flags"]]
    for reason, group in groups.items():
        if group:
            yield ExcludedRuns(reason, tuple(dict.fromkeys(run["nodeid"] for run in group)))


def flags_in_header(header: RunHeader) -> tuple[Flag, ...]:
    """Return the flags that the header of a record declares."""
    return tuple(flag_from_declaration(name, declaration) for name, declaration in header.flags.items())


def _row_to_matrix_run(row: RunRow, flags: Sequence[Flag]) -> MatrixRun | None:
    """Convert a row of the run record to a run of a matrix test.

    Return None if the row is inconclusive or belongs to a sweep over faults, or if its flags are unknown.
    """
    if row.outcome == "inconclusive" or not row.values or row.sweep is not None:
        return None
    try:
        indices = {flag.name: value_index(flag, row.values[flag.name]) for flag in flags if flag.name in row.values}
    except FlagError:
        return None
    return {
        "nodeid": row.case,
        "test": node_id_without_combination(row.case, row.combination),
        "row": indices,
        "has_passed": row.outcome in ("passed", "xpassed"),
        "exclusion_reason": NO_CASSETTE_REASON if row.outcome == "skipped" else row.excluded_from_effects,
        "requests": [],
        "faults": [fault for fault in row.faults if "combination=" in fault],
        "cause_other_than_flags": _cause_other_than_flags(row),
        "is_miss": row.outcome == "failed" and bool(row.misses),
        "is_refused": row.outcome == "failed" and bool(row.api_refusals),
    }


def _cause_other_than_flags(row: RunRow) -> str:
    """Return why the outcome of a row is not due to flags, or an empty string if it may be."""
    if row.outcome in ("xfailed", "skipped"):
        return EXPECTED_FAILURE if row.outcome == "xfailed" else TEST_SKIPPED
    if row.outcome == "failed" and row.reason.startswith("[XPASS(strict)]"):
        return UNEXPECTED_PASS
    is_unrecorded = row.misses and row.recorded_from is None and row.answered_by is None
    return TEST_NOT_RECORDED if row.outcome == "failed" and is_unrecorded else ""


def _find_causes(
    tests: Mapping[str, FailingTest],
    flags: tuple[Flag, ...],
    make_rerun_command: Callable[[str], str],
    reasons: Mapping[str, str],
) -> Iterator[FailureCause]:
    """Yield the flag conditions that explain the failures of the tests.

    `make_rerun_command` returns the shell command that repeats the run with a given node id. `reasons` has the reason
    of each failure, by the node id of the run.
    """
    for has_run_every_combination in (True, False):
        chosen = {
            name: test for name, test in tests.items() if test.has_run_every_combination is has_run_every_combination
        }
        findings = explain_failures_by_test(flag_space(flags), outcomes_by_test(chosen, flags))
        explanations = {name: finding.explanation for finding in findings for name in finding.tests}
        for one in split_into_conjunctions(findings):
            yield _make_failure_cause(one, chosen, explanations, make_rerun_command, reasons)


def _make_failure_cause(
    shared: SharedConjunction,
    tests: Mapping[str, FailingTest],
    explanations: Mapping[str, FailureExplanation],
    make_rerun_command: Callable[[str], str],
    reasons: Mapping[str, str],
) -> FailureCause:
    first, conjunction = tests[shared.tests[0]], shared.conjunction
    ran = len({row for row, _ in first.row_outcomes})
    has_run_all = first.has_run_every_combination
    smallest = _smallest_failing_runs(shared, tests, explanations)
    case = min(smallest.values())[2]
    return FailureCause(
        f"fails when {condition_text(conjunction.literals)}" if conjunction.literals else "always fails",
        shared.tests,
        make_rerun_command(case),
        ran,
        ran if has_run_all else first.space.row_count,
        () if has_run_all else tuple(_other_possible_conditions(first, conjunction, explanations[first.name])),
        any(explanations[name].flaky_rows for name in shared.tests),
        case,
        shorten_failure_reason(reasons.get(case, "")),
        conjunction.literals,
        tuple(_group_tests_by_reason({name: reasons.get(run[2], "") for name, run in smallest.items()})),
    )


def _group_tests_by_reason(reasons: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield `(reason, tests)` for each different reason of failures, given the reason of each test.

    Reasons that differ only in ids, times and the like count as one.
    """
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(comparable_reason(reason), []).append(name)
    for names in groups.values():
        yield shorten_failure_reason(reasons[names[0]]), tuple(names)


def _smallest_failing_runs(
    shared: SharedConjunction, tests: Mapping[str, FailingTest], explanations: Mapping[str, FailureExplanation]
) -> dict[str, tuple[int, int, str]]:
    """Return, for each test, the failing run to show for a cause, as (number of other causes, changed flags, node id).

    It is the run to which the fewest other causes apply; among these, the one with the fewest flags that are not at
    their defaults.
    """
    found = {}
    for test in map(tests.__getitem__, shared.tests):
        others = [one for one in explanations[test.name].conjunctions if one != shared.conjunction]
        runs = [
            (sum(one.holds(test.values_for_conjunctions(run)) for one in others), run)
            for run in test.failing_runs_under(shared.conjunction)
        ]
        count, run = min(runs, key=itemgetter(0))
        found[test.name] = (count, test.count_changed_flags(run), run["nodeid"])
    return found


def _other_possible_conditions(
    test: FailingTest, conjunction: Conjunction, explanation: FailureExplanation
) -> Iterator[str]:
    """Yield other flag conditions that explain the same failing runs of a test as `conjunction`, and hold in no passing
    run.
    """
    if explanation.always_fails:
        return
    failures = [test.values_for_conjunctions(run) for run in test.failing_runs_under(conjunction)]
    for suspect in find_suspects(test.space, test.row_outcomes, _MAX_LITERALS_OF_SUSPECT):
        other = suspect.conjunction
        if other not in explanation.conjunctions and all(map(other.holds, failures)):
            yield condition_text(other.literals)
