"""The contents of a report on a run, as values. All output formats are made from these."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flag_harness.analysis.effects.figures import MetricEffect
from flag_harness.flag import OFF_COMBINATION
from flag_harness.matrix import node_id_without_combination
from flag_harness.matrix.combination import flag_and_value_by_id_part
from flag_harness.record import RunRecord, RunRow
from flag_harness.record.conversation import Conversation
from flag_harness.report.commands.location import CURRENT_FOLDER_LOCATION, ReportLocation
from flag_harness.report.failures.api_refusals import ApiRefusal
from flag_harness.report.failures.causes import ExcludedRuns, FailureCause, explain_failures_of_run, flags_in_header
from flag_harness.report.failures.reasons import comparable_reason, shorten_failure_reason
from flag_harness.report.flags.request_effects import RequestEffect, request_effects
from flag_harness.report.metrics import effects_in_record
from flag_harness.report.sweep_table import SweepTable, make_sweep_table
from flag_harness.report.table import answer_sources_line, group_rows_by_combination, group_rows_by_log_message
from flag_harness.wording import count_with_noun

SIMULATED_NOTE = "simulated: tokens are the simulator's estimate and times its settings, not the API's"
_OUTCOMES_WORST_FIRST = ("failed", "inconclusive", "xpassed", "passed", "xfailed", "skipped")


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """The runs of one test under one combination: a single run, or several repetitions.

    `first_row_index` is the position of the first of these runs in `RunReport.rows`; the others follow.
    """

    rows: tuple[RunRow, ...]
    first_row_index: int

    @property
    def worst_outcome(self) -> str:
        """The worst outcome of the runs: `failed` if any of them failed."""
        return min((row.outcome for row in self.rows), key=_OUTCOMES_WORST_FIRST.index)

    @property
    def text(self) -> str:
        """The outcome and, if repetitions have different outcomes, how many had it: `failed`, `1 of 3 failed`."""
        count = sum(row.outcome == self.worst_outcome for row in self.rows)
        return self.worst_outcome if count == len(self.rows) else f"{count} of {len(self.rows)} {self.worst_outcome}"


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One test of the matrix, with a cell for each combination in the report.

    A cell is None if the test did not run under that combination.
    """

    test_name: str
    cells: tuple[MatrixCell | None, ...]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The outcomes that the test's cells have, each once."""
        return tuple(dict.fromkeys(cell.worst_outcome for cell in self.cells if cell is not None))


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Runs that failed in the same file for the same reason, as `comparable_reason` compares reasons.

    Attributes:
        reason: the reason of the first run, shortened.
        failing_lines: the lines at which the runs failed.
        rows: the runs.
    """

    reason: str
    failing_lines: tuple[str, ...]
    rows: tuple[RunRow, ...]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A warning or an error that the code under test logged: how often, and in which tests."""

    level: str
    logger: str
    message: str
    log_count: int
    logging_tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """The contents of a report.

    Attributes:
        record: the record that it was made from.
        outcome_counts: how many runs had each outcome.
        combinations: the combinations of the matrix: all defaults and each flag alone first, then those with failures,
            then the others; of these, those with the fewest flags first.
        matrix_rows: the tests of the matrix, those with a failure first.
        rows: the rows in the order of the matrix, to which `MatrixCell.index` refers.
        causes: which flags explain the failures.
        excluded_runs: the runs that say nothing about flags, and why.
        api_refusals: what the API would refuse of the requests that the cassettes do not hold.
        failure_groups: the failures by reason, the most frequent first.
        effects: what each flag, and each pair of flags, changes in each figure.
        request_effects: what each flag changes in requests.
        log_entries: the log messages, errors first.
        sweep_table: what a sweep over tests found.
        answer_source_line: a line that says who answered, and how old the oldest recording is.
        conversations: what tests sent and received, by node id, as far as it was kept.
        location: the paths that its commands need.
    """

    record: RunRecord
    outcome_counts: Counter[str]
    combinations: tuple[str, ...]
    matrix_rows: tuple[MatrixRow, ...]
    rows: tuple[RunRow, ...]
    causes: tuple[FailureCause, ...]
    excluded_runs: tuple[ExcludedRuns, ...]
    api_refusals: tuple[ApiRefusal, ...]
    failure_groups: tuple[FailureGroup, ...]
    effects: tuple[MetricEffect, ...]
    request_effects: tuple[RequestEffect, ...]
    log_entries: tuple[LogEntry, ...]
    answer_source_line: str
    sweep_table: SweepTable
    conversations: Mapping[str, Conversation] = field(default_factory=dict)
    location: ReportLocation = CURRENT_FOLDER_LOCATION

    @property
    def headline(self) -> str:
        """A sentence that says how many of the runs failed."""
        total, failed = sum(self.outcome_counts.values()), self.outcome_counts["failed"]
        if not total:
            return "No test ran"
        if failed:
            return f"{failed:,} of {count_with_noun(total, 'run')} failed"
        others = ", ".join(
            f"{count:,} {name}" for name, count in sorted(self.outcome_counts.items()) if name != "passed"
        )
        return f"No run failed: {self.outcome_counts['passed']:,} of {total:,} passed" + (
            f", {others}" if others else ""
        )

    @property
    def has_passed(self) -> bool:
        """Whether tests ran and none of them failed."""
        return bool(self.rows) and not self.outcome_counts["failed"]

    @property
    def is_simulated(self) -> bool:
        """Whether the simulator gave some of the answers, in this run or when a played cassette was recorded."""
        return any(row.is_simulated for row in self.rows)


def build_report(
    record: RunRecord,
    now: datetime,
    conversations: Mapping[str, Conversation] | None = None,
    location: ReportLocation = CURRENT_FOLDER_LOCATION,
) -> RunReport:
    """Collect the contents of a report on a run.

    The age of recordings is computed for the time `now`. `conversations` holds what tests sent and received, by node
    id. `location` says in which folder the reader types the report's commands.
    """
    combinations = tuple(_order_combinations(record))
    lines, rows = _make_matrix_rows(record, combinations)
    analysis = explain_failures_of_run(record, location.root_folder)
    return RunReport(
        record=record,
        outcome_counts=Counter(row.outcome for row in rows),
        combinations=combinations,
        matrix_rows=lines,
        rows=rows,
        causes=analysis.causes,
        excluded_runs=analysis.excluded_runs,
        api_refusals=analysis.api_refusals,
        failure_groups=_group_failures(rows),
        effects=effects_in_record(record),
        request_effects=request_effects(record),
        log_entries=_log_entries(rows),
        answer_source_line=answer_sources_line(rows, now),
        sweep_table=make_sweep_table(rows),
        conversations=conversations or {},
        location=location,
    )


def _make_matrix_rows(
    record: RunRecord, combinations: Sequence[str]
) -> tuple[tuple[MatrixRow, ...], tuple[RunRow, ...]]:
    """Return `(lines, rows)`: a line of the matrix for each test, those with a failure first; and the rows in the same
    order.
    """
    tests: dict[str, dict[str, list[RunRow]]] = {}
    for row in record.rows:
        name = node_id_without_combination(row.case, row.combination)
        tests.setdefault(name, {}).setdefault(row.combination, []).append(row)
    failed = {node_id_without_combination(row.case, row.combination) for row in record.rows if row.outcome == "failed"}
    rows: list[RunRow] = []
    lines = []
    for name in sorted(tests, key=lambda name: (name not in failed, name)):
        cells: list[MatrixCell | None] = []
        for combination in combinations:
            own = tests[name].get(combination)
            cells.append(MatrixCell(tuple(own), len(rows)) if own else None)
            rows += own or ()
        lines.append(MatrixRow(name, tuple(cells)))
    return tuple(lines), tuple(rows)


def _order_combinations(record: RunRecord) -> list[str]:
    """Return the combination ids in the order of the report.

    First come all defaults and each flag alone, then the combinations under which a test failed, then the others.
    """
    failed = {name: any(row.outcome == "failed" for row in own) for name, own in group_rows_by_combination(record.rows)}
    settings = {
        setting: place for place, setting in enumerate(flag_and_value_by_id_part(flags_in_header(record.header)))
    }

    def order(name: str) -> tuple[int, bool, int, list[int]]:
        parts = [] if name == OFF_COMBINATION else name.split("+")
        several = len(parts) > 1
        places = [settings.get(part, len(settings)) for part in parts]
        return min(len(parts), 2), several and not failed[name], len(parts), places

    return sorted(failed, key=order)


def _group_failures(rows: Iterable[RunRow]) -> tuple[FailureGroup, ...]:
    groups: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        if row.outcome == "failed":
            groups.setdefault((comparable_reason(row.reason), row.error_location.rpartition(":")[0]), []).append(row)
    found = [
        FailureGroup(
            shorten_failure_reason(members[0].reason),
            tuple(dict.fromkeys(row.error_location for row in members if row.error_location)),
            tuple(members),
        )
        for members in groups.values()
    ]
    return tuple(sorted(found, key=lambda group: -len(group.rows)))


def _log_entries(rows: Iterable[RunRow]) -> tuple[LogEntry, ...]:
    entries = []
    for key, counts in group_rows_by_log_message(rows).items():
        tests = dict.fromkeys(node_id_without_combination(row.case, row.combination) for row, _ in counts)
        entries.append(LogEntry(*key, sum(count for _, count in counts), tuple(tests)))
    return tuple(sorted(entries, key=lambda entry: (entry.level == "WARNING", -entry.log_count, entry.message)))
