"""A report in Markdown, short enough for the summary of a CI job or a pull request."""

from collections.abc import Iterator

from flag_harness.cassette.match.miss import API_REFUSAL_ADVICE
from flag_harness.record import CacheTurn
from flag_harness.report.cache_map import (
    CacheUseOfTest,
    cache_use_by_test,
    describe_cache_reads_and_writes,
    group_broken_prefixes,
)
from flag_harness.report.commands.rerun import locate_command
from flag_harness.report.failures.causes import MAX_CAUSES, FailureCause
from flag_harness.report.flags.figures import FIGURE_COUNT
from flag_harness.report.markdown.text import (
    code_cell,
    escape_markdown,
    inline_code,
    join_first_names,
    names_cell,
    table_lines,
)
from flag_harness.report.overview import COMPARISON_NOTE, ReportOverview, make_overview
from flag_harness.report.run_report import SIMULATED_NOTE, RunReport
from flag_harness.report.sweep_table import TROUBLE_OUTCOMES
from flag_harness.wording import count_with_noun

MAX_COMBINATION_COLUMNS = 16
MAX_REASONS_PER_CAUSE = 2
MAX_TESTS_IN_CACHE_MAP = 5
"""The most tests for which the report shows request by request what the prompt cache did."""
_MARK_BY_OUTCOME = {"failed": "❌ failed", "passed": "✅ passed"}


def markdown_lines(report: RunReport) -> Iterator[str]:
    """Yield a report as lines: a headline, the causes of failures, the failing tests, and what each flag changes."""
    overview = make_overview(report)
    yield f"## {'✅' if report.has_passed else '❌'} {report.headline}"
    if overview.answer_source_note:
        yield ""
        yield escape_markdown(overview.answer_source_note)
    if overview.folder_note and report.causes:
        yield ""
        yield f"The commands work {escape_markdown(overview.folder_note)}."
    if report.causes:
        yield ""
    for cause in report.causes[:MAX_CAUSES]:
        yield from _cause_lines(cause, report)
    if (more := len(report.causes) - MAX_CAUSES) > 0:
        yield f"- and {count_with_noun(more, 'more cause')}"
    yield from _api_refusal_lines(report)
    if report.excluded_runs:
        yield ""
    for unblamed in report.excluded_runs:
        yield f"- Not blamed on flags: {escape_markdown(unblamed.reason)}: {join_first_names(unblamed.node_ids)}"
    yield from _overview_lines(overview, has_causes=bool(report.causes))
    yield from _flag_lines(overview)
    yield from _sweep_lines(report)
    yield from _failure_lines(report)
    yield from _request_effect_lines(report)
    yield from _metric_effect_lines(report)
    yield from _prompt_cache_lines(report)
    yield ""
    yield escape_markdown(report.answer_source_line)
    if report.record.problem:
        yield ""
        yield f"**Incomplete:** {escape_markdown(report.record.problem)}"


def _cause_lines(cause: FailureCause, report: RunReport) -> Iterator[str]:
    """Yield lines that say which tests fail under which flags, why, and what to type to see it."""
    certainty = "" if cause.is_certain else "perhaps "
    yield f"- **{escape_markdown(certainty + cause.condition_text)}**: {join_first_names(cause.tests)}"
    if not cause.is_certain:
        command = inline_code(locate_command(report.record.header, cause.shown_node_id, report.location.root_folder))
        count = f"{cause.run_combination_count} of {cause.allowed_combination_count:,}"
        yield f"  - {count} combinations ran. To find out which flags: {command}"
    for reason, tests in cause.reasons_with_tests[:MAX_REASONS_PER_CAUSE]:
        if reason:
            whose = f" ({join_first_names(tests)})" if len(cause.reasons_with_tests) > 1 else ""
            yield f"  - Why{whose}: {inline_code(reason)}"
    if (more := len(cause.reasons_with_tests) - MAX_REASONS_PER_CAUSE) > 0:
        yield f"  - and {count_with_noun(more, 'other reason')}"
    yield f"  - To see it fail: {inline_code(cause.rerun_command)}"


def _api_refusal_lines(report: RunReport) -> Iterator[str]:
    if report.api_refusals:
        yield ""
    for refusal in report.api_refusals:
        when = f" {escape_markdown(refusal.condition)}" if refusal.condition else ""
        names = join_first_names(refusal.node_ids)
        yield f"- **The API would refuse a request{when}** (as the simulator does): {names}"
        yield f"  - {code_cell(refusal.message)}"
        yield f"  - {API_REFUSAL_ADVICE}"


def _overview_lines(overview: ReportOverview, *, has_causes: bool) -> Iterator[str]:
    """Yield lines with short notes about caches and logs, and what to type next besides running failures again."""
    found = [one.text for one in overview.notices if one.section_id in ("cache", "logs")]
    if found or overview.next_steps:
        yield ""
    if overview.next_steps and overview.folder_note and not has_causes:
        yield f"- The commands work {escape_markdown(overview.folder_note)}"
    yield from (f"- Also found: {escape_markdown(text)}" for text in found)
    for step in overview.next_steps:
        command = f": {inline_code(step.command)}" if step.command else ""
        start = "Optional, for flags that break nothing: to" if step.is_optional else "To"
        yield f"- {start} {escape_markdown(step.purpose)}{command}"


def _sweep_lines(report: RunReport) -> Iterator[str]:
    if not (report.sweep_table.outcome_counts_by_kind or report.sweep_table.cause_counts):
        return
    yield ""
    yield "### Sweep"
    yield ""
    rows = [
        [code_cell(one.kind), *(str(count or "") for count in one.counts_by_outcome)]
        for one in report.sweep_table.outcome_counts_by_kind
    ]
    yield from table_lines(["trouble", *TROUBLE_OUTCOMES], rows)
    if report.sweep_table.cause_counts:
        yield ""
        causes = [
            [
                str(one.trouble_count),
                one.oracle,
                code_cell(one.reason),
                code_cell(one.location) if one.location else "",
                code_cell(f"{one.test} {one.example_trouble}"),
            ]
            for one in report.sweep_table.cause_counts
        ]
        yield from table_lines(["troubles", "oracle", "reason", "place", "example"], causes)


def _flag_lines(overview: ReportOverview) -> Iterator[str]:
    """Yield the lines of one table that says what each flag breaks and costs."""
    if not overview.flags:
        return
    yield ""
    yield "### Flags: what each breaks, and what it costs or saves"
    yield ""
    headings = [cell.figure_name for cell in overview.flags[0].figures.cells[:FIGURE_COUNT]]
    rows = [
        [
            code_cell(line.setting) + (" (simulated)" if line.is_simulated else ""),
            escape_markdown(line.broken_tests_text),
            *(escape_markdown(cell.text) for cell in line.figures.cells[:FIGURE_COUNT]),
            f"{line.figures.compared_pair_count:,} of {line.figures.pair_count:,}",
        ]
        for line in overview.flags
    ]
    yield from table_lines(["flag", "breaks", *headings, "pairs compared"], rows)
    yield ""
    if overview.further_flag_count:
        yield f"- and {count_with_noun(overview.further_flag_count, 'further flag')}"
    notes = [f"{line.setting}: {line.effect_note}" for line in overview.flags if line.effect_note]
    for text in (COMPARISON_NOTE, *notes, *overview.left_out_texts):
        yield f"- {escape_markdown(text)}"


def _failure_lines(report: RunReport) -> Iterator[str]:
    lines = [line for line in report.matrix_rows if "failed" in line.outcomes]
    if not lines:
        return
    columns = [
        index
        for index in range(len(report.combinations))
        if any((cell := line.cells[index]) is not None for line in lines)
    ]
    shown = columns[:MAX_COMBINATION_COLUMNS]
    yield ""
    yield "### Failing tests"
    yield ""
    rows = [
        [
            code_cell(line.test_name),
            *(_MARK_BY_OUTCOME.get(cell.text, cell.text) if (cell := line.cells[index]) else "" for index in shown),
        ]
        for line in lines
    ]
    yield from table_lines(
        ["test", *(escape_markdown(report.combinations[index] or "no flags") for index in shown)], rows
    )
    if len(columns) > len(shown):
        yield ""
        yield f"{len(columns) - len(shown)} further combinations are not shown."
    yield ""
    reasons = [
        [str(len(group.rows)), code_cell(group.reason or "no reason"), names_cell(group.failing_lines)]
        for group in report.failure_groups
    ]
    yield from table_lines(["runs", "reason", "place"], reasons)
    if report.record.header.content_level != "none":
        yield ""
        yield (
            "The conversations are kept beside the record. To read them, and to run the failed tests again: download "
            "its folder, then `flag-harness report open FOLDER`"
        )


def _request_effect_lines(report: RunReport) -> Iterator[str]:
    if not report.request_effects:
        return
    yield ""
    yield "### What each flag changes in requests"
    yield ""
    rows = [
        [
            escape_markdown(one.setting),
            escape_markdown(one.change_text),
            f"{one.changed_pair_count:,} of {one.pair_count:,}",
        ]
        for one in report.request_effects
    ]
    yield from table_lines(["flag", "change", "pairs of runs"], rows)


def _metric_effect_lines(report: RunReport) -> Iterator[str]:
    rows = [
        [
            escape_markdown(effect.figure.name),
            escape_markdown(effect.setting_text),
            escape_markdown(str(effect)),
            "yes" if effect.is_simulated else "",
        ]
        for effect in report.effects
        if len(effect.changed_values) == 1 and not effect.is_unchanged
    ]
    if not rows:
        return
    yield ""
    yield "### What each flag changes"
    yield ""
    yield from table_lines(
        ["figure", "flag", "change (95 % interval)", "simulated"], sorted(rows, key=lambda row: row[0])
    )
    if any(row[3] for row in rows):
        yield ""
        yield f"{SIMULATED_NOTE[0].upper()}{SIMULATED_NOTE[1:]}."


def _prompt_cache_lines(report: RunReport) -> Iterator[str]:
    places = group_broken_prefixes(report.rows)
    tests = [test for test in cache_use_by_test(report.rows) if test.cache_use.breaks or test.cache_use.costs_more]
    if not tests:
        return
    yield from ("", "### Prompt cache", "")
    if places:
        rows = [
            [
                code_cell(place.block),
                f"{place.byte_index:,}",
                code_cell(place.text_change) if place.text_change else "",
                f"{place.missed_token_count:,}",
                escape_markdown(place.cost_text),
                names_cell(place.node_ids, 1),
            ]
            for place in places
        ]
        yield from table_lines(["changed block", "byte", "change", "tokens not read", "price", "tests"], rows)
        yield ""
    wasteful = [test for test in tests if test.cache_use.costs_more]
    for test in wasteful[:MAX_TESTS_IN_CACHE_MAP]:
        case, cost = inline_code(test.row.case), escape_markdown(test.cost_text)
        yield f"- {case}: its cache marks cost more than they save: {cost}"
    if (more := len(wasteful) - MAX_TESTS_IN_CACHE_MAP) > 0:
        yield f"- and {more:,} further tests"
    yield ""
    turns = [_cache_turn_cells(test, turn) for test in tests[:MAX_TESTS_IN_CACHE_MAP] for turn in test.cache_use.turns]
    yield from table_lines(["cache map", "request", "read", "written", "missed", "not cached", "blocks", "why"], turns)


def _cache_turn_cells(test: CacheUseOfTest, turn: CacheTurn) -> list[str]:
    """Return a row of the table of cache maps: what the cache did for one request of a test."""
    counts = (turn.tokens_read, turn.tokens_written, turn.tokens_missed, turn.tokens_not_cached)
    return [
        code_cell(test.row.case),
        str(turn.request_index + 1),
        *(f"{count:,}" for count in counts),
        escape_markdown(describe_cache_reads_and_writes(turn)),
        escape_markdown(turn.explanation),
    ]
