"""The first screen of a report: what each flag breaks and costs, what else was found, and what to type next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flag_harness.flag import SWITCHED_OFF_PREFIX
from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunRow
from flag_harness.report.cache_map import cache_use_by_test, group_broken_prefixes, group_unused_cache_marks
from flag_harness.report.commands.next_steps import folder_note, next_steps
from flag_harness.report.commands.rerun import locate_command
from flag_harness.report.commands.step import NextStep
from flag_harness.report.failures.causes import FailureCause, flags_in_header
from flag_harness.report.flags.figures import MEANS_NOTE, UNCHANGED_TEXT, FlagFigures
from flag_harness.report.flags.left_out_pairs import left_out_texts, short_test_name
from flag_harness.report.flags.summary import FlagSummary, flag_summaries
from flag_harness.report.flags.support import flags_varied_by_no_test
from flag_harness.report.run_report import SIMULATED_NOTE, RunReport
from flag_harness.wording import count_with_noun, join_names

MAX_LISTED_FLAGS = 8
"""The most flags that the first screen shows. The others are counted."""
MAX_SHOWN_CAUSES = 4
"""The most causes of failures that the first screen shows, each with its command. Further causes are counted."""
_MAX_LISTED_NAMES = 2
"""The most causes that a line about a flag names, and the most tests that a line about a cause names."""
COMPARISON_NOTE = (
    f"{MEANS_NOTE} “{UNCHANGED_TEXT.capitalize()}” means equal in every pair. "
    "Without streaming, the first token arrives with the whole answer."
)
"""Explains the figures in the table of flags."""
_OVER_BUDGET_TEXT = "over its budget of"


@dataclass(frozen=True, slots=True)
class CauseLine:
    """What the first screen shows about one cause of failures: which tests fail, under which flags, and why.

    Attributes:
        sentence: a sentence such as `test_refund fails when streaming is on`.
        reason_lines: one line for each different reason, with the tests if there are several reasons.
        rerun_command: the command that runs the smallest failing combination of a test again.
        shown_test_name: the name of that test.
        locate_command: the command that finds out which flags are the cause, if this is not certain; else empty.
    """

    sentence: str
    reason_lines: tuple[str, ...]
    rerun_command: str
    shown_test_name: str
    locate_command: str


@dataclass(frozen=True, slots=True)
class FlagOverview:
    """A line of the first screen about one flag: what the flag breaks, what it costs, and a note."""

    setting: str
    has_failures: bool
    broken_tests_text: str
    figures: FlagFigures
    effect_note: str
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class OverviewNotice:
    """A short finding about something other than flags, and the section of the page that has the details."""

    section_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportOverview:
    """The first screen of a report.

    `further_cause_count` and `further_flag_count` count the causes and flags that have no line. `next_steps` are
    suggestions besides the commands of the causes, and `folder_note` says in which folder all commands must be typed.
    `left_out_texts` say which pairs of runs are not compared. `answer_source_note` says who answered the requests (the
    API or the simulator), on which the value of all figures depends. Single flags are marked as simulated only if
    others are not.
    """

    causes: tuple[CauseLine, ...]
    further_cause_count: int
    flags: tuple[FlagOverview, ...]
    further_flag_count: int
    notices: tuple[OverviewNotice, ...]
    next_steps: tuple[NextStep, ...]
    folder_note: str
    left_out_texts: tuple[str, ...]
    answer_source_note: str


def make_overview(report: RunReport) -> ReportOverview:
    """Return the contents of the first screen of a report."""
    ordered = flag_summaries(report)
    seen: set[str] = set()
    lines = tuple(_make_flag_overview(one, report, seen) for one in ordered[:MAX_LISTED_FLAGS])
    causes = report.causes[:MAX_SHOWN_CAUSES]
    return ReportOverview(
        tuple(_make_cause_line(cause, report) for cause in causes),
        len(report.causes) - len(causes),
        lines,
        len(ordered) - len(lines),
        tuple(_overview_notices(report, any(map(_changes_cache_marks, ordered)))),
        tuple(next_steps(report)),
        folder_note(report),
        tuple(left_out_texts({line.setting: line.figures.left_out_pairs for line in lines})),
        _answer_source_note(report.rows),
    )


def _make_cause_line(cause: FailureCause, report: RunReport) -> CauseLine:
    """Return what the first screen shows about one cause of failures."""
    reasons = [reason for reason, _ in cause.reasons_with_tests if reason]
    if len(cause.reasons_with_tests) > 1:
        reasons = [
            f"{join_names(map(short_test_name, tests), _MAX_LISTED_NAMES)}: {reason}"
            for reason, tests in cause.reasons_with_tests
        ]
    locate = (
        ""
        if cause.is_certain
        else locate_command(report.record.header, cause.shown_node_id, report.location.root_folder)
    )
    more = len(reasons) - _MAX_LISTED_NAMES
    reasons[_MAX_LISTED_NAMES:] = [f"and {count_with_noun(more, 'other reason')}"] if more > 0 else []
    shown = short_test_name(cause.shown_node_id.partition("[")[0])
    return CauseLine(failure_text(cause), tuple(reasons), cause.rerun_command, shown, locate)


def failure_text(cause: FailureCause) -> str:
    """Return a sentence such as `test_refund fails when streaming is on`."""
    names = [short_test_name(test) for test in cause.tests]
    certainty = "" if cause.is_certain else "perhaps "
    if len(names) == 1:
        return f"{certainty}{names[0]} {cause.condition_text}"
    subject = " and ".join(names) if len(names) <= _MAX_LISTED_NAMES else join_names(names, _MAX_LISTED_NAMES)
    return f"{certainty}{subject} {cause.condition_text.replace('fails', 'fail', 1)}"


def _make_flag_overview(summary: FlagSummary, report: RunReport, shown_causes: set[str]) -> FlagOverview:
    """Return what the first screen shows about one flag.

    `shown_causes` has the texts of causes that earlier lines show in full.
    """
    parts = [*_broken_tests_texts(summary.causes_with_flag, summary.setting, shown_causes)] or [
        summary.support.no_failure_text
    ]
    parts += [
        f"prevents a failure of {text}"
        for text in _broken_tests_texts(summary.causes_without_flag, summary.setting, shown_causes)
    ]
    answered = [row for row in report.rows if row.answered_by or row.recorded_from]
    is_simulated = not all(row.is_simulated for row in answered) and any(
        one.is_simulated for one in report.effects if one.setting_text == summary.setting
    )
    note = _note_on_flag_without_effect(summary, report)
    return FlagOverview(
        summary.setting, bool(summary.causes_with_flag), "; ".join(parts), summary.figures, note, is_simulated
    )


def _broken_tests_texts(causes: Sequence[FailureCause], setting: str, shown_causes: set[str]) -> Iterator[str]:
    for cause in causes[:_MAX_LISTED_NAMES]:
        yield _broken_tests_text(cause, setting, shown_causes)
        shown_causes.add(cause.condition_text)
    if len(causes) > _MAX_LISTED_NAMES:
        yield f"and {count_with_noun(len(causes) - _MAX_LISTED_NAMES, 'more cause')}"


def _broken_tests_text(cause: FailureCause, setting: str, shown_causes: set[str]) -> str:
    """Return which tests a cause breaks, and with which other flags besides `setting`.

    If `shown_causes` has the text of the cause, the tests are counted and not named again.
    """
    certainty = "" if cause.is_certain else "perhaps "
    names = f"{certainty}{join_names(map(short_test_name, cause.tests), _MAX_LISTED_NAMES)}"
    if cause.condition_text in shown_causes:
        names = "the same test" if len(cause.tests) == 1 else f"the same {len(cause.tests):,} tests"
    flag = setting.removeprefix(SWITCHED_OFF_PREFIX).partition("=")[0]
    others = [str(one) for one in cause.literals if one.flag not in (setting, flag)]
    together = [f"without {one[len('not ') :]}" if one.startswith("not ") else f"with {one}" for one in others]
    return f"{names}, {'only ' if together else 'by itself'}{' and '.join(together)}"


def _answer_source_note(rows: Sequence[RunRow]) -> str:
    """Return a sentence about who answered the runs (the API or the simulator), and what their figures are worth."""
    if count := sum(row.is_simulated for row in rows):
        runs = f"{'' if count == len(rows) else f'{count:,} of '}{count_with_noun(len(rows), 'run')}"
        note = SIMULATED_NOTE.partition(": ")[2]
        return f"Answered by the simulator ({runs}): {note}. Costs are those tokens at list price."
    if any(row.answered_by == "live" for row in rows):
        return "Tokens and times are those of the live API in this run, and costs are list prices."
    if any(row.recorded_from for row in rows):
        return "Tokens and times are those of the recordings, one live answer each, and costs are list prices."
    return ""


def _note_on_flag_without_effect(summary: FlagSummary, report: RunReport) -> str:
    """Return why a flag does not have the effect that it should have, or an empty string.

    The flag changes no request, or it marks prompts for the cache that are too short to be cached.
    """
    if summary.is_inert and not (summary.causes_with_flag or summary.causes_without_flag):
        [source] = [
            flag.env or flag.openfeature or flag.name
            for flag in flags_in_header(report.record.header)
            if flag.name == summary.flag_name
        ]
        return f"changes no request: does the agent read {source}?"
    unused = group_unused_cache_marks(report.rows) if _changes_cache_marks(summary) else ()
    return unused[0].sentence if unused else ""


def _changes_cache_marks(summary: FlagSummary) -> bool:
    return any("cache_control" in change for change in summary.request_changes)


def _overview_notices(report: RunReport, is_cache_explained: bool) -> Iterator[OverviewNotice]:
    """Yield short findings about anything but flags that break tests.

    `is_cache_explained` says that a flag's note covers the cache.
    """
    for cause in report.causes:
        if not cause.literals:
            yield OverviewNotice("failures", f"{failure_text(cause)}, whatever the flags")
    for refusal in report.api_refusals:
        yield OverviewNotice("failures", f"the API would refuse a request {refusal.condition}".rstrip())
    for unblamed in report.excluded_runs:
        yield OverviewNotice(
            "failures", f"{count_with_noun(len(unblamed.node_ids), 'run')} not blamed on flags: {unblamed.reason}"
        )
    if over := [row for row in report.rows if row.outcome == "failed" and _OVER_BUDGET_TEXT in row.reason]:
        names = [short_test_name(node_id_without_combination(row.case, row.combination)) for row in over]
        yield OverviewNotice(
            "failures", f"over budget in {count_with_noun(len(over), 'run')}: {join_names(names, _MAX_LISTED_NAMES)}"
        )
    if report.sweep_table.cause_counts:
        yield OverviewNotice(
            "sweep", f"the sweep found {count_with_noun(len(report.sweep_table.cause_counts), 'cause')} of failures"
        )
    yield from _cache_notices(report)
    for unused in () if is_cache_explained else group_unused_cache_marks(report.rows)[:1]:
        yield OverviewNotice("cache", unused.sentence)
    untested = flags_varied_by_no_test(report.rows, flags_in_header(report.record.header)) if report.rows else ()
    if untested:
        flags = "the flag" if len(untested) == 1 else "the flags"
        yield OverviewNotice("matrix-title", f"no test ran with and without {flags} {join_names(untested)}")
    if report.log_entries:
        warnings = sum(one.log_count for one in report.log_entries if one.level == "WARNING")
        errors = sum(one.log_count for one in report.log_entries) - warnings
        found = [count_with_noun(count, noun) for count, noun in ((errors, "error"), (warnings, "warning")) if count]
        tests = dict.fromkeys(test for entry in report.log_entries for test in entry.logging_tests)
        where = f"logged in {count_with_noun(len(tests), 'test')}"
        yield OverviewNotice("logs", f"{' and '.join(found)} {where}, most often “{report.log_entries[0].message}”")


def _cache_notices(report: RunReport) -> Iterator[OverviewNotice]:
    """Yield a notice if cached prefixes could not be read, and one if cache marks cost more than they save."""
    if broken := group_broken_prefixes(report.rows):
        runs = dict.fromkeys(case for place in broken for case in place.node_ids)
        where = f"a cached prefix is not read in {count_with_noun(len(runs), 'run')}"
        yield OverviewNotice("cache", f"{where}, because {broken[0].block} changes: {broken[0].cost_text}")
    elif wasteful := [one for one in cache_use_by_test(report.rows) if one.cache_use.costs_more]:
        yield OverviewNotice(
            "cache", f"cache marks cost more than they save in {count_with_noun(len(wasteful), 'run')}"
        )
